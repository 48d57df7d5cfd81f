"""`python -m storage`: what it finds in a storage that was damaged, and what it says to a person and to a machine."""

import json
import os
import pty
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from audio.model.audio_file import AudioFile
from audio.model.manifest import manifest_name
from core.settings import ROOT
from tests.audio.house import House, open_house
from tests.audio.samples import recording
from tests.conftest import RunSql

SIZE = len(recording("wav"))


@pytest.fixture
async def house(database: str, tmp_path: Path) -> AsyncIterator[House]:
    """A deployment with four recordings, paired."""
    async with open_house(database, tmp_path / "recordings") as house:
        await house.sweep()
        for _ in range(4):
            await house.record()
        yield house


def flip(path: Path) -> None:
    """Turns one bit round, in the middle."""
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def of_another(path: Path) -> None:
    """Gives a manifest another recording's id."""
    told = json.loads(path.read_text())
    path.write_text(json.dumps(told | {"id": "00000000-0000-4000-8000-000000000000"}))


DAMAGES: dict[str, tuple[str, Callable[[Path], object]]] = {
    "bytes changed": ("", flip),
    "size differs": ("", lambda path: os.truncate(path, SIZE - 1)),
    "bytes missing": ("", Path.unlink),
    "manifest unreadable": (".json", lambda path: path.write_text('{"version": 1, "nonsense": [')),
    "manifest of another recording": (".json", of_another),
}


async def test_all_is_there(house: House) -> None:
    """Where every byte is as it came in, it says so and how much it read, and changes nothing."""
    before = house.files()
    done = house.command("verify")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == f"4 recordings, {4 * SIZE} bytes read: all there, as they came in.\n"
    assert house.files() == before


@pytest.mark.parametrize("fault", DAMAGES)
async def test_each_damage_is_found(house: House, fault: str) -> None:
    """One flipped bit, a truncated or missing file, a manifest with nonsense: found, named, and counted."""
    row: AudioFile = await house.record()
    suffix, damage = DAMAGES[fault]
    damage(house.root / f"{row.file_path}{suffix}")
    done = house.command("verify")
    assert (done.returncode, done.stderr) == (1, "")
    wrong, summary = done.stdout.splitlines()
    assert wrong == f"{fault}: {row.file_path} (recording {row.id})"
    assert summary.startswith("5 recordings, ")
    assert summary.endswith(": 1 not as they came in.")
    assert house.lines("verify")[0] == {"fault": fault, "path": row.file_path, "recording": str(row.id)}


async def test_everything_wrong_is_told_in_order(house: House) -> None:
    """Several damages are told one after the other, in the order of the paths, and then the counts."""
    rows = sorted([await house.record() for _ in DAMAGES], key=lambda row: row.file_path)
    for row, (suffix, damage) in zip(rows, DAMAGES.values(), strict=True):
        damage(house.root / f"{row.file_path}{suffix}")
    *wrong, tally = house.lines("verify")
    assert [(line["path"], line["fault"]) for line in wrong] == [
        (row.file_path, fault) for row, fault in zip(rows, DAMAGES, strict=True)
    ]
    assert (tally["recordings"], tally["wrong"], tally["without_manifest"]) == (9, 5, 0)


async def test_old_recordings_are_counted(house: House, run_sql: RunSql) -> None:
    """A recording from before there were manifests is no error, unless its size isn't what its row says."""
    row = await house.record()
    (house.root / manifest_name(row.file_path)).unlink()
    done = house.command("verify")
    assert done.returncode == 0
    assert "1 from before there were manifests" in done.stdout
    await run_sql("UPDATE audio_files SET file_size_bytes = 5 WHERE id = $1", row.id)
    assert [line.get("fault") for line in house.lines("verify")] == ["size differs", None]
    await run_sql("UPDATE audio_files SET file_size_bytes = NULL WHERE id = $1", row.id)
    assert house.command("verify").returncode == 0


async def test_what_has_no_row_is_compared_too(house: House) -> None:
    """Bytes without a row are no loss, but they are read, and told when they aren't what their manifest says."""
    rows = [await house.record(enter=False) for _ in range(2)]
    done = house.command("verify")
    assert done.returncode == 0
    assert "2 in storage without a row: see python -m storage sweep --dry-run" in done.stdout
    flip(house.root / rows[0].file_path)
    assert house.lines("verify")[0] == {"fault": "bytes changed", "path": rows[0].file_path, "recording": None}


async def test_sweep_by_hand(house: House) -> None:
    """The sweeper run by hand says what it found; its exit code is 1 when bytes are missing."""
    dry = house.command("sweep", "--dry-run")
    assert (dry.returncode, dry.stdout, dry.stderr) == (0, "4 rows, 4 recordings in storage.\n", "")
    row = await house.record()
    (house.root / row.file_path).unlink()
    done = house.command("sweep")
    assert done.returncode == 1
    assert f"1 rows without bytes, which nobody changes:\n  {row.id}\n" in done.stdout
    (told,) = house.lines("sweep")
    assert (told["rows_without_bytes"], told["some_without_bytes"]) == (1, [str(row.id)])


async def test_refusals_are_one_sentence(house: House, tmp_path: Path) -> None:
    """What can't be done is told in one line, without a traceback, and the exit code isn't 0."""
    house.root.rename(tmp_path / "gone")
    for environment in ({}, {"DATABASE_URL": "nonsense"}, {"DATABASE_URL": "postgresql://127.0.0.1:1/none"}):
        for command in ("verify", "sweep", "adopt"):
            if environment:
                house.root.mkdir(exist_ok=True)
            done = house.command(command, **environment)
            assert done.returncode in {1, 2}
            assert (done.stdout, done.stderr.count("\n")) == ("", 1), done.stderr
    wrong = house.command("verify")
    assert wrong.returncode == 1
    assert "python -m storage adopt" in wrong.stderr


async def test_a_bar_only_on_a_terminal(house: House) -> None:
    """On a terminal a bar shows how far it is; what it finds can be piped elsewhere meanwhile."""
    row = await house.record()
    flip(house.root / row.file_path)
    assert house.settings.database_url is not None
    master, terminal = pty.openpty()
    done = subprocess.run(
        [sys.executable, "-m", "storage", "verify"],
        cwd=ROOT / "backend",
        env=os.environ
        | {
            "DATABASE_URL": house.settings.database_url.get_secret_value(),
            "AUDIO_STORAGE_PATH": str(house.root),
            "TERM": "xterm",
        },
        stdout=subprocess.PIPE,
        stderr=terminal,
        text=True,
        timeout=100,
        check=False,
    )
    os.close(terminal)
    shown = os.read(master, 100_000).decode()
    os.close(master)
    assert done.stdout.startswith(f"bytes changed: {row.file_path}")
    assert "KiB" in shown
    assert row.file_path not in shown
