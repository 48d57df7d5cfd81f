"""`python -m storage copy`, and the other commands on an object store."""

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from app.object_store import bucket_of
from app.storage_factory import open_storage
from core.settings import ROOT, Settings, load_settings
from storage.local.storage import LocalStorage
from tests.forks import ended_fork
from tests.object_store import ObjectStore
from tests.stored import Stored, storage_environment

ID = f"{uuid4()}\n".encode()
pytestmark = pytest.mark.xdist_group("object store")
LARGE = os.urandom(9 * 1024 * 1024)


@dataclass
class Library:
    """A folder with recordings, and a place in a bucket."""

    root: Path
    remote: Settings

    def command(self, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
        """Runs `python -m storage` with both within reach."""
        both = storage_environment(self.remote) | {"AUDIO_STORAGE_PATH": str(self.root)}
        return ended_fork("-m", "storage", *arguments, **both | environment)

    def copy(self, start: str, end: str, *arguments: str) -> tuple[int, list[dict[str, Any]], str]:
        """The exit code, what is told line by line, and what is complained of."""
        done = self.command("copy", "--from", start, "--to", end, "--json", *arguments)
        return done.returncode, [json.loads(line) for line in done.stdout.splitlines()], done.stderr

    def files(self) -> dict[str, bytes]:
        """What lies in the folder."""
        return {
            str(path.relative_to(self.root)): path.read_bytes()
            for path in self.root.rglob("*")
            if path.is_file() and ".staging" not in path.parts and path.name != "clock"
        }

    def objects(self) -> dict[str, bytes]:
        """What lies in the bucket, but notes for storage's own use."""
        stored = Stored(self.remote)
        return {name: stored.read(name) for name in [*stored.sizes(), ".pegasus/id"]}


@pytest.fixture
async def library(object_store: ObjectStore, tmp_path: Path) -> Library:
    """Recordings with all that may lie beside them, one of more than a chunk, in a storage with an id."""
    root = tmp_path / "recordings"
    storage = LocalStorage(root)
    await storage.prepare()
    for number in range(20):
        name = f"2026/11/{1 + number % 3:02}/audio_{number}.amr"
        content = LARGE if number == 7 else os.urandom(1000 + number)
        for ending in ("", ".json", ".waveform.json", ".transcript.json", ".playback.m4a"):
            await storage.replace(f"{name}{ending}", content if not ending else os.urandom(100))
    (root / ".pegasus").mkdir()
    (root / ".pegasus" / "id").write_bytes(ID)
    (root / ".staging" / "half").write_bytes(b"half-written")
    remote = load_settings(data_path=tmp_path / "data", **object_store.settings())
    return Library(root, remote)


def test_a_library_moves_there_and_back(library: Library, tmp_path: Path) -> None:
    """Every byte and everything beside it is there, with the storage's id; the originals are as they were."""
    before = library.files()
    code, [tally], complaint = library.copy("local", "s3")
    assert (code, complaint) == (0, "")
    assert (tally["copied"], tally["there_already"], tally["failed"]) == (100, 0, 0)
    assert library.files() == before == library.objects()
    again = library.command("copy", "--from", "local", "--to", "s3")
    assert (again.returncode, again.stdout) == (0, "0 copied, 100 there already: the same on both sides.\n")
    library.root = tmp_path / "elsewhere"
    code, [tally], _ = library.copy(library.remote.storage, "local")
    assert (code, tally["copied"]) == (0, 100)
    assert library.files() == before


def test_what_was_interrupted_goes_on(library: Library) -> None:
    """Killed on the way, it goes on where it was and copies nothing twice."""
    process = subprocess.Popen(
        [sys.executable, "-m", "storage", "copy", "--from", "local", "--to", "s3"],
        cwd=ROOT / "backend",
        env=os.environ | storage_environment(library.remote) | {"AUDIO_STORAGE_PATH": str(library.root)},
        stdout=subprocess.DEVNULL,
    )
    stored = Stored(library.remote)
    while len(stored.sizes()) < 30:
        pass
    process.kill()
    process.wait()
    there = len([name for name in stored.sizes() if not name.startswith(".")])
    code, [tally], _ = library.copy("local", "s3")
    assert (code, tally["there_already"], tally["copied"]) == (0, there, 100 - there)
    assert library.files().items() <= library.objects().items()


async def test_a_difference_is_told(library: Library) -> None:
    """Other bytes under a name stay and are told, manifests are renewed; the id waits until all is well."""
    name = "2026/11/01/audio_0.amr"
    bucket = bucket_of(library.remote, library.remote.storage)
    bucket.put(name, b"of another")
    bucket.put(f"{name}.json", b"older")
    code, lines, _ = library.copy("local", "s3")
    assert code == 1
    assert lines[0] == {"name": name, "reason": "other bytes lie there"}
    assert lines[1]["failed"] == 1
    assert bucket.get(name) == b"of another"
    assert bucket.get(f"{name}.json") == library.files()[f"{name}.json"]
    assert await open_storage(library.remote).upkeep().identity() is None


@pytest.mark.parametrize(
    ("arguments", "environment", "told"),
    [
        (("local", "s3"), {"AWS_SECRET_ACCESS_KEY": "wrong"}, "refuses AWS_ACCESS_KEY_ID"),
        (("local", "s3"), {"STORAGE": "local"}, "names no bucket"),
        (("local", "s4"), {}, "names no bucket"),
        (("local", "s3"), {"AUDIO_STORAGE_PATH": "/nonexistent"}, "folder is missing"),
    ],
)
def test_refusals_are_one_sentence(
    library: Library, arguments: tuple[str, str], environment: dict[str, str], told: str
) -> None:
    """What can't be done is told in one line."""
    done = library.command("copy", "--from", arguments[0], "--to", arguments[1], **environment)
    assert done.returncode in {1, 2}
    assert done.stdout == ""
    assert told in done.stderr
    assert done.stderr.count("\n") == 1


def test_another_databases_storage_is_left_alone(library: Library) -> None:
    """Nothing is copied into a storage that belongs to somebody else."""
    bucket = bucket_of(library.remote, library.remote.storage)
    bucket.put(".pegasus/id", f"{uuid4()}\n".encode())
    done = library.command("copy", "--from", "local", "--to", "s3")
    assert (done.returncode, done.stdout) == (1, "")
    assert "another database" in done.stderr
    assert Stored(library.remote).sizes() == {}


async def test_the_sweeper_keeps_an_object_store_tidy(object_store: ObjectStore, database: str, tmp_path: Path) -> None:
    """On an object store, too: verify and sweep tell what there is, adopt puts together, and what is lost is told."""
    remote = load_settings(data_path=tmp_path, database_url=database, **object_store.settings())
    library = Library(tmp_path / "none", remote)
    assert library.command("sweep", DATABASE_URL=database).returncode == 0
    bucket = bucket_of(remote, remote.storage)
    bucket.put("2026/11/24/audio_20261124_100000_0123456789abcdef.wav", b"left over")
    told = library.command("verify", DATABASE_URL=database)
    assert told.returncode == 0
    assert "1 in storage without a row" in told.stdout
    upkeep = open_storage(remote).upkeep()
    names = ["2026/11/24/audio_20261124_100000_0123456789abcdef.wav"]
    assert await upkeep.quarantine([*names, "gone"]) == names
    assert await upkeep.locate(names) == [None]
    assert await upkeep.restore(names) == names
    assert await upkeep.locate(names) == names
    assert library.command("adopt", DATABASE_URL=database).returncode == 0
    assert await upkeep.identity() is not None
    assert await upkeep.sweep_age_seconds() is not None
