"""Announces changes of recordings, in the transaction that makes them (a transactional outbox).

Announcements have no reliable order, since an id is taken before COMMIT and visible after it: event_log.py numbers them
once they are committed. It isn't notified from here, since PostgreSQL commits transactions with NOTIFY one by one.
"""

from typing import Any, Literal, TypeAlias
from uuid import UUID

from sqlalchemy import Column, DateTime, Delete, Select, Update, insert, literal, literal_column, select, text
from sqlalchemy.ext.asyncio import AsyncSession

from audio.model.audio_file import AudioFile, Use, columns, utc_now
from core.database.system_tables import SCHEMA, announcements

# `progressed` is a change of processing_status, once each; `examined` is the result of decoding the bytes.
Change: TypeAlias = Literal["created", "examined", "progressed", "relabelled", "deleted"]
CHANNEL = "pegasus_recordings"
LONGEST_ERROR = 1000
_TABLE = AudioFile.__table__


def _value(column: Column[Any]) -> str:
    if isinstance(column.type, DateTime):
        return f"""to_char({column.name}, 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"')"""
    return f"left({column.name}, {LONGEST_ERROR})" if column.name == "error_message" else column.name


_FIELDS = ", ".join(f"'{column.name}', {_value(column)}" for column in columns(Use.ANNOUNCED))
_TITLE = f"(SELECT title FROM {SCHEMA}.titles WHERE recording_id = id)"  # noqa: S608 - the schema is ours
_AS_JSON = f"jsonb_build_object({_FIELDS}, 'title', {_TITLE})::text"


def announced_as(change: Change, *, source: str) -> str:
    """A statement that announces a change of the recordings in `source`, a table or a WITH query with all columns.

    It can be used as a WITH query that nothing refers to, since PostgreSQL always runs data-modifying ones.
    """
    return (
        f"INSERT INTO {SCHEMA}.announcements (recording_id, user_id, change, told)"  # noqa: S608 - names of ours
        f" SELECT id, user_id, '{change}', {_AS_JSON} FROM {source}"
    )


def announcing(statement: Update | Delete, *, change: Change) -> Select[tuple[UUID, str]]:
    """Combines a statement on `audio_files` with the announcement of the rows that it changes.

    It returns id and file_path of each of them. An UPDATE also sets `updated_at`.
    """
    if isinstance(statement, Update):
        statement = statement.values(updated_at=utc_now())
    changed = statement.returning(*_TABLE.c).cte("changed")
    source = select(changed.c.id, changed.c.user_id, literal(change), literal_column(_AS_JSON)).select_from(changed)
    announced = (
        insert(announcements).from_select(["recording_id", "user_id", "change", "told"], source).cte("announced")
    )
    return select(changed.c.id, changed.c.file_path).add_cte(announced)


async def announce(session: AsyncSession, recording: AudioFile, *, change: Change) -> None:
    """Announces that a recording's row was changed in the session's transaction, which the caller commits."""
    await session.flush()
    await session.refresh(recording, ["title"])  # which a flush forgets, since it isn't a column
    source = "(SELECT * FROM audio_files WHERE id = :recording_id) AS changed"
    await session.execute(text(announced_as(change, source=source)), {"recording_id": recording.id})
