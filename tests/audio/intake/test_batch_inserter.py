"""The entrance: rows that come together go in together, and none of them pays for another."""

import asyncio
import uuid
from collections.abc import AsyncIterator
from pathlib import Path

import asyncpg
import pytest
from sqlalchemy import func, select, text

from audio.intake.batch_inserter import BatchInserter
from audio.intake.insert import NewRow, OutcomeUnknown
from audio.model.audio_file import AudioFile, ProcessingStatus, utc_now
from core.batching import BATCH_ITEMS
from core.database.pgqueuer_setup import JOBS
from core.database.system_tables import announcements, events
from tests.audio.house import House, open_house

MANY = 3 * BATCH_ITEMS


@pytest.fixture
async def house(database: str, tmp_path: Path) -> AsyncIterator[House]:
    """A deployment without recordings."""
    async with open_house(database, tmp_path / "recordings") as house:
        yield house


def row(number: int, **more: object) -> NewRow:
    """A row that may be entered."""
    now, status = utc_now(), ProcessingStatus.UPLOADED
    name = f"{number}.wav"
    values = {"id": uuid.uuid4(), "filename": name, "file_path": name, "processing_status": status, "created_at": now}
    return NewRow(recording=AudioFile(**values | more), sha256=number.to_bytes(32))


async def counts(house: House) -> tuple[int, int, int]:
    """How many rows there are, how many jobs, and how many announcements, numbered or not."""
    async with house.sessions() as session:
        rows = await session.scalar(select(func.count()).select_from(AudioFile))
        jobs = await session.scalar(text(f"SELECT count(*) FROM {JOBS}"))
        announced = [await session.scalar(select(func.count()).select_from(table)) for table in (announcements, events)]
    return rows or 0, jobs or 0, sum(count or 0 for count in announced)


async def test_many_come_together(house: House) -> None:
    """Each of many rows that come at once is there, with its job and its announcement, when it is told so."""
    inserter = BatchInserter(house.sessions)
    await asyncio.gather(*(inserter.enter(row(number, tag=f"tag {number}")) for number in range(MANY)))
    assert await counts(house) == (MANY, MANY, MANY)
    async with house.sessions() as session:
        entered = (await session.execute(select(AudioFile.file_path, AudioFile.tag))).all()
    assert {(f"{number}.wav", f"tag {number}") for number in range(MANY)} == {(path, tag) for path, tag in entered}


async def test_one_that_is_refused_refuses_no_other(house: House) -> None:
    """A row that the database doesn't take is refused alone; all that came with it are entered."""
    inserter = BatchInserter(house.sessions)
    impossible: dict[int, dict[str, object]] = {3: {"tag": "x" * 101}, 7: {"filename": None}, 8: {"file_path": "5.wav"}}
    coming = (inserter.enter(row(number, **impossible.get(number, {}))) for number in range(20))
    outcomes = await asyncio.gather(*coming, return_exceptions=True)
    refused = [type(outcome) for outcome in outcomes if outcome is not None]
    assert refused == [
        asyncpg.StringDataRightTruncationError,
        asyncpg.NotNullViolationError,
        asyncpg.UniqueViolationError,
    ]
    assert await counts(house) == (17, 17, 17)


async def test_whoever_goes_away_takes_nobody_along(house: House) -> None:
    """A client that goes away while its row is entered holds up no other row."""
    inserter = BatchInserter(house.sessions)
    tasks = [asyncio.create_task(inserter.enter(row(number))) for number in range(20)]
    await asyncio.sleep(0)
    for task in tasks[::2]:
        task.cancel()
    outcomes = await asyncio.gather(*tasks, return_exceptions=True)
    assert [type(outcome) for outcome in outcomes[::2]] == [asyncio.CancelledError] * 10
    assert outcomes[1::2] == [None] * 10
    await inserter.enter(row(20))
    rows, jobs, announced = await counts(house)
    assert rows == jobs == announced >= 11


async def test_a_lost_answer_is_told_to_all(house: House) -> None:
    """When the database goes away before it has answered, whoever waits hears that nobody knows; later ones go in."""
    inserter = BatchInserter(house.sessions)
    async with house.sessions() as session:
        await session.execute(text("LOCK TABLE audio_files IN ACCESS EXCLUSIVE MODE"))
        tasks = [asyncio.create_task(inserter.enter(row(number))) for number in range(10)]
        others = text("SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE wait_event_type = 'Lock'")
        ended = 0
        while not ended:
            async with house.sessions() as looking:
                ended = await looking.scalar(others) or 0
        await session.rollback()
    outcomes = await asyncio.gather(*tasks, return_exceptions=True)
    unknown = [outcome for outcome in outcomes if outcome is not None]
    assert unknown
    assert {type(outcome) for outcome in unknown} == {OutcomeUnknown}
    await inserter.enter(row(11))
    rows, jobs, announced = await counts(house)
    assert rows == jobs == announced == len(outcomes) - len(unknown) + 1
