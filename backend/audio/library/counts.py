"""How many recordings there are: counted while they are few, and else as PostgreSQL estimates."""

import json
from collections.abc import Sequence
from typing import Any

from sqlalchemy import ColumnElement, Select, func, literal_column, select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.expression import ClauseElement, Executable

from audio.library.filters import Filters
from audio.model.audio_file import AudioFile

COUNTED = 10_000  # up to so many are counted one by one
COUNTING = 4  # times that many, by PostgreSQL's estimate, are not even tried to be counted


class _Estimate(Executable, ClauseElement):
    inherit_cache = False

    def __init__(self, statement: Select[Any]) -> None:
        self.statement = statement


@compiles(_Estimate)
def _explain(element: _Estimate, compiler: Any, **kw: Any) -> str:
    return f"EXPLAIN (FORMAT JSON) {compiler.process(element.statement, **kw)}"


async def count(session: AsyncSession, wanted: Filters, *, estimate: int | None = None) -> tuple[int, bool]:
    """How many are wanted, and whether that is exact: beyond COUNTED it is what PostgreSQL estimates."""
    conditions = wanted.conditions()
    if estimate is None:
        estimate = await estimated(session, select(AudioFile.id).where(*conditions))
    if estimate > COUNTING * COUNTED:
        return estimate, False
    some = select(literal_column("1")).select_from(AudioFile).where(*conditions).limit(COUNTED + 1).subquery()
    counted = await session.scalar(select(func.count()).select_from(some)) or 0
    return (max(counted, estimate), False) if counted > COUNTED else (counted, True)


async def count_all(session: AsyncSession, conditions: Sequence[ColumnElement[bool]]) -> int:
    """How many recordings there are under these conditions, exactly, however long that takes."""
    return await session.scalar(select(func.count()).select_from(AudioFile).where(*conditions)) or 0


async def estimated(session: AsyncSession, statement: Select[Any]) -> int:
    """How many rows PostgreSQL expects of a statement, by what ANALYZE has last seen; nothing is read for that."""
    told = (await session.execute(_Estimate(statement))).scalar_one()
    [plan] = json.loads(told) if isinstance(told, str) else told
    return int(plan["Plan"]["Plan Rows"])
