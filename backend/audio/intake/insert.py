"""Inserts the rows of new recordings in one statement, with digests, jobs, announcements, keys and finished uploads.

The same statement tells which recordings were there before with the same bytes.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

import asyncpg
from sqlalchemy import Column, Enum, String
from sqlalchemy.dialects import postgresql
from sqlalchemy.ext.asyncio import AsyncSession

from audio.events.announcements import announced_as
from audio.intake.idempotency_keys import INTO_KEYS, IdempotencyKey, IdempotencyKeyTaken
from audio.model.audio_file import AudioFile, Use, columns, values_of
from audio.model.duplicates import ENTER_DIGESTS, ORIGINALS, Original, read_originals
from audio.processing.jobs import PARAMETERS, Job, enqueue_with, parameters
from core.database.engine import DriverConnection, driver_connection
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
_SHA256, _FIRST, _SECOND, _THIRD = (f"${PARAMETERS + len(_INSERTED) + position}" for position in (1, 2, 3, 4))
_SENT = (
    "sent AS (SELECT * FROM UNNEST("  # noqa: S608 - names of ours
    f"{', '.join(_ARRAYS[list(_INSERTED).index(column)] for column in ('id', 'user_id'))}, {_SHA256}::bytea[]"
    ") AS sent (id, user_id, sha256))"
)
_ENTERED = (
    f"entered AS (INSERT INTO audio_files ({', '.join(_INSERTED)}) SELECT * FROM UNNEST({', '.join(_ARRAYS)})"  # noqa: S608 - names of ours
    " ON CONFLICT (id) DO NOTHING RETURNING *)"  # only a resumed upload is ever entered again, and it is the same then
)
_DIGESTED = f"digested AS ({ENTER_DIGESTS.format(recordings='entered', sent='sent')})"
_KEYED = f"keyed AS ({INTO_KEYS} SELECT {_FIRST}, {_SECOND}, id FROM entered)"  # noqa: S608 - as above
_FINISHED = (
    f"finished AS (INSERT INTO {SCHEMA}.uploads (id, user_id, length_bytes, metadata, expires_at, recording_id)"  # noqa: S608 - as above
    " SELECT id, entered.user_id, entered.file_size_bytes, came.metadata, came.expires_at, id"
    f" FROM UNNEST({_FIRST}::uuid[], {_SECOND}::text[], {_THIRD}::timestamptz[]) AS came (id, metadata, expires_at)"
    " LEFT JOIN entered USING (id) ON CONFLICT (id) DO UPDATE SET recording_id = excluded.recording_id)"
)
_ANNOUNCED = f"announced AS ({announced_as('created', source='entered')})"
_QUERIES = f"{_SENT}, {_ENTERED}, {_DIGESTED}, {_ANNOUNCED}"
_ENTER = enqueue_with(_QUERIES, result=ORIGINALS)
_ENTER_WITH_KEY = enqueue_with(f"{_QUERIES}, {_KEYED}", result=ORIGINALS)
_ENTER_WITH_UPLOADS = enqueue_with(f"{_QUERIES}, {_FINISHED}", result=ORIGINALS)


class OutcomeUnknown(PegasusError):
    """The database went away between a statement and its answer: the recording may be there or not."""

    message = "The database went away while the recording was being entered; it may be there or not."


@dataclass(frozen=True, kw_only=True)
class FinishedUpload:
    """The resumable upload that has become a recording of the same id: what to insert where it has no row yet."""

    metadata: str | None
    expires_at: datetime


@dataclass(frozen=True, kw_only=True)
class NewRow:
    """A row to insert, the SHA-256 of its bytes, the upload that it was, and the request that it came with."""

    recording: AudioFile
    sha256: bytes
    upload: FinishedUpload | None = None
    origin: TraceContext = field(default_factory=TraceContext.current)


async def enter(
    session: AsyncSession, rows: Sequence[NewRow], *, key: IdempotencyKey | None = None
) -> Mapping[UUID, Original]:
    """Enters new recordings as `insert` does, in a session's transaction, and commits. Raises as `insert`."""
    originals = await insert(await driver_connection(session), rows, key=key)
    try:
        await session.commit()
    except Exception as error:
        raise OutcomeUnknown from error
    return originals


async def insert(
    connection: DriverConnection, rows: Sequence[NewRow], *, key: IdempotencyKey | None = None
) -> Mapping[UUID, Original]:
    """Enters new recordings, announced, with their jobs and the key under which one of them came.

    None of those that were uploads has a key. Outside of a transaction this one statement is its own.
    Returns, by their ids, what was there before with the same bytes.

    Raises IdempotencyKeyTaken; OutcomeUnknown when the answer was lost; with any other error none of the rows is there.
    """
    jobs = parameters([Job(row.recording.id, row.origin) for row in rows])
    recordings = [values_of(row.recording, _INSERTED) for row in rows]
    values: list[list[Any]] = [[recording[column] for recording in recordings] for column in _INSERTED]
    values.append([row.sha256 for row in rows])
    try:
        if key is not None:
            enqueued = await connection.fetch(_ENTER_WITH_KEY, *jobs, *values, key.user_id, key.key)
        elif finished := [(row.recording.id, row.upload) for row in rows if row.upload]:
            ids, metadata = [id_ for id_, _ in finished], [upload.metadata for _, upload in finished]
            expiry = [upload.expires_at for _, upload in finished]
            enqueued = await connection.fetch(_ENTER_WITH_UPLOADS, *jobs, *values, ids, metadata, expiry)
        else:
            enqueued = await connection.fetch(_ENTER, *jobs, *values)
    except asyncpg.UniqueViolationError as error:
        if error.as_dict().get("table_name") == idempotency_keys.name:
            raise IdempotencyKeyTaken from error
        raise
    except (asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError, OSError) as error:
        if _was_refused(error):
            raise
        raise OutcomeUnknown from error
    return read_originals(enqueued[0][0]) if enqueued else {}


def _was_refused(error: Exception) -> bool:
    """Whether the server has taken back a statement, as it does where no more than that has gone wrong.

    Where it ends the session or itself, the COMMIT may be behind it: a full disk, for one, is told as the reason.
    """
    return isinstance(error, asyncpg.PostgresError) and error.as_dict().get("severity_en") == "ERROR"
