"""Pairs a database with a storage: both hold the same id, which they get at the first start.

With a wrong DATABASE_URL or an unmounted disk every recording seems lost, or every file orphaned. So all that cleans up
calls `ensure_paired` first, and only a person can pair a database and a storage that don't fit by themselves.
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
from core.errors import PegasusError, SystemTableMissing
from storage.upkeep import Upkeep

SAMPLE = 100
MOMENT_SECONDS = 1
log = structlog.get_logger(__name__)


class PairRefused(PegasusError):
    """The database and the storage don't belong together, or that can't be shown."""

    def __init__(self, reason: str) -> None:
        super().__init__(
            f"Nothing is compared or swept: {reason}. Check DATABASE_URL and STORAGE or AUDIO_STORAGE_PATH; if they are"
            " right, accept the pair with: python -m storage adopt"
        )


@dataclass(frozen=True, kw_only=True)
class PairInspection:
    """A comparison without ids: how many rows were looked up, how many of them have bytes, and if there are files."""

    looked_up: int
    found: int
    any_files: bool

    @property
    def is_new(self) -> bool:
        """Whether both are empty."""
        return not self.looked_up and not self.any_files

    @property
    def fits(self) -> bool:
        """Whether half of the rows have their files. Names are random, so that a match isn't by chance.

        The others may have been lost long ago, or lie where an old row's path doesn't lead any more.
        """
        return self.found * 2 >= self.looked_up > 0


async def ensure_paired(sessions: Sessions, upkeep: Upkeep, *, dry_run: bool = False) -> None:
    """Returns when database and storage belong together; pairs them where they are new. A dry run writes nothing.

    Raises PairRefused, SystemTableMissing, DatabaseProblem or StorageError.
    """
    storage_id, database_id = await upkeep.identity(), await _read_id(sessions)
    if storage_id is not None and storage_id == database_id:
        return
    if storage_id is not None:
        raise PairRefused(
            "this storage belongs to another database, and the one in use is new"
            if database_id is None
            else "the database and the storage each belong to another one"
        )
    inspection = await inspect_pair(sessions, upkeep)
    if inspection.fits and database_id is not None:  # another process may be pairing them: it writes the database first
        await asyncio.sleep(MOMENT_SECONDS)
        if await upkeep.identity() == database_id:
            return
    _check(inspection, database_id=database_id)
    if dry_run:
        return
    await upkeep.identify(database_id or await _insert_id(sessions, uuid4()))
    log.info("database and storage belong together from now on", adopted=not inspection.is_new)


async def pair_for_rebuild(sessions: Sessions, upkeep: Upkeep) -> None:
    """Pairs a database without an id with a storage whose recordings are to be inserted into it.

    Raises PairRefused where either belongs to another; SystemTableMissing, DatabaseProblem or StorageError.
    """
    storage_id, database_id = await upkeep.identity(), await _read_id(sessions)
    if database_id is not None and storage_id != database_id:
        raise PairRefused(
            "the database knows its storage, and this is another one"
            if storage_id is not None
            else "the database knows its storage, and this one bears no id: its disk may not be mounted"
        )
    inspection = await inspect_pair(sessions, upkeep)
    if database_id is None and inspection.looked_up and not inspection.fits:
        raise PairRefused("the database has recordings, and their bytes are not in this storage")
    first = await _insert_id(sessions, storage_id or uuid4())
    if storage_id is None:
        await upkeep.identify(first)
    elif first != storage_id:
        raise PairRefused("another process has just put this database and another storage together")


async def inspect_pair(sessions: Sessions, upkeep: Upkeep) -> PairInspection:
    """Compares a sample of the rows with storage."""
    rows = await row_paths.sample(sessions, SAMPLE)
    located = await upkeep.locate([row.path for row in rows])
    any_files = False
    walk = upkeep.walk()
    async for _ in walk:
        any_files = True
        break
    await walk.aclose()
    return PairInspection(looked_up=len(rows), found=sum(name is not None for name in located), any_files=any_files)


async def accept(sessions: Sessions, upkeep: Upkeep) -> tuple[UUID, PairInspection]:
    """Pairs the two under a new id, on a person's word, whatever either was paired with before.

    Returns the id and the comparison. Raises SystemTableMissing, DatabaseProblem or StorageError.
    """
    await _read_id(sessions)
    inspection, identity = await inspect_pair(sessions, upkeep), uuid4()
    statement = insert(storage_identity).values(id=identity)
    async with sessions() as session:
        await session.execute(
            statement.on_conflict_do_update(index_elements=["singleton"], set_={"id": statement.excluded.id})
        )
        await session.commit()
    await upkeep.identify(identity)
    return identity, inspection


def _check(inspection: PairInspection, *, database_id: UUID | None) -> None:
    """Raises PairRefused where a storage without an id can't be paired with this database."""
    if inspection.is_new or (inspection.fits and database_id is None):
        return
    if database_id is not None:
        raise PairRefused("the database knows its storage, and this one bears no id: its disk may not be mounted")
    if inspection.looked_up:
        raise PairRefused("the database has recordings, and their bytes are not in this storage")
    raise PairRefused("this storage has files, and the database has no recordings")


async def _read_id(sessions: Sessions) -> UUID | None:
    """The database's id. Raises SystemTableMissing."""
    async with sessions() as session:
        if await session.scalar(select(func.to_regclass(storage_identity.fullname))) is None:
            raise SystemTableMissing("for the storage's id")
        identity: UUID | None = await session.scalar(select(storage_identity.c.id))
        return identity


async def _insert_id(sessions: Sessions, identity: UUID) -> UUID:
    """Inserts an id unless there is one, and returns the database's."""
    async with sessions() as session:
        await session.execute(insert(storage_identity).values(id=identity).on_conflict_do_nothing())
        await session.commit()
        first: UUID = (await session.execute(select(storage_identity.c.id))).scalar_one()
        return first
