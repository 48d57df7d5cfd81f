"""What one user may keep, also when many uploads come at once."""

import asyncio
import uuid

import pytest
from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession

from audio.intake.quota import Quota, QuotaPassed, check_quota
from audio.model.audio_file import AudioFile, Base


@pytest.fixture
async def table(engine: AsyncEngine) -> None:
    """The table of recordings."""
    async with engine.begin() as connection:
        await connection.run_sync(Base.metadata.create_all)


async def enter(engine: AsyncEngine, user_id: str | None, size_bytes: int | None, limits: Quota) -> bool:
    """Enters a recording as an upload does, and tells whether the quota let it."""
    async with AsyncSession(engine) as session:
        try:
            await check_quota(session, user_id, adding_bytes=size_bytes or 0, limits=limits)
        except QuotaPassed:
            return False
        name = str(uuid.uuid4())
        session.add(AudioFile(filename=name, file_path=name, user_id=user_id, file_size_bytes=size_bytes))
        await session.commit()
        return True


async def refusal(engine: AsyncEngine, adding_bytes: int, limits: Quota) -> QuotaPassed | None:
    async with AsyncSession(engine) as session:
        try:
            await check_quota(session, "ada", adding_bytes=adding_bytes, limits=limits)
        except QuotaPassed as error:
            return error
    return None


@pytest.mark.usefixtures("table")
async def test_bytes(engine: AsyncEngine) -> None:
    """A user may keep exactly the limit's bytes and not one more; a row without a size counts nothing."""
    limits = Quota(limit_bytes=1000)
    assert await enter(engine, "ada", 400, limits)
    assert await enter(engine, "ada", None, limits)
    assert await refusal(engine, 600, limits) is None
    refused = await refusal(engine, 601, limits)
    assert refused is not None
    assert (refused.limit, refused.used) == (1000, 400)
    assert str(refused) == "The quota is 1000 bytes, of which 400 are used."


@pytest.mark.usefixtures("table")
async def test_recordings(engine: AsyncEngine) -> None:
    """A user may keep the limit's number of recordings, and deleting one makes room."""
    limits = Quota(limit_recordings=2)
    assert [await enter(engine, "ada", 1, limits) for _ in range(3)] == [True, True, False]
    refused = await refusal(engine, 0, limits)
    assert refused is not None
    assert (refused.limit, refused.used) == (2, 2)
    async with AsyncSession(engine) as session:
        await session.delete((await session.scalars(select(AudioFile))).first())
        await session.commit()
    assert await enter(engine, "ada", 1, limits)


@pytest.mark.usefixtures("table")
async def test_each_user_alone(engine: AsyncEngine) -> None:
    """One user's recordings take nothing from another's quota; all without a user share one."""
    limits = Quota(limit_recordings=1)
    assert [await enter(engine, user, 1, limits) for user in ("ada", "ben", None)] == [True, True, True]
    assert [await enter(engine, user, 1, limits) for user in ("ada", "ben", None)] == [False, False, False]


@pytest.mark.usefixtures("table")
async def test_no_limit(engine: AsyncEngine) -> None:
    """Without limits nothing is asked of the database."""
    assert not Quota()
    assert await enter(engine, "ada", 2**40, Quota())
    assert await refusal(engine, 2**40, Quota()) is None


@pytest.mark.usefixtures("table")
@pytest.mark.parametrize("limits", [Quota(limit_bytes=500), Quota(limit_recordings=5)])
async def test_uploads_at_once(engine: AsyncEngine, limits: Quota) -> None:
    """Of twenty uploads at once, just as many are kept as the quota allows; another user's are not held up by it."""
    accepted = await asyncio.gather(
        *(enter(engine, "ada", 100, limits) for _ in range(20)), enter(engine, "ben", 1, limits)
    )
    assert accepted.count(True) == 6
    assert accepted[-1]
    async with AsyncSession(engine) as session:
        counted = await session.scalar(select(func.count()).select_from(AudioFile).where(AudioFile.user_id == "ada"))
    assert counted == 5
