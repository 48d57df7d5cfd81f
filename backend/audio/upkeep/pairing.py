"""Whether a database and a storage belong together: both bear one id, which they get when they first meet.

A wrong DATABASE_URL or an unmounted disk looks as if every recording were gone, or every file left over. So whatever
cleans up asks here first, and only a person can put together what doesn't agree by itself.
"""

import asyncio
from dataclasses import dataclass
from uuid import UUID, uuid4

import structlog
from sqlalchemy import func, select
from sqlalchemy.dialects.postgresql import insert

from audio.upkeep import row_paths
from core.database.engine import Sessions
from core.database.system_tables import storage_identity
from core.errors import PegasusError
from storage.upkeep import Upkeep

SAMPLE = 100
MOMENT_SECONDS = 1
log = structlog.get_logger(__name__)


class PairRefused(PegasusError):
    """The database and the storage don't belong together, as far as can be told."""

    def __init__(self, reason: str) -> None:
        super().__init__(
            f"Nothing is compared or swept: {reason}. Check DATABASE_URL and STORAGE or AUDIO_STORAGE_PATH; if they are"
            " right, accept the pair with: python -m storage adopt"
        )


class IdentityTableMissing(PegasusError):
    """The database has no place for the storage's id."""

    def __init__(self) -> None:
        super().__init__(
            "The database has no table for the storage's id yet: start the server once,"
            " or run: python -m reconcile heal -c system_chain/alembic.ini"
        )


@dataclass(frozen=True, kw_only=True)
class Meeting:
    """What both have where they don't have the same id: how many rows were looked up, how many had their bytes."""

    looked_up: int
    found: int
    any_files: bool

    @property
    def is_new(self) -> bool:
        """Whether there is nothing yet that could be mistaken."""
        return not self.looked_up and not self.any_files

    @property
    def fits(self) -> bool:
        """Whether these are surely the files of these rows: their names are random, so one is no chance hit.

        Some may have been lost long ago, or lie where no row's bytes are found any more.
        """
        return self.found * 2 >= self.looked_up > 0


async def make_sure(sessions: Sessions, upkeep: Upkeep, *, dry_run: bool = False) -> None:
    """Returns when database and storage belong together, and says so in both where they meet for the first time.

    A dry run says it in neither.

    Raises PairRefused, IdentityTableMissing, DatabaseProblem or StorageError.
    """
    stored, entered = await upkeep.identity(), await _entered(sessions)
    if stored is not None and stored == entered:
        return
    if stored is not None:
        raise PairRefused(
            "this storage belongs to another database, and the one in use is new"
            if entered is None
            else "the database and the storage each belong to another one"
        )
    meeting = await meet(sessions, upkeep)
    if meeting.fits and entered is not None:  # another process may be about to say so, and the database comes first
        await asyncio.sleep(MOMENT_SECONDS)
        if await upkeep.identity() == entered:
            return
    _check(meeting, entered=entered)
    if dry_run:
        return
    await upkeep.identify(entered or await _enter_first(sessions, uuid4()))
    log.info("database and storage belong together from now on", adopted=not meeting.is_new)


async def take_back(sessions: Sessions, upkeep: Upkeep) -> None:
    """Gives a database that knows no storage yet the id of this one, whose recordings are to be entered in it.

    Raises PairRefused where either belongs to another; IdentityTableMissing, DatabaseProblem or StorageError.
    """
    stored, entered = await upkeep.identity(), await _entered(sessions)
    if entered is not None and stored != entered:
        raise PairRefused(
            "the database knows its storage, and this is another one"
            if stored is not None
            else "the database knows its storage, and this one bears no id: its disk may not be mounted"
        )
    meeting = await meet(sessions, upkeep)
    if entered is None and meeting.looked_up and not meeting.fits:
        raise PairRefused("the database has recordings, and their bytes are not in this storage")
    first = await _enter_first(sessions, stored or uuid4())
    if stored is None:
        await upkeep.identify(first)
    elif first != stored:
        raise PairRefused("another process has just put this database and another storage together")


async def meet(sessions: Sessions, upkeep: Upkeep) -> Meeting:
    """What there is on both sides."""
    rows = await row_paths.sample(sessions, SAMPLE)
    located = await upkeep.locate([row.path for row in rows])
    any_files = False
    walk = upkeep.walk()
    async for _ in walk:
        any_files = True
        break
    await walk.aclose()
    return Meeting(looked_up=len(rows), found=sum(name is not None for name in located), any_files=any_files)


async def accept(sessions: Sessions, upkeep: Upkeep) -> tuple[UUID, Meeting]:
    """Puts the two together, because a person says so, under a new id: what either belonged to before is left out.

    Returns the id, and what there was on both sides. Raises IdentityTableMissing, DatabaseProblem or StorageError.
    """
    await _entered(sessions)
    meeting, identity = await meet(sessions, upkeep), uuid4()
    statement = insert(storage_identity).values(id=identity)
    async with sessions() as session:
        await session.execute(
            statement.on_conflict_do_update(index_elements=["singleton"], set_={"id": statement.excluded.id})
        )
        await session.commit()
    await upkeep.identify(identity)
    return identity, meeting


def _check(meeting: Meeting, *, entered: UUID | None) -> None:
    """Raises PairRefused where a storage without an id can't be named after this database."""
    if meeting.is_new or (meeting.fits and entered is None):
        return
    if entered is not None:
        raise PairRefused("the database knows its storage, and this one bears no id: its disk may not be mounted")
    if meeting.looked_up:
        raise PairRefused("the database has recordings, and their bytes are not in this storage")
    raise PairRefused("this storage has files, and the database has no recordings")


async def _entered(sessions: Sessions) -> UUID | None:
    """The database's id. Raises IdentityTableMissing."""
    async with sessions() as session:
        if await session.scalar(select(func.to_regclass(storage_identity.fullname))) is None:
            raise IdentityTableMissing
        found: UUID | None = await session.scalar(select(storage_identity.c.id))
        return found


async def _enter_first(sessions: Sessions, identity: UUID) -> UUID:
    """Of several processes the first one chooses."""
    async with sessions() as session:
        await session.execute(insert(storage_identity).values(id=identity).on_conflict_do_nothing())
        await session.commit()
        first: UUID = (await session.execute(select(storage_identity.c.id))).scalar_one()
        return first
