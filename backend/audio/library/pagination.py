"""Pages of recordings, whose cost doesn't grow with the table: docs/decisions/0010 tells how, and where it ends.

A list that is sorted by the upload's time is walked along that column's index. With filters there are two ways: `walk`
goes along the index and leaves out what isn't wanted, quick where enough is; `gather` takes all that the filters'
indexes find and sorts it, quick where that is little. The walk is bounded; where its bound is met before the page is
full, the other way is gone. PostgreSQL by itself takes for granted that what is wanted lies everywhere in the table.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeAlias

from sqlalchemy import ColumnElement, FromClause, Select, func, literal_column, select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import aliased

from audio.library.counts import COUNTED, count, count_all, estimated
from audio.library.cursor import Cursor
from audio.library.filters import EVERYTHING, Filters, Sorting
from audio.model.audio_file import AudioFile

WALKED_ROWS = 20_000  # a walk takes half a microsecond a row,
GATHERED_ROWS = 3_000  # and fetching a row from anywhere ten
# PostgreSQL's own default is of disks that turn: it reads a table in full rather than look up what a search has found.
_LOOKING_UP = select(func.set_config("random_page_cost", "1.1", True))
Found: TypeAlias = tuple[AudioFile, Any]


@dataclass(frozen=True, kw_only=True)
class Page:
    """A page, and how many recordings there are in all: exactly, or as estimated. Without `after` it is the last."""

    items: Sequence[AudioFile]
    total: int
    total_is_exact: bool
    after: Cursor | None


async def page(
    session: AsyncSession, wanted: Filters, *, sorting: Sorting, limit: int, offset: int, after: Cursor | None
) -> Page:
    """A page of the wanted recordings in an order, which begins `offset` recordings behind a cursor or the start."""
    if wanted.text is not None:
        await session.execute(_LOOKING_UP)
    wanted = await _planned(session, wanted)
    estimate = await estimated(session, select(AudioFile.id).where(*wanted.conditions()))
    if after is None and estimate <= GATHERED_ROWS:
        few, in_all = await _few(session, wanted, sorting=sorting, limit=limit + 1, offset=offset)
        if few and in_all <= COUNTED:
            return _as_page(few, sorting=sorting, limit=limit, total=in_all, is_exact=True)
    total, is_exact = await count(session, wanted, estimate=estimate)
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
    if after is None and len(found) <= limit and not is_exact:  # now it is known, or it lies behind its end
        total = offset + len(found) if found else await count_all(session, wanted.conditions())
        is_exact = True
    total = max(total, offset + len(found)) if found else total
    return _as_page(found, sorting=sorting, limit=limit, total=total, is_exact=is_exact)


def _as_page(found: Sequence[Found], *, sorting: Sorting, limit: int, total: int, is_exact: bool) -> Page:
    """The page of what was found, of which one more than `limit` was asked for."""
    items = [recording for recording, _ in found[:limit]]
    last = None if len(found) <= limit else Cursor(sorting=sorting, value=found[limit - 1][1], id=items[-1].id)
    return Page(items=items, total=total, total_is_exact=is_exact, after=last)


async def _planned(session: AsyncSession, wanted: Filters) -> Filters:
    """Lets a search begin with the other filters, where these leave less than its words do."""
    filters = replace(wanted, text=None, unindexed=False)
    if wanted.text is None or wanted.unindexed or filters == EVERYTHING:
        return wanted
    words = Filters(text=wanted.text)
    left, found = [
        await estimated(session, select(AudioFile.id).where(*each.conditions())) for each in (filters, words)
    ]
    return replace(wanted, one_by_one=left < found)


async def _few(
    session: AsyncSession, wanted: Filters, *, sorting: Sorting, limit: int, offset: int
) -> tuple[list[Found], int]:
    """A page of recordings that seem to be few, and how many they are: read once for both, but no more than COUNTED.

    Only what they are sorted by is held for all of them.
    """

    def ordered(rows: FromClause) -> tuple[ColumnElement[Any], ...]:
        term = rows.c.term.desc() if sorting.descending else rows.c.term.asc()
        return term.nulls_last(), rows.c.id

    some = select(AudioFile.id, sorting.term().label("term")).where(*wanted.conditions()).limit(COUNTED + 1).subquery()
    top = select(some, func.count().over().label("in_all")).order_by(*ordered(some)).limit(limit).offset(offset)
    shown = top.subquery()
    query = select(AudioFile, shown.c.term, shown.c.in_all).join(shown, AudioFile.id == shown.c.id)
    rows = (await session.execute(query.order_by(*ordered(shown)))).all()
    return [(recording, term) for recording, term, _ in rows], rows[0].in_all if rows else 0


async def _found(
    session: AsyncSession,
    wanted: Filters,
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

    wanted: Filters
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
        return await count_all(session, [*self._places(AudioFile), *self.wanted.conditions()])

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
        return [(recording, term) for recording, term in await session.execute(query.limit(limit).offset(offset))]
