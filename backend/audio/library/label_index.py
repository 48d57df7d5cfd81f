"""Lists the distinct tags and categories of recordings, without reading all recordings.

With a million recordings and a hundred tags, the index is asked a hundred times for the next tag (a loose index scan).
"""

from collections.abc import Sequence

from sqlalchemy import Select, distinct, func, literal_column, select
from sqlalchemy.dialects.postgresql import aggregate_order_by
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import InstrumentedAttribute, aliased

from audio.library.counts import count
from audio.library.filters import Filters
from audio.model.audio_file import AudioFile

MOST = 10_000  # keeps it fast where the labels of all recordings differ
Column = InstrumentedAttribute[str | None]


async def labels_in_use(session: AsyncSession, user_id: str | None) -> tuple[Sequence[str], Sequence[str]]:
    """The distinct tags and categories of a user's recordings (None: of all), sorted.

    Of more than MOST these are the first.
    """
    if user_id is not None and (await count(session, Filters(user_id=user_id)))[1]:
        row = (await session.execute(_read_all(user_id))).one()
        return row.tags or [], row.categories or []
    columns = (AudioFile.tag, AudioFile.category)
    tags, categories = [(await session.scalars(_loose_scan(column, user_id).limit(MOST))).all() for column in columns]
    return tags, categories


def _read_all(user_id: str) -> Select[list[str] | None, list[str] | None]:
    """Reads a user's recordings; OFFSET 0 keeps PostgreSQL from reading everybody's in a column's order."""
    theirs = select(AudioFile.tag, AudioFile.category).where(AudioFile.user_id == user_id)
    some = theirs.offset(literal_column("0")).subquery()
    tags, categories = [
        func.array_agg(aggregate_order_by(distinct(column), column)).filter(column.is_not(None)) for column in some.c
    ]
    return select(tags.label("tags"), categories.label("categories"))


def _loose_scan(column: Column, user_id: str | None) -> Select[str]:
    """Asks the column's index for one label after the other, and for each whether the user has a recording with it."""
    first = select(column.label("label")).where(column.is_not(None)).order_by(column).limit(1)
    steps = first.cte("steps", recursive=True)
    next_ = select(column).where(column > steps.c.label).order_by(column).limit(1).scalar_subquery()
    steps = steps.union_all(select(next_).where(steps.c.label.is_not(None)))
    labels = select(steps.c.label).where(steps.c.label.is_not(None))
    if user_id is None:
        return labels
    theirs = aliased(AudioFile)
    has_label = getattr(theirs, column.key) == steps.c.label
    query: Select[int] = select(literal_column("1")).select_from(theirs).where(has_label, theirs.user_id == user_id)
    return labels.where(query.limit(1).scalar_subquery().is_not(None))
