"""What people call their recordings, in a table beside `audio_files`."""

from collections.abc import Collection, Mapping
from uuid import UUID

from sqlalchemy import delete
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from audio.model.repository import any_of
from core.database.system_tables import titles
from core.labels import label

TITLE = "title"
TITLE_CHARACTERS = 200


def checked_title(text: str | None) -> str | None:
    """A title as it is stored. Raises LabelRefused."""
    return label(TITLE, text, limit=TITLE_CHARACTERS)


async def set_title(session: AsyncSession, recording_id: UUID, title: str | None) -> None:
    """Gives a recording a title, or takes it away; the caller commits."""
    if title is None:
        await remove_titles(session, [recording_id])
    else:
        await add_titles(session, {recording_id: title})


async def remove_titles(session: AsyncSession, recording_ids: Collection[UUID]) -> None:
    """Takes recordings' titles away; the caller commits."""
    await session.execute(delete(titles).where(any_of(recording_ids, titles.c.recording_id)))


async def add_titles(session: AsyncSession, by_recording: Mapping[UUID, str]) -> None:
    """Gives recordings titles; the caller commits."""
    rows = [{"recording_id": recording_id, "title": title} for recording_id, title in by_recording.items()]
    if rows:
        statement = insert(titles).values(rows)
        updates = {"title": statement.excluded.title}
        await session.execute(statement.on_conflict_do_update(index_elements=["recording_id"], set_=updates))
