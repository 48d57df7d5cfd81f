"""Every query on the recordings."""

from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import ColumnElement, delete, func, or_, select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import InstrumentedAttribute

from audio.models import AudioFile, ProcessingStatus

Sessions = Callable[[], AbstractAsyncContextManager[AsyncSession]]
_SEARCHED = (
    AudioFile.original_filename,
    AudioFile.tag,
    AudioFile.category,
    AudioFile.original_transcript,
    AudioFile.improved_transcript,
)


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """Which recordings are asked for; None asks for any."""

    user_id: str | None = None
    status: ProcessingStatus | None = None
    tag: str | None = None
    category: str | None = None
    text: str | None = None

    def conditions(self) -> list[ColumnElement[bool]]:
        """The same as conditions on the table."""
        equal = {
            AudioFile.user_id: self.user_id,
            AudioFile.processing_status: self.status,
            AudioFile.tag: self.tag,
            AudioFile.category: self.category,
        }
        found = [column == value for column, value in equal.items() if value is not None]
        if self.text is not None:
            found.append(or_(*(column.icontains(self.text, autoescape=True) for column in _SEARCHED)))
        return found


async def find(session: AsyncSession, recording_id: UUID) -> AudioFile | None:
    """The recording of that id."""
    return await session.get(AudioFile, recording_id)


async def find_and_lock(session: AsyncSession, recording_id: UUID) -> AudioFile | None:
    """The recording of that id, which nobody else changes until the transaction ends."""
    return await session.get(AudioFile, recording_id, with_for_update=True, populate_existing=True)


async def page(session: AsyncSession, wanted: Wanted, *, limit: int, offset: int) -> tuple[Sequence[AudioFile], int]:
    """A page of the wanted recordings, the newest first, and how many there are in all."""
    conditions = wanted.conditions()
    newest_first = (AudioFile.upload_timestamp.desc().nulls_last(), AudioFile.id)
    query = select(AudioFile).where(*conditions).order_by(*newest_first).limit(limit).offset(offset)
    total = await session.scalar(select(func.count()).select_from(AudioFile).where(*conditions))
    return (await session.scalars(query)).all(), total or 0


async def labels_in_use(session: AsyncSession, user_id: str | None) -> tuple[Sequence[str], Sequence[str]]:
    """Every tag and every category that the user's recordings bear (None: anybody's), each once, in order."""
    owned = Wanted(user_id=user_id).conditions()
    columns = (AudioFile.tag, AudioFile.category)
    tags, categories = [await _in_use(session, column, owned) for column in columns]
    return tags, categories


async def _in_use(
    session: AsyncSession, column: InstrumentedAttribute[str | None], owned: list[ColumnElement[bool]]
) -> list[str]:
    query = select(column).where(column.is_not(None), *owned).distinct().order_by(column)
    return [text for text in await session.scalars(query) if text is not None]


async def remove(session: AsyncSession, recording_id: UUID) -> str | None:
    """Removes the row and returns where its bytes lie; None when there was no such row."""
    return await session.scalar(delete(AudioFile).where(AudioFile.id == recording_id).returning(AudioFile.file_path))
