"""Recordings entered, found and removed, one at a time; lists are read in paging.py and labels.py."""

from collections.abc import Sequence
from typing import TypeAlias, cast
from uuid import UUID

import asyncpg
from sqlalchemy import ColumnElement, delete, false, select, text
from sqlalchemy.ext.asyncio import AsyncSession

from audio.events.announcements import announced_as, announcing
from audio.models import AudioFile
from audio.processing.jobs import PARAMETERS, Job, enqueue_with, parameters
from audio.retries import INTO_KEYS, RetryKey, RetryKeyTaken
from audio.wanted import Wanted
from core import database
from core.errors import PegasusError
from core.origin import Origin
from core.system_tables import idempotency_keys

DriverConnection: TypeAlias = "asyncpg.Connection[asyncpg.Record]"
Sessions = database.Sessions
# What an upload brings, as PostgreSQL takes many of it at once. A text that is too long is refused, as varchar[] isn't.
_BROUGHT = {
    "id": "uuid",
    "filename": "text",
    "original_filename": "text",
    "file_path": "text",
    "file_size_bytes": "bigint",
    "mime_type": "text",
    "user_id": "text",
    "tag": "text",
    "category": "text",
    "processing_status": "processingstatus",
    "upload_timestamp": "timestamp",
    "created_at": "timestamp",
    "updated_at": "timestamp",
}
_ARRAYS = [f"${PARAMETERS + position}::{type_}[]" for position, type_ in enumerate(_BROUGHT.values(), 1)]
_KEY = [f"${PARAMETERS + len(_BROUGHT) + position}" for position in (1, 2)]
_ENTERED = (
    f"entered AS (INSERT INTO audio_files ({', '.join(_BROUGHT)}) SELECT * FROM UNNEST({', '.join(_ARRAYS)})"  # noqa: S608 - names of ours
    " ON CONFLICT (id) DO NOTHING RETURNING *)"  # only a resumed upload is ever entered again, and it is the same then
)
_KEYED = f"keyed AS ({INTO_KEYS} SELECT {', '.join(_KEY)}, id FROM entered)"  # noqa: S608 - as above
_ANNOUNCED = f"announced AS ({announced_as('created', source='entered')})"
_ENTER = enqueue_with(f"{_ENTERED}, {_ANNOUNCED}")
_ENTER_WITH_KEY = enqueue_with(f"{_ENTERED}, {_ANNOUNCED}, {_KEYED}")
_NOTHING = text("SELECT")
_INTO_A_FILE = text("SET LOCAL work_mem = '64kB'")
_SOME_ROOM = text("SELECT count(*) FROM unnest(array_fill(repeat('x', 8192), ARRAY[128]))")


class OutcomeUnknown(PegasusError):
    """The database went away between a statement and its answer: the recording may be there or not."""

    def __init__(self) -> None:
        super().__init__("The database went away while the recording was being entered; it may be there or not.")


async def enter(
    session: AsyncSession,
    recordings: Sequence[AudioFile],
    *,
    origins: Sequence[Origin],
    key: RetryKey | None = None,
) -> None:
    """Enters new recordings, announced, with their jobs and the key under which one of them came, and commits.

    `origins` are the requests that each of them came with.

    In a session that has not begun a transaction this is one statement, which is its own, and one round trip, unless a
    transaction pooler is there. Raises RetryKeyTaken; OutcomeUnknown when the answer was lost; with any other error
    none of the rows is there.
    """
    jobs = parameters([Job(one.id, origin) for one, origin in zip(recordings, origins, strict=True)])
    columns = [[getattr(recording, column) for recording in recordings] for column in _BROUGHT]
    connection = await driver_connection(session)
    try:
        if key is None:
            await connection.execute(_ENTER, *jobs, *columns)
        else:
            await connection.execute(_ENTER_WITH_KEY, *jobs, *columns, key.user_id, key.key)
    except asyncpg.UniqueViolationError as error:
        if error.as_dict().get("table_name") == idempotency_keys.name:
            raise RetryKeyTaken from error
        raise
    except (asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError, OSError) as error:
        if _was_refused(error):
            raise
        raise OutcomeUnknown from error
    try:
        await session.commit()
    except Exception as error:
        raise OutcomeUnknown from error


def _was_refused(error: Exception) -> bool:
    """Whether the server has taken back a statement, as it does where no more than that has gone wrong.

    Where it ends the session or itself, the COMMIT may be behind it: a full disk, for one, is told as the reason.
    """
    return isinstance(error, asyncpg.PostgresError) and error.as_dict().get("severity_en") == "ERROR"


async def check_writable(session: AsyncSession) -> None:
    """Returns when rows can be entered: the database takes changes, and its disk has room for some more.

    The first is told by the lock of no row, which a read-only database refuses, the second by a temporary file:
    neither leaves anything behind. In a session of `Sessions` it raises DatabaseProblem.
    """
    await session.execute(select(AudioFile.id).where(false()).with_for_update())
    await session.execute(_INTO_A_FILE)
    await session.execute(_SOME_ROOM)


async def driver_connection(session: AsyncSession) -> DriverConnection:
    """The driver's own connection of a session, which is in a transaction only once the session has sent something.

    Behind a transaction pooler it is in one: the driver asks about types that it meets for the first time, and changes
    a setting of the session meanwhile.
    """
    if session.get_bind().get_execution_options().get(database.POOLED):
        await session.execute(_NOTHING)
    connection = await (await session.connection()).get_raw_connection()
    return cast("DriverConnection", connection.driver_connection)


async def find(session: AsyncSession, recording_id: UUID, *, owner: str | None) -> AudioFile | None:
    """The recording of that id, if it is the owner's (None: anybody's)."""
    return await session.scalar(select(AudioFile).where(*_one(recording_id, owner)))


async def find_and_lock(session: AsyncSession, recording_id: UUID, *, owner: str | None) -> AudioFile | None:
    """The same, and nobody else changes it until the transaction ends."""
    query = select(AudioFile).where(*_one(recording_id, owner)).with_for_update()
    return await session.scalar(query.execution_options(populate_existing=True))


def _one(recording_id: UUID, owner: str | None) -> list[ColumnElement[bool]]:
    return [AudioFile.id == recording_id, *Wanted(user_id=owner).conditions()]


async def remove(session: AsyncSession, recording_id: UUID, *, owner: str | None) -> str | None:
    """Removes the row, if it is the owner's (None: anybody's), and announces that.

    Returns where its bytes lie; None without a row.
    """
    removed = announcing(delete(AudioFile).where(*_one(recording_id, owner)), change="deleted")
    row = (await session.execute(removed)).one_or_none()
    return None if row is None else row.file_path
