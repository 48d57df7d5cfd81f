"""Pages of recordings, whose cost doesn't grow with the table: see docs/decisions/0010, also for the limits.

A list that is sorted by upload time is read along that column's index. With filters there are two plans: `walk` reads
along the index and skips recordings that don't match, fast where many match; `gather` reads all matches by the filters'
indexes and sorts them, fast where few match. The walk is bounded; where it ends before the page is full, `gather`
follows. PostgreSQL's planner can't choose by itself, since it assumes that matches are spread over the table evenly.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeAlias

from sqlalchemy import ColumnElement, FromClause, Select, func, literal_column, select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import aliased

from audio.library.counts import EXACT_LIMIT, count, count_all, estimate_rows
from audio.library.cursor import Cursor
from audio.library.filters import EVERYTHING, Filters, Sorting
from audio.model.audio_file import AudioFile

WALKED_ROWS = 20_000  # a walk takes half a microsecond per row,
GATHERED_ROWS = 3_000  # and fetching a row by its id ten
# PostgreSQL's default is for spinning disks: it would scan the table instead of fetching a search's matches.
_CHEAP_RANDOM_READS = select(func.set_config("random_page_cost", "1.1", True))
SortedRow: TypeAlias = tuple[AudioFile, Any]


@dataclass(frozen=True, kw_only=True)
class Page:
    """A page, and the total number of recordings, exact or estimated. The last page has no `after`."""

    items: Sequence[AudioFile]
    total: int
    total_is_exact: bool
    after: Cursor | None


async def page(
    session: AsyncSession, filters: Filters, *, sorting: Sorting, limit: int, offset: int, after: Cursor | None
) -> Page:
    """The page that begins `offset` recordings after a cursor or the start."""
    if filters.text is not None or filters.speakers:
        await session.execute(_CHEAP_RANDOM_READS)
    filters = await _plan(session, filters)
    estimate = await estimate_rows(session, select(AudioFile.id).where(*filters.conditions()))
    if after is None and estimate <= GATHERED_ROWS:
        rows, total = await _gather_few(session, filters, sorting=sorting, limit=limit + 1, offset=offset)
        if rows and total <= EXACT_LIMIT:
            return _page(rows, sorting=sorting, limit=limit, total=total, is_exact=True)
    total, is_exact = await count(session, filters, estimate=estimate)
    rows = await _rows(
        session,
        filters,
        sorting=sorting,
        limit=limit + 1,
        offset=offset,
        after=after,
        many=total > GATHERED_ROWS,
        total=total if is_exact and after is None else None,
    )
    if after is None and len(rows) <= limit and not is_exact:  # this is the last page, or it begins after the end
        total = offset + len(rows) if rows else await count_all(session, filters.conditions())
        is_exact = True
    total = max(total, offset + len(rows)) if rows else total
    return _page(rows, sorting=sorting, limit=limit, total=total, is_exact=is_exact)


def _page(rows: Sequence[SortedRow], *, sorting: Sorting, limit: int, total: int, is_exact: bool) -> Page:
    """The page of the first `limit` rows; one row more means that another page follows."""
    items = [recording for recording, _ in rows[:limit]]
    last = None if len(rows) <= limit else Cursor(sorting=sorting, value=rows[limit - 1][1], id=items[-1].id)
    return Page(items=items, total=total, total_is_exact=is_exact, after=last)


async def _plan(session: AsyncSession, filters: Filters) -> Filters:
    """Lets a search begin with what matches the fewest recordings: its words, its speakers, or the other filters."""
    words, speakers = Filters(text=filters.text), Filters(speakers=filters.speakers)
    others = replace(filters, text=None, speakers=(), unindexed=False)
    parts = [part for part in (words, speakers, others) if part != EVERYTHING]
    if len(parts) <= 1 or filters.unindexed:
        return filters
    estimates = [await estimate_rows(session, select(AudioFile.id).where(*part.conditions())) for part in parts]
    first = parts[estimates.index(min(estimates))]
    return replace(filters, probe_index=first is not words, probe_speakers=first is not speakers)


async def _gather_few(
    session: AsyncSession, filters: Filters, *, sorting: Sorting, limit: int, offset: int
) -> tuple[list[SortedRow], int]:
    """A page and the total by one query, for few matches; it reads EXACT_LIMIT at most.

    It sorts ids and sort values alone, and then fetches the page's rows.
    """

    def ordered(rows: FromClause) -> tuple[ColumnElement[Any], ...]:
        term = rows.c.term.desc() if sorting.descending else rows.c.term.asc()
        return term.nulls_last(), rows.c.id

    some = (
        select(AudioFile.id, sorting.term().label("term"))
        .where(*filters.conditions())
        .limit(EXACT_LIMIT + 1)
        .subquery()
    )
    top = select(some, func.count().over().label("total")).order_by(*ordered(some)).limit(limit).offset(offset)
    selected = top.subquery()
    query = select(AudioFile, selected.c.term, selected.c.total).join(selected, AudioFile.id == selected.c.id)
    rows = (await session.execute(query.order_by(*ordered(selected)))).all()
    return [(recording, term) for recording, term, _ in rows], rows[0].total if rows else 0


async def _rows(
    session: AsyncSession,
    filters: Filters,
    *,
    sorting: Sorting,
    limit: int,
    offset: int,
    after: Cursor | None,
    many: bool,
    total: int | None,
) -> list[SortedRow]:
    """The rows with a sort value, then those without: an index has each of them in order.

    `many`: more match than should be gathered. `total` is the exact number of matches, where it is known.
    """
    rows: list[SortedRow] = []
    for valued in (True, False):
        if valued and after is not None and after.value is None:
            continue
        section = _Section(filters, sorting, valued=valued, after=after)
        more = await section.rows(session, limit=limit - len(rows), offset=offset, many=many)
        rows += more
        if len(rows) == limit or offset + len(rows) == total or not section.may_end:
            return rows
        if offset and valued:
            offset = 0 if more else max(0, offset - await section.size(session))
    return rows


@dataclass(frozen=True)
class _Section:
    """The part of a list with a sort value (`valued`), or the part without, after a cursor."""

    filters: Filters
    sorting: Sorting
    valued: bool
    after: Cursor | None

    @property
    def may_end(self) -> bool:
        """Whether the other section may follow: every recording has a name, so that list has only one."""
        return self.sorting.by != "name"

    async def rows(self, session: AsyncSession, *, limit: int, offset: int, many: bool) -> list[SortedRow]:
        """Rows of this section, by the faster plan."""
        if self.filters == EVERYTHING:
            return await self._read(session, self._ordered(AudioFile, self._after_cursor(AudioFile)), limit, offset)
        if many and self.valued and self.sorting.by == "uploaded" and not self.filters.unindexed:
            walked = await self._read(session, self._walk(WALKED_ROWS + 4 * offset), limit, offset)
            if len(walked) == limit:
                return walked
        return await self._read(session, self._gather(), limit, offset)

    async def size(self, session: AsyncSession) -> int:
        """How many matching recordings it has."""
        return await count_all(session, [*self._after_cursor(AudioFile), *self.filters.conditions()])

    def _walk(self, rows: int) -> Select[AudioFile, Any]:
        """Reads along the index, over at most `rows` rows."""
        walked = self._ordered(AudioFile, self._after_cursor(AudioFile)).limit(rows).subquery()
        of = aliased(AudioFile, walked)
        return self._ordered(of, replace(self.filters, probe_index=True, probe_speakers=True).conditions(of))

    def _gather(self) -> Select[AudioFile, Any]:
        """Reads all matches and sorts them; OFFSET 0 keeps PostgreSQL from walking an index instead."""
        conditions = [*self._after_cursor(AudioFile), *self.filters.conditions()]
        of = aliased(AudioFile, select(AudioFile).where(*conditions).offset(literal_column("0")).subquery())
        return self._ordered(of, [])

    def _ordered(self, of: type[AudioFile], conditions: Sequence[ColumnElement[bool]]) -> Select[AudioFile, Any]:
        term = self.sorting.term(of)
        query = select(of, term).where(*conditions)
        if self.valued:
            query = query.order_by(term.desc() if self.sorting.descending else term.asc())
        return query.order_by(of.id)

    def _after_cursor(self, of: type[AudioFile]) -> list[ColumnElement[bool]]:
        term, after = self.sorting.term(of), self.after
        if not self.valued:
            conditions = [] if after is None or after.value is not None else [of.id > after.id]
            return [term.is_(None), *conditions]
        if after is None:
            return [term.is_not(None)]
        beyond = term <= after.value if self.sorting.descending else term >= after.value
        return [beyond, (term != after.value) | (of.id > after.id)]

    @staticmethod
    async def _read(session: AsyncSession, query: Select[AudioFile, Any], limit: int, offset: int) -> list[SortedRow]:
        return [(recording, term) for recording, term in await session.execute(query.limit(limit).offset(offset))]
