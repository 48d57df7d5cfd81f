"""A wrong database, an unmounted disk, an old deployment: what may be swept, and what only a person can accept."""

import asyncio
import shutil
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from uuid import UUID, uuid4

import asyncpg
import pytest

from audio.upkeep.pairing import PairRefused, ensure_paired
from core.errors import SystemTableMissing
from storage.upkeep import IdentityUnreadable
from tests.audio.house import House, open_house
from tests.conftest import RunSql

OLD = "2024/05/06/audio_20240506_070809_{}.wav"


@pytest.fixture
async def house(database: str, tmp_path: Path) -> AsyncIterator[House]:
    """A deployment that has no id yet, with nothing in it."""
    async with open_house(database, tmp_path / "recordings") as house:
        yield house


@pytest.fixture
async def other_database(server_address: str) -> AsyncIterator[str]:
    """The address of another fresh database."""
    connection = await asyncpg.connect(server_address)
    name = f"test_{uuid4().hex}"
    await connection.execute(f"CREATE DATABASE {name} TEMPLATE template0")
    yield server_address.replace("/pegasus?", f"/{name}?")
    await connection.execute(f"DROP DATABASE {name} WITH (FORCE)")
    await connection.close()


async def ids(house: House) -> tuple[UUID | None, UUID | None]:
    """The storage's id and the database's."""
    async with house.sessions() as session:
        connection = await session.connection()
        rows = (await connection.exec_driver_sql("SELECT id FROM pegasus_system.storage_identity")).all()
    return await house.storage.upkeep().identity(), rows[0].id if rows else None


async def refused(house: House) -> str:
    """Why the two don't belong together; a sweep with everything allowed must leave everything as it is."""
    before, known = house.files(), await ids(house)
    with pytest.raises(PairRefused) as error:
        await house.sweep(consent=True)
    assert house.files() == before
    assert await ids(house) == known
    assert str(error.value).endswith("python -m storage adopt")
    return str(error.value)


async def leave_behind(house: House, number: int) -> list[str]:
    """Makes the bytes of an old deployment, without rows."""
    names = [OLD.format(f"{at:04}") for at in range(number)]
    for name in names:
        (house.root / name).parent.mkdir(parents=True, exist_ok=True)
        (house.root / name).write_bytes(b"old")
    return names


async def test_both_are_new(house: House) -> None:
    """A new database and a new storage get one id when they first meet, and keep it."""
    assert await ids(house) == (None, None)
    await ensure_paired(house.sessions, house.storage.upkeep(), dry_run=True)
    assert await ids(house) == (None, None)
    await ensure_paired(house.sessions, house.storage.upkeep())
    stored, entered = await ids(house)
    assert stored == entered is not None
    await house.record()
    await ensure_paired(house.sessions, house.storage.upkeep())
    assert await ids(house) == (stored, entered)


async def test_many_processes_meet_at_once(house: House) -> None:
    """However many processes start at once, there is one id."""
    for name in await leave_behind(house, 3):
        await house.enter(name)
    await asyncio.gather(*(ensure_paired(house.sessions, house.storage.upkeep()) for _ in range(8)))
    stored, entered = await ids(house)
    assert stored == entered is not None


async def test_a_first_start_that_was_killed_is_finished(house: House, run_sql: RunSql) -> None:
    """A database that got its id just before the first start was killed gives it to the empty storage."""
    await run_sql("INSERT INTO pegasus_system.storage_identity (id) VALUES (gen_random_uuid())")
    await ensure_paired(house.sessions, house.storage.upkeep())
    stored, entered = await ids(house)
    assert stored == entered is not None


async def test_an_empty_database_sweeps_nothing(house: House, other_database: str) -> None:
    """With a wrong DATABASE_URL, to a new database or another deployment's, no file is moved, however few there are."""
    await ensure_paired(house.sessions, house.storage.upkeep())
    await house.record()
    async with open_house(other_database, house.root) as wrong:
        assert "this storage belongs to another database, and the one in use is new" in await refused(wrong)
        async with open_house(other_database, house.root.with_name("its own")) as other:
            await ensure_paired(other.sessions, other.storage.upkeep())
        assert "each belong to another" in await refused(wrong)
        with pytest.raises(PairRefused):
            await replace(wrong, storage=house.storage).sweep(dry_run=True)
    assert (await house.sweep()).left_over == 0


async def test_an_unmounted_disk_sweeps_nothing(house: House) -> None:
    """When the disk isn't mounted, neither a row nor the id changes; once it is, all goes on."""
    await ensure_paired(house.sessions, house.storage.upkeep())
    await house.record()
    house.root.rename(house.root.with_name("disk"))
    await house.storage.prepare()
    assert "its disk may not be mounted" in await refused(house)
    await house.record()  # serving goes on
    assert "its disk may not be mounted" in await refused(house)
    shutil.rmtree(house.root)
    house.root.with_name("disk").rename(house.root)
    assert (await house.sweep()).rows_without_bytes == 1


async def test_an_old_deployment_is_adopted(house: House) -> None:
    """Rows and files from before there were ids get one when the files are really those of the rows."""
    names = await leave_behind(house, 10)
    for name in (*names, *(OLD.format(f"gone{at}") for at in range(9))):
        await house.enter(f"{house.root}/{name}")
    assert (await house.sweep()).rows_without_bytes == 9
    stored, entered = await ids(house)
    assert stored == entered is not None


async def test_other_files_are_not_adopted(house: House) -> None:
    """Rows whose files aren't there, and files without any row, don't make a pair."""
    names = await leave_behind(house, 3)
    assert "has files, and the database has no recordings" in await refused(house)
    for at in range(8):
        await house.enter(OLD.format(f"elsewhere{at}"))
    assert "their bytes are not in this storage" in await refused(house)
    for name in names:
        (house.root / name).unlink()
    assert "their bytes are not in this storage" in await refused(house)


async def test_a_person_accepts_the_pair(house: House, other_database: str) -> None:
    """`python -m storage adopt` gives both a new id, so that neither still counts as its former partner's."""
    await ensure_paired(house.sessions, house.storage.upkeep())
    before = await ids(house)
    await house.record()
    async with open_house(other_database, house.root) as other:
        done = other.command("adopt")
        assert (done.returncode, done.stderr) == (0, "")
        assert "the sweeper will take them for left over" in done.stdout
        stored, entered = await ids(other)
        assert stored == entered not in before
    assert "each belong to another" in await refused(house)
    done = house.command("adopt")
    assert "Of 1 recordings that were looked up, 1 have their bytes here." in done.stdout
    assert (await house.sweep()).rows_without_bytes == 0


async def test_an_id_that_is_none_is_told(house: House) -> None:
    """A file in the place of the id with something else in it stops the sweeper, and is not overwritten."""
    await ensure_paired(house.sessions, house.storage.upkeep())
    (house.root / ".pegasus" / "id").write_bytes(b"\xff nonsense")
    with pytest.raises(IdentityUnreadable):
        await house.sweep()
    assert (house.root / ".pegasus" / "id").read_bytes() == b"\xff nonsense"


async def test_an_old_schema_is_told(house: House, run_sql: RunSql) -> None:
    """Without the table for the id, the commands say in a sentence how to get it."""
    await run_sql("DROP SCHEMA pegasus_system CASCADE")
    await run_sql("DROP TABLE audio_files")
    with pytest.raises(SystemTableMissing, match="start the server once"):
        await house.sweep()
    for command in ("verify", "sweep", "adopt"):
        done = house.command(command)
        assert (done.returncode, done.stdout) == (1, "")
        assert done.stderr.count("\n") == 1, done.stderr
