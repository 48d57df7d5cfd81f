"""Where the rows say that bytes lie: read a batch at a time, each in a transaction of its own that ends at once.

So a walk over millions of rows needs no memory and stands in nobody's way; what changes meanwhile is asked again.
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
class Place:
    """A row, as far as it speaks of bytes."""

    recording_id: UUID
    path: str
    size_bytes: int | None
    updated_at: datetime | None = None


_PLACE = select(AudioFile.id, AudioFile.file_path, AudioFile.file_size_bytes, AudioFile.updated_at)


async def places(sessions: Sessions) -> AsyncGenerator[Sequence[Place]]:
    """Every row's place, in the order of the paths."""
    query = _PLACE.order_by(AudioFile.file_path).limit(BATCH)
    after: str | None = None
    while True:
        async with sessions() as session:
            rows = (await session.execute(query if after is None else query.where(AudioFile.file_path > after))).all()
        if not rows:
            return
        yield [_place(row) for row in rows]
        after = rows[-1].file_path


async def sample(sessions: Sessions, number: int) -> Sequence[Place]:
    """Some rows' places: ids are random, so the first ones are a sample."""
    async with sessions() as session:
        return [_place(row) for row in await session.execute(_PLACE.order_by(AudioFile.id).limit(number))]


async def still_there(sessions: Sessions, ids: Collection[UUID]) -> set[UUID]:
    """Those of the recordings that have a row now."""
    wanted = func.any(literal(list(ids), ARRAY(Uuid)))
    async with sessions() as session:
        return set(await session.scalars(select(AudioFile.id).where(AudioFile.id == wanted)))


async def named(sessions: Sessions, paths: Collection[str]) -> set[str]:
    """Those of the paths that a row names now."""
    wanted = func.any(literal(list(paths), ARRAY(String)))
    async with sessions() as session:
        return set(await session.scalars(select(AudioFile.file_path).where(AudioFile.file_path == wanted)))


async def extent(sessions: Sessions) -> tuple[int, int]:
    """How many rows there are, and how many bytes they speak of."""
    async with sessions() as session:
        query = select(func.count(), func.sum(AudioFile.file_size_bytes)).select_from(AudioFile)
        rows, size_bytes = (await session.execute(query)).one()
        return rows, int(size_bytes or 0)


async def stored(upkeep: Upkeep) -> int:
    """How many recordings lie in storage."""
    number = 0
    async with aclosing(upkeep.walk()) as batches:
        async for batch in batches:
            number += sum(is_recording(found.name) for found in batch)
    return number


def _place(row: Row[UUID, str, int | None, datetime | None]) -> Place:
    return Place(row.id, row.file_path, row.file_size_bytes, row.updated_at)
