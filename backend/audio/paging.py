"""Pages of recordings, whose cost doesn't grow with the table: docs/decisions/0010 tells how, and where it ends.

A list that is sorted by the upload's time is walked along that column's index. With filters there are two ways: `walk`
goes along the index and leaves out what isn't wanted, quick where enough is; `gather` takes all that the filters'
indexes find and sorts it, quick where that is little. The walk is bounded; where its bound is met before the page is
full, the other way is gone. PostgreSQL by itself takes for granted that what is wanted lies everywhere in the table.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeAlias

from sqlalchemy import ColumnElement, Row, Select, func, literal_column, select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.orm import aliased
from sqlalchemy.sql.expression import ClauseElement, Executable

from audio.cursor import Cursor
from audio.models import AudioFile
from audio.wanted import EVERYTHING, Sorting, Wanted

COUNTED = 10_000  # up to so many are counted one by one
COUNTING = 4  # times that many, by PostgreSQL's estimate, are not even tried to be counted
WALKED_ROWS = 20_000  # a walk takes half a microsecond a row,
GATHERED_ROWS = 3_000  # and fetching a row from anywhere ten
# PostgreSQL's own default is of disks that turn: it reads a table in full rather than look up what a search has found.
_LOOKING_UP = select(func.set_config("random_page_cost", "1.1", True))
Found: TypeAlias = "Row[AudioFile, Any]"


@dataclass(frozen=True, kw_only=True)
class Page:
    """A page, and how many recordings there are in all: exactly, or as estimated. Without `after` it is the last."""

    items: Sequence[AudioFile]
    total: int
    total_is_exact: bool
    after: Cursor | None


class _Estimate(Executable, ClauseElement):
    inherit_cache = False

    def __init__(self, statement: Select[Any]) -> None:
        self.statement = statement


@compiles(_Estimate)
def _explain(element: _Estimate, compiler: Any, **kw: Any) -> str:
    return f"EXPLAIN (FORMAT JSON) {compiler.process(element.statement, **kw)}"


async def page(
    session: AsyncSession, wanted: Wanted, *, sorting: Sorting, limit: int, offset: int, after: Cursor | None
) -> Page:
    """A page of the wanted recordings in an order, which begins `offset` recordings behind a cursor or the start."""
    if wanted.text is not None:
        await session.execute(_LOOKING_UP)
    wanted = await _planned(session, wanted)
    total, is_exact = await count(session, wanted)
    found = await _found(
        session,
        wanted,
        sorting=sorting,
        limit=limit + 1,
        offset=offset,
        after=after,
        many=total > GATHERED_ROWS,
        in_all=total if is_exact and after is None else None,
    )
    items, seen = [recording for recording, _ in found[:limit]], offset + len(found)
    is_last = len(found) <= limit
    if after is None and is_last and not is_exact:  # now it is known, or it lies behind its end
        total, is_exact = seen if items else await _counted(session, wanted), True
    last = None if is_last else Cursor(sorting=sorting, value=found[limit - 1][1], id=items[-1].id)
    return Page(items=items, total=max(total, seen) if items else total, total_is_exact=is_exact, after=last)


async def _planned(session: AsyncSession, wanted: Wanted) -> Wanted:
    """Lets a search begin with the other filters, where these leave less than its words do."""
    filters = replace(wanted, text=None, unindexed=False)
    if wanted.text is None or wanted.unindexed or filters == EVERYTHING:
        return wanted
    words = Wanted(text=wanted.text)
    left, found = [
        await estimated(session, select(AudioFile.id).where(*each.conditions())) for each in (filters, words)
    ]
    return replace(wanted, one_by_one=left < found)


async def count(session: AsyncSession, wanted: Wanted) -> tuple[int, bool]:
    """How many are wanted, and whether that is exact: beyond COUNTED it is what PostgreSQL estimates."""
    conditions = wanted.conditions()
    estimate = await estimated(session, select(AudioFile.id).where(*conditions))
    if estimate > COUNTING * COUNTED:
        return estimate, False
    some = select(literal_column("1")).select_from(AudioFile).where(*conditions).limit(COUNTED + 1).subquery()
    counted = await session.scalar(select(func.count()).select_from(some)) or 0
    return (max(counted, estimate), False) if counted > COUNTED else (counted, True)


async def _counted(session: AsyncSession, wanted: Wanted) -> int:
    """How many are wanted, exactly, however many that are."""
    return await session.scalar(select(func.count()).select_from(AudioFile).where(*wanted.conditions())) or 0


async def estimated(session: AsyncSession, statement: Select[Any]) -> int:
    """How many rows PostgreSQL expects of a statement, by what ANALYZE has last seen; nothing is read for that."""
    told = (await session.execute(_Estimate(statement))).scalar_one()
    [plan] = json.loads(told) if isinstance(told, str) else told
    return int(plan["Plan"]["Plan Rows"])


async def _found(
    session: AsyncSession,
    wanted: Wanted,
    *,
    sorting: Sorting,
    limit: int,
    offset: int,
    after: Cursor | None,
    many: bool,
    in_all: int | None,
) -> list[Found]:
    """Those that have what is sorted by come first, and then the others: each has an index's order for itself.

    `in_all` is how many are wanted, where that is known.
    """
    found: list[Found] = []
    for valued in (True, False):
        if valued and after is not None and after.value is None:
            continue
        stretch = _Stretch(wanted, sorting, valued=valued, after=after)
        more = await stretch.rows(session, limit=limit - len(found), offset=offset, many=many)
        found += more
        if len(found) == limit or offset + len(found) == in_all or not stretch.may_end:
            return found
        if offset and valued:
            offset = 0 if more else max(0, offset - await stretch.size(session))
    return found


@dataclass(frozen=True)
class _Stretch:
    """The part of a list whose recordings have what is sorted by, or the one whose don't, behind a cursor."""

    wanted: Wanted
    sorting: Sorting
    valued: bool
    after: Cursor | None

    @property
    def may_end(self) -> bool:
        """Whether there may be recordings behind it: each has a name."""
        return self.sorting.by != "name"

    async def rows(self, session: AsyncSession, *, limit: int, offset: int, many: bool) -> list[Found]:
        """Some of it, by whichever way is quicker."""
        if self.wanted == EVERYTHING:
            return await self._read(session, self._ordered(AudioFile, self._places(AudioFile)), limit, offset)
        if many and self.valued and self.sorting.by == "uploaded" and not self.wanted.unindexed:
            walked = await self._read(session, self._walk(WALKED_ROWS + 4 * offset), limit, offset)
            if len(walked) == limit:
                return walked
        return await self._read(session, self._gather(), limit, offset)

    async def size(self, session: AsyncSession) -> int:
        """How many recordings it has."""
        conditions = [*self._places(AudioFile), *self.wanted.conditions()]
        return await session.scalar(select(func.count()).select_from(AudioFile).where(*conditions)) or 0

    def _walk(self, rows: int) -> Select[AudioFile, Any]:
        """Along the index, over so many rows at most."""
        along = self._ordered(AudioFile, self._places(AudioFile)).limit(rows).subquery()
        of = aliased(AudioFile, along)
        return self._ordered(of, replace(self.wanted, one_by_one=True).conditions(of))

    def _gather(self) -> Select[AudioFile, Any]:
        """All that is wanted, sorted; OFFSET 0 keeps PostgreSQL from walking where it shouldn't."""
        conditions = [*self._places(AudioFile), *self.wanted.conditions()]
        of = aliased(AudioFile, select(AudioFile).where(*conditions).offset(literal_column("0")).subquery())
        return self._ordered(of, [])

    def _ordered(self, of: type[AudioFile], conditions: Sequence[ColumnElement[bool]]) -> Select[AudioFile, Any]:
        term = self.sorting.term(of)
        query = select(of, term).where(*conditions)
        if self.valued:
            query = query.order_by(term.desc() if self.sorting.descending else term.asc())
        return query.order_by(of.id)

    def _places(self, of: type[AudioFile]) -> list[ColumnElement[bool]]:
        term, after = self.sorting.term(of), self.after
        if not self.valued:
            behind = [] if after is None or after.value is not None else [of.id > after.id]
            return [term.is_(None), *behind]
        if after is None:
            return [term.is_not(None)]
        beyond = term <= after.value if self.sorting.descending else term >= after.value
        return [beyond, (term != after.value) | (of.id > after.id)]

    @staticmethod
    async def _read(session: AsyncSession, query: Select[AudioFile, Any], limit: int, offset: int) -> list[Found]:
        return list((await session.execute(query.limit(limit).offset(offset))).all())
