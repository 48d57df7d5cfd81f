"""Reads the paths of rows in batches, each in a short transaction of its own.

So a pass over millions of rows needs little memory and holds no locks. Callers query again what may have changed.
"""

from collections.abc import AsyncGenerator, Collection, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import ARRAY, Row, String, Uuid, func, literal, select

from audio.model.audio_file import AudioFile
from audio.model.object_names import is_recording
from core.database.engine import Sessions
from storage.upkeep import Upkeep

BATCH = 500


@dataclass(frozen=True, slots=True)
class RowPath:
    """The columns of a row that refer to its bytes."""

    recording_id: UUID
    path: str
    size_bytes: int | None
    updated_at: datetime | None = None


_QUERY = select(AudioFile.id, AudioFile.file_path, AudioFile.file_size_bytes, AudioFile.updated_at)


async def batches(sessions: Sessions) -> AsyncGenerator[Sequence[RowPath]]:
    """All rows, in the order of their paths."""
    query = _QUERY.order_by(AudioFile.file_path).limit(BATCH)
    after: str | None = None
    while True:
        async with sessions() as session:
            rows = (await session.execute(query if after is None else query.where(AudioFile.file_path > after))).all()
        if not rows:
            return
        yield [_row_path(row) for row in rows]
        after = rows[-1].file_path


async def sample(sessions: Sessions, number: int) -> Sequence[RowPath]:
    """The first rows by their id; ids are random, so these are a random sample."""
    async with sessions() as session:
        return [_row_path(row) for row in await session.execute(_QUERY.order_by(AudioFile.id).limit(number))]


async def existing_ids(sessions: Sessions, ids: Collection[UUID]) -> set[UUID]:
    """Those of the ids that have a row now."""
    any_id = func.any(literal(list(ids), ARRAY(Uuid)))
    async with sessions() as session:
        return set(await session.scalars(select(AudioFile.id).where(AudioFile.id == any_id)))


async def existing_paths(sessions: Sessions, paths: Collection[str]) -> set[str]:
    """Those of the paths that a row has now."""
    any_path = func.any(literal(list(paths), ARRAY(String)))
    async with sessions() as session:
        return set(await session.scalars(select(AudioFile.file_path).where(AudioFile.file_path == any_path)))


async def extent(sessions: Sessions) -> tuple[int, int]:
    """The number of rows, and the sum of their sizes in bytes."""
    async with sessions() as session:
        query = select(func.count(), func.sum(AudioFile.file_size_bytes)).select_from(AudioFile)
        rows, size_bytes = (await session.execute(query)).one()
        return rows, int(size_bytes or 0)


async def stored(upkeep: Upkeep) -> int:
    """The number of recordings in storage."""
    number = 0
    async with aclosing(upkeep.walk()) as batches:
        async for batch in batches:
            number += sum(is_recording(entry.name) for entry in batch)
    return number


def _row_path(row: Row[UUID, str, int | None, datetime | None]) -> RowPath:
    return RowPath(row.id, row.file_path, row.file_size_bytes, row.updated_at)
