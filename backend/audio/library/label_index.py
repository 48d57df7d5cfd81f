"""The tags and categories that recordings bear, each once, without reading the recordings.

An index of a million recordings with a hundred tags is asked a hundred times for the next tag, instead of being read.
"""

from collections.abc import Sequence

from sqlalchemy import Select, distinct, func, literal_column, select
from sqlalchemy.dialects.postgresql import aggregate_order_by
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import InstrumentedAttribute, aliased

from audio.library.counts import count
from audio.library.filters import Filters
from audio.model.audio_file import AudioFile

MOST = 10_000  # that nobody reads; recordings whose labels all differ shouldn't make it slow
Column = InstrumentedAttribute[str | None]


async def labels_in_use(session: AsyncSession, user_id: str | None) -> tuple[Sequence[str], Sequence[str]]:
    """Every tag and every category that the user's recordings bear (None: anybody's), each once, in order.

    Of more than MOST these are the first.
    """
    if user_id is not None and (await count(session, Filters(user_id=user_id)))[1]:
        row = (await session.execute(_of_few(user_id))).one()
        return row.tags or [], row.categories or []
    columns = (AudioFile.tag, AudioFile.category)
    tags, categories = [(await session.scalars(_by_steps(column, user_id).limit(MOST))).all() for column in columns]
    return tags, categories


def _of_few(user_id: str) -> Select[list[str] | None, list[str] | None]:
    """Reads the user's recordings once; OFFSET 0 keeps PostgreSQL from reading everybody's in a column's order."""
    theirs = select(AudioFile.tag, AudioFile.category).where(AudioFile.user_id == user_id)
    some = theirs.offset(literal_column("0")).subquery()
    tags, categories = [
        func.array_agg(aggregate_order_by(distinct(column), column)).filter(column.is_not(None)) for column in some.c
    ]
    return select(tags.label("tags"), categories.label("categories"))


def _by_steps(column: Column, user_id: str | None) -> Select[str]:
    """Asks the column's index for one label after the other, and for each whether the user has one like it."""
    first = select(column.label("label")).where(column.is_not(None)).order_by(column).limit(1)
    steps = first.cte("steps", recursive=True)
    next_ = select(column).where(column > steps.c.label).order_by(column).limit(1).scalar_subquery()
    steps = steps.union_all(select(next_).where(steps.c.label.is_not(None)))
    found = select(steps.c.label).where(steps.c.label.is_not(None))
    if user_id is None:
        return found
    theirs = aliased(AudioFile)
    same = getattr(theirs, column.key) == steps.c.label
    one: Select[int] = select(literal_column("1")).select_from(theirs).where(same, theirs.user_id == user_id).limit(1)
    return found.where(one.scalar_subquery().is_not(None))
