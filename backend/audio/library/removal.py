"""Deletes recordings' rows, with their announcements in the same statement."""

from collections.abc import Sequence
from uuid import UUID

from sqlalchemy import ColumnElement, delete
from sqlalchemy.ext.asyncio import AsyncSession

from audio.events.announcements import announcing
from audio.model.audio_file import AudioFile
from audio.model.duplicates import remove_digests
from audio.model.titles import remove_titles
from audio.search.speakers import remove_speakers


async def remove(session: AsyncSession, conditions: Sequence[ColumnElement[bool]]) -> dict[UUID, str]:
    """Deletes the rows that meet the conditions, and announces that.

    Returns the names of their bytes, by the recordings' ids.
    """
    statement = announcing(delete(AudioFile).where(*conditions), change="deleted")
    paths = {row.id: str(row.file_path) for row in await session.execute(statement)}
    if paths:
        await remove_titles(session, paths)
        await remove_digests(session, paths)
        await remove_speakers(session, paths)
    return paths
