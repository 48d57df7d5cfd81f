"""Counts recordings: exactly while they are few, else by PostgreSQL's estimate."""

import json
from collections.abc import Sequence
from typing import Any

from sqlalchemy import ColumnElement, Select, func, literal_column, select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.expression import ClauseElement, Executable

from audio.library.filters import Filters
from audio.model.audio_file import AudioFile

EXACT_LIMIT = 10_000  # up to so many are counted exactly
ESTIMATE_FACTOR = 4  # an estimate over so many times the limit is returned without counting


class _Estimate(Executable, ClauseElement):
    inherit_cache = False

    def __init__(self, statement: Select[Any]) -> None:
        self.statement = statement


@compiles(_Estimate)
def _explain(element: _Estimate, compiler: Any, **kw: Any) -> str:
    return f"EXPLAIN (FORMAT JSON) {compiler.process(element.statement, **kw)}"


async def count(session: AsyncSession, filters: Filters, *, estimate: int | None = None) -> tuple[int, bool]:
    """The number of recordings, and whether it is exact: above EXACT_LIMIT it is PostgreSQL's estimate."""
    conditions = filters.conditions()
    if estimate is None:
        estimate = await estimate_rows(session, select(AudioFile.id).where(*conditions))
    if estimate > ESTIMATE_FACTOR * EXACT_LIMIT:
        return estimate, False
    some = select(literal_column("1")).select_from(AudioFile).where(*conditions).limit(EXACT_LIMIT + 1).subquery()
    counted = await session.scalar(select(func.count()).select_from(some)) or 0
    return (max(counted, estimate), False) if counted > EXACT_LIMIT else (counted, True)


async def count_all(session: AsyncSession, conditions: Sequence[ColumnElement[bool]]) -> int:
    """The exact number of recordings that meet the conditions, however long counting takes."""
    return await session.scalar(select(func.count()).select_from(AudioFile).where(*conditions)) or 0


async def estimate_rows(session: AsyncSession, statement: Select[Any]) -> int:
    """PostgreSQL's estimate of a statement's rows, by the statistics of the last ANALYZE, without running it."""
    explained = (await session.execute(_Estimate(statement))).scalar_one()
    [plan] = json.loads(explained) if isinstance(explained, str) else explained
    return int(plan["Plan"]["Plan Rows"])
