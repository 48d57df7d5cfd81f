"""Removes a recording's row, and announces that in the same statement."""

from uuid import UUID

from sqlalchemy import delete
from sqlalchemy.ext.asyncio import AsyncSession

from audio.events.announcements import announcing
from audio.model.audio_file import AudioFile
from audio.model.repository import one


async def remove(session: AsyncSession, recording_id: UUID, *, owner: str | None) -> str | None:
    """Removes the row, if it is the owner's (None: anybody's), and announces that.

    Returns where its bytes lie; None without a row.
    """
    removed = announcing(delete(AudioFile).where(*one(recording_id, owner)), change="deleted")
    row = (await session.execute(removed)).one_or_none()
    return None if row is None else row.file_path
