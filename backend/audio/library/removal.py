"""Deletes a recording's row, with its announcement in the same statement."""

from uuid import UUID

from sqlalchemy import delete
from sqlalchemy.ext.asyncio import AsyncSession

from audio.events.announcements import announcing
from audio.model.audio_file import AudioFile
from audio.model.repository import one
from audio.model.titles import set_title


async def remove(session: AsyncSession, recording_id: UUID, *, owner: str | None) -> str | None:
    """Deletes the row, if it belongs to the user `owner` (None: to any), and announces that.

    Returns the name of its bytes; None without a row.
    """
    statement = announcing(delete(AudioFile).where(*one(recording_id, owner)), change="deleted")
    row = (await session.execute(statement)).one_or_none()
    if row is None:
        return None
    await set_title(session, recording_id, None)
    return str(row.file_path)
