"""Announces what happens to a recording, in the transaction that does it: both are there afterwards, or neither.

Announcements have no order that readers could rely on: numbers are taken before COMMIT, and seen after it. events.py
numbers them once they can be seen. Nobody is notified here: transactions that notify commit one after the other.
"""

from typing import Literal, TypeAlias
from uuid import UUID

from sqlalchemy import Delete, Select, Update, insert, literal, literal_column, select, text
from sqlalchemy.ext.asyncio import AsyncSession

from audio.model.audio_file import AudioFile, utc_now
from core.database.system_tables import SCHEMA, announcements

# `progressed` is a step of processing_status, once each; `examined` is what was found out about the bytes.
Change: TypeAlias = Literal["created", "examined", "progressed", "relabelled", "deleted"]
CHANNEL = "pegasus_recordings"
LONGEST_ERROR = 1000
_TABLE = AudioFile.__table__
_TIMES = {"upload_timestamp", "created_at", "updated_at"}
# The columns that are told: all but the place in storage, and the transcripts, which may be a megabyte each.
_TOLD = (
    "id",
    "filename",
    "original_filename",
    "file_size_bytes",
    "duration_seconds",
    "mime_type",
    "transcription_engine",
    "user_id",
    "upload_timestamp",
    "processing_status",
    "error_message",
    "created_at",
    "updated_at",
    "tag",
    "category",
)


def _value(column: str) -> str:
    if column in _TIMES:
        return f"""to_char({column}, 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"')"""
    return f"left({column}, {LONGEST_ERROR})" if column == "error_message" else column


_FIELDS = ", ".join(f"'{column}', {_value(column)}" for column in _TOLD)
_AS_TOLD = f"jsonb_build_object({_FIELDS})::text"


def announced_as(change: Change, *, source: str) -> str:
    """A statement that announces a change of the recordings in `source`, a table or a WITH's query of all columns.

    It may be a query of a WITH that nothing refers to: data-modifying ones run to their end.
    """
    return (
        f"INSERT INTO {SCHEMA}.announcements (recording_id, user_id, change, told)"  # noqa: S608 - names of ours
        f" SELECT id, user_id, '{change}', {_AS_TOLD} FROM {source}"
    )


def announcing(statement: Update | Delete, *, change: Change) -> Select[tuple[UUID, str]]:
    """The statement, on `audio_files`, with the announcement of what it changes, as one that is sent in its place.

    It returns id and file_path of each row that was changed. An UPDATE is given the time of the change.
    """
    if isinstance(statement, Update):
        statement = statement.values(updated_at=utc_now())
    changed = statement.returning(*_TABLE.c).cte("changed")
    told = select(changed.c.id, changed.c.user_id, literal(change), literal_column(_AS_TOLD)).select_from(changed)
    announced = insert(announcements).from_select(["recording_id", "user_id", "change", "told"], told).cte("announced")
    return select(changed.c.id, changed.c.file_path).add_cte(announced)


async def announce(session: AsyncSession, recording_id: UUID, *, change: Change) -> None:
    """Announces that a recording's row was changed in the session's transaction, which is the caller's to commit."""
    await session.flush()
    source = "(SELECT * FROM audio_files WHERE id = :recording_id) AS changed"
    await session.execute(text(announced_as(change, source=source)), {"recording_id": recording_id})
