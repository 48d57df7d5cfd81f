"""`python -m storage import`: a folder of files becomes recordings, by the rules of every upload."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.audio.house import House, open_house
from tests.audio.samples import recording
from tests.conftest import RunSql

WAV = recording("wav")


@pytest.fixture
async def house(database: str, tmp_path: Path) -> AsyncIterator[House]:
    """A deployment without recordings."""
    async with open_house(database, tmp_path / "storage") as house:
        await house.sweep()
        yield house


@pytest.fixture
def library(tmp_path: Path) -> Path:
    """Recordings in folders, one of them twice, and what isn't one."""
    folder = tmp_path / "library"
    (folder / "2019").mkdir(parents=True)
    (folder / "2019" / "Größe.m4a").write_bytes(recording("m4a"))
    (folder / "2019" / "copy.wav").write_bytes(WAV)
    (folder / "memo.wav").write_bytes(WAV)
    (folder / "broken.mp3").write_bytes(b"no audio at all " * 4096)
    (folder / "letter.txt").write_text("not for anybody", encoding="utf-8")
    return folder


async def test_a_library_is_taken_over(house: House, library: Path, run_sql: RunSql) -> None:
    """Each is there once, with name, labels, user and job; what isn't audio is named, and holds up nothing."""
    done = house.command("import", str(library), "--tag", "Old", "--user", "ada")
    assert (done.returncode, done.stdout) == (1, "4 recordings: 1 failed, 2 imported, 1 there already.\n")
    assert done.stderr.startswith(f"{library / 'broken.mp3'}: The uploaded bytes are not audio")
    rows = await run_sql("SELECT * FROM audio_files ORDER BY original_filename")
    assert [(row["original_filename"], row["tag"], row["user_id"]) for row in rows] == [
        ("Größe.m4a", "Old", "ada"),
        ("copy.wav", "Old", "ada"),
    ]
    assert (house.root / rows[1]["file_path"]).read_bytes() == WAV
    assert len(await run_sql("SELECT id FROM pgqueuer.pgqueuer")) == 2
    assert house.command("verify").returncode == 0


async def test_it_may_be_run_again(house: House, library: Path, run_sql: RunSql) -> None:
    """What came before is there already, also for a machine that reads the outcome line by line."""
    (library / "broken.mp3").unlink()
    assert house.command("import", str(library)).returncode == 0
    assert house.lines("import", str(library)) == [{"there already": 3}]
    assert len(await run_sql("SELECT id FROM audio_files")) == 2
    (library / "broken.mp3").write_bytes(b"no audio at all " * 4096)
    failure, counts = house.lines("import", str(library))
    assert (failure["path"], counts) == (str(library / "broken.mp3"), {"failed": 1, "there already": 3})


async def test_a_path_that_is_not_there_is_told(house: House, tmp_path: Path) -> None:
    """In a sentence, before anything is done."""
    done = house.command("import", str(tmp_path / "nowhere"))
    assert done.returncode == 2
    assert done.stderr.splitlines()[-1] == f"python -m storage: error: there is no {tmp_path / 'nowhere'}"
