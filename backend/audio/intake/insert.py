"""Inserts the rows of new recordings in one statement, with their jobs, announcements, keys and finished uploads."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import asyncpg
from sqlalchemy import Column, Enum, String
from sqlalchemy.dialects import postgresql
from sqlalchemy.ext.asyncio import AsyncSession

from audio.events.announcements import announced_as
from audio.intake.idempotency_keys import INTO_KEYS, IdempotencyKey, IdempotencyKeyTaken
from audio.model.audio_file import AudioFile, Use, columns
from audio.processing.jobs import PARAMETERS, Job, enqueue_with, parameters
from core.database.engine import driver_connection
from core.database.system_tables import SCHEMA, idempotency_keys
from core.errors import PegasusError
from core.observability.trace_context import TraceContext


def _array_type(column: Column[Any]) -> str:
    """The type of an array's elements for many rows at once: a text that is too long is refused, as varchar[] isn't."""
    if isinstance(column.type, Enum):
        return str(column.type.name)
    return "text" if isinstance(column.type, String) else column.type.compile(postgresql.dialect())  # type: ignore[no-untyped-call]


_INSERTED = {column.name: _array_type(column) for column in columns(Use.INSERTED)}
_ARRAYS = [f"${PARAMETERS + position}::{type_}[]" for position, type_ in enumerate(_INSERTED.values(), 1)]
_FIRST, _SECOND, _THIRD = (f"${PARAMETERS + len(_INSERTED) + position}" for position in (1, 2, 3))
_ENTERED = (
    f"entered AS (INSERT INTO audio_files ({', '.join(_INSERTED)}) SELECT * FROM UNNEST({', '.join(_ARRAYS)})"  # noqa: S608 - names of ours
    " ON CONFLICT (id) DO NOTHING RETURNING *)"  # only a resumed upload is ever entered again, and it is the same then
)
_KEYED = f"keyed AS ({INTO_KEYS} SELECT {_FIRST}, {_SECOND}, id FROM entered)"  # noqa: S608 - as above
_FINISHED = (
    f"finished AS (INSERT INTO {SCHEMA}.uploads (id, user_id, length_bytes, metadata, expires_at, recording_id)"  # noqa: S608 - as above
    " SELECT id, entered.user_id, entered.file_size_bytes, came.metadata, came.expires_at, id"
    f" FROM UNNEST({_FIRST}::uuid[], {_SECOND}::text[], {_THIRD}::timestamptz[]) AS came (id, metadata, expires_at)"
    " LEFT JOIN entered USING (id) ON CONFLICT (id) DO UPDATE SET recording_id = excluded.recording_id)"
)
_ANNOUNCED = f"announced AS ({announced_as('created', source='entered')})"
_ENTER = enqueue_with(f"{_ENTERED}, {_ANNOUNCED}")
_ENTER_WITH_KEY = enqueue_with(f"{_ENTERED}, {_ANNOUNCED}, {_KEYED}")
_ENTER_WITH_UPLOADS = enqueue_with(f"{_ENTERED}, {_ANNOUNCED}, {_FINISHED}")


class OutcomeUnknown(PegasusError):
    """The database went away between a statement and its answer: the recording may be there or not."""

    message = "The database went away while the recording was being entered; it may be there or not."


@dataclass(frozen=True, kw_only=True)
class FinishedUpload:
    """The resumable upload that has become a recording of the same id: what to insert where it has no row yet."""

    metadata: str | None
    expires_at: datetime


async def enter(
    session: AsyncSession,
    recordings: Sequence[AudioFile],
    *,
    origins: Sequence[TraceContext],
    key: IdempotencyKey | None = None,
    uploads: Sequence[FinishedUpload | None] = (),
) -> None:
    """Enters new recordings, announced, with their jobs and the key under which one of them came, and commits.

    `origins` are the requests that each of them came with. `uploads`, where any of them was one, are as many as
    recordings; none of them has a key.

    In a session that has not begun a transaction this is one statement, which is its own, and one round trip, unless a
    transaction pooler is there.

    Raises IdempotencyKeyTaken; OutcomeUnknown when the answer was lost; with any other error none of the rows is there.
    """
    jobs = parameters([Job(one.id, origin) for one, origin in zip(recordings, origins, strict=True)])
    values = [[getattr(recording, column) for recording in recordings] for column in _INSERTED]
    connection = await driver_connection(session)
    try:
        if key is not None:
            await connection.execute(_ENTER_WITH_KEY, *jobs, *values, key.user_id, key.key)
        elif finished := [(one.id, upload) for one, upload in zip(recordings, uploads, strict=False) if upload]:
            ids, metadata = [id_ for id_, _ in finished], [upload.metadata for _, upload in finished]
            expiry = [upload.expires_at for _, upload in finished]
            await connection.execute(_ENTER_WITH_UPLOADS, *jobs, *values, ids, metadata, expiry)
        else:
            await connection.execute(_ENTER, *jobs, *values)
    except asyncpg.UniqueViolationError as error:
        if error.as_dict().get("table_name") == idempotency_keys.name:
            raise IdempotencyKeyTaken from error
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
