"""What recordings are found by: words with their beginnings anywhere, and any part of a name, a tag or a category.

A recording's entry is renewed when its change is numbered (events.py), and every search has that done first. What
changed a row without saying so (an older version, a person at psql) shows by the row's version, which every UPDATE
changes; a sweep looks for such rows at the start and now and then. So nothing depends on a clock, or on everybody
who writes remembering the index.
"""

import asyncio
import time
from collections.abc import AsyncGenerator, Collection, Sequence
from dataclasses import dataclass, field
from itertools import chain, starmap
from typing import Any
from uuid import UUID

import structlog
from sqlalchemy import (
    BigInteger,
    ColumnElement,
    Text,
    bindparam,
    cast,
    delete,
    exists,
    false,
    func,
    literal_column,
    or_,
    select,
)
from sqlalchemy.dialects.postgresql import ARRAY, TSQUERY, insert
from sqlalchemy.ext.asyncio import AsyncSession

from audio.events.event_log import Event, alone
from audio.model.audio_file import AudioFile
from audio.search.highlights import NAMES, TRANSCRIPTS
from audio.search.words import asked_for, fold, grams, words
from core.database.engine import Sessions
from core.database.system_tables import search
from core.errors import DatabaseProblem

log = structlog.get_logger(__name__)
MOST_BYTES = 512 * 1024  # of all that one recording is found by; PostgreSQL takes 1 MiB, and long words are rare
PIECE = 3
PART_OF_NAME = "\x01"  # what no word begins with
AT_ONCE = 25  # a transcript may have megabytes
SWEEP_SECONDS = 300
IDLE_SHARE = 200  # of millions of recordings a sweep takes seconds
LOOKED_AT_ONCE = 20_000
_SEARCHED = tuple(getattr(AudioFile, name) for name in (*NAMES, *TRANSCRIPTS))
_VERSION = cast(cast(literal_column("audio_files.xmin"), Text), BigInteger)
_ENTERED = insert(search).values(
    recording_id=bindparam("id"),
    row_version=bindparam("version"),
    names=bindparam("in_names"),
    vector=func.array_to_tsvector(bindparam("lexemes", type_=ARRAY(Text))),
)
_ENTER = _ENTERED.on_conflict_do_update(
    index_elements=[search.c.recording_id],
    set_={name: _ENTERED.excluded[name] for name in ("row_version", "names", "vector")},
)


def _match(query: str) -> ColumnElement[bool]:
    folded = fold(query)
    found: list[ColumnElement[bool]] = []
    if folded:
        pieces = [folded[at : at + PIECE] for at in range(max(1, len(folded) - PIECE + 1))]
        parts = [(PART_OF_NAME + piece, len(piece) < PIECE) for piece in pieces]
        found.append(_has(parts) & (func.strpos(search.c.names, folded) > 0))
    if wanted := list(asked_for(query)):
        found.append(_has(wanted))
    if not found:
        return false()
    return or_(*found)


def matching(query: str) -> ColumnElement[bool]:
    """The condition that a recording is in the index with all words of a query, or with the query in a name."""
    return AudioFile.id.in_(select(search.c.recording_id).where(_match(query)))


def has_match(query: str, recording_id: ColumnElement[UUID]) -> ColumnElement[bool]:
    """The same of one recording after the other, as a look into its entry."""
    return select(_match(query)).where(search.c.recording_id == recording_id).scalar_subquery()


def not_indexed(query: str) -> ColumnElement[bool]:
    """The condition that a recording isn't in the index yet, and has the query somewhere: slow, and never wrong."""
    somewhere = or_(*(column.icontains(query, autoescape=True) for column in _SEARCHED))
    return ~exists().where(search.c.recording_id == AudioFile.id) & somewhere


def _has(lexemes: Collection[tuple[str, bool]]) -> ColumnElement[bool]:
    return search.c.vector.bool_op("@@")(cast(cast(" & ".join(starmap(_quoted, lexemes)), Text), TSQUERY))


def _quoted(lexeme: str, begins: bool) -> str:  # noqa: FBT001 - as `asked_for` pairs them
    escaped = lexeme.replace("\\", "\\\\").replace("'", "''")
    return f"'{escaped}'" + (":*" if begins else "")


@dataclass(frozen=True, kw_only=True)
class Entry:
    """What one recording is found by."""

    names: str
    lexemes: list[str]

    @classmethod
    def of(cls, names: Sequence[str | None], transcripts: Sequence[str | None]) -> "Entry":
        """The entry for these texts; of very long ones, for their begin."""
        folded = "\n".join(fold(name) for name in names if name)
        kept = {PART_OF_NAME + piece for piece in grams(folded, PIECE)}
        kept.update(*(words(name) for name in names if name))  # columns bound them, transcripts have no bound
        spoken = [text for text in transcripts if text]
        room = MOST_BYTES - sum(len(lexeme.encode()) for lexeme in kept) if spoken else 0
        for lexeme in chain.from_iterable(map(words, spoken)):
            if lexeme not in kept:
                room -= len(lexeme.encode())
                if room < 0:
                    break
                kept.add(lexeme)
        return cls(names=folded, lexemes=sorted(kept))


@dataclass(kw_only=True)
class SearchIndex:
    """The index in the database. `complete` says whether every recording that was there at the start is in it."""

    sessions: Sessions
    complete: bool = field(default=False, init=False)

    async def follow(self, session: AsyncSession, changes: Sequence[Event]) -> None:
        """Renews the entries of the recordings that were changed, in the transaction that numbers the changes.

        What can't be indexed, the sweep tries again.
        """
        gone = {event.recording_id for event in changes if event.change == "deleted"}
        changed = sorted({event.recording_id for event in changes} - gone)
        await session.execute(delete(search).where(search.c.recording_id.in_(gone)))
        for start in range(0, len(changed), AT_ONCE):
            await renew(session, changed[start : start + AT_ONCE])

    async def run(self) -> None:
        """Sweeps until cancelled. A database that goes away is waited for."""
        while True:
            began = time.monotonic()
            try:
                await self.sweep()
                self.complete = True
            except DatabaseProblem as problem:
                log.warning("search index not swept", reason=str(problem))
            except Exception as error:
                log.exception("the search index stumbled", error=type(error).__name__)
            await asyncio.sleep(max(SWEEP_SECONDS, (time.monotonic() - began) * IDLE_SHARE))

    async def sweep(self) -> None:
        """Renews the entries of rows that were changed without a word, and removes those without a row."""
        renewed = 0
        async for stale in self._stale():
            await self.renew(stale)
            renewed += len(stale)
        async with self.sessions() as session:
            orphans = delete(search).where(~exists().where(AudioFile.id == search.c.recording_id))
            await session.execute(orphans)
            await session.commit()
        if renewed:
            log.info("recordings indexed for search", recordings=renewed)

    async def renew(self, recording_ids: Sequence[UUID]) -> None:
        """Makes the entries of recordings anew, some at a time, so that the events needn't wait for all."""
        for start in range(0, len(recording_ids), AT_ONCE):
            async with self.sessions() as session:
                await alone(session)
                await renew(session, recording_ids[start : start + AT_ONCE])
                await session.commit()

    async def _stale(self) -> AsyncGenerator[Sequence[UUID]]:
        """The recordings whose entries aren't of their rows as they are, in the order of the ids."""
        last: UUID | None = None
        while True:
            ids = select(AudioFile.id, _VERSION.label("version")).order_by(AudioFile.id).limit(LOOKED_AT_ONCE)
            some = (ids if last is None else ids.where(AudioFile.id > last)).cte("some")
            joined = select(some.c.id, search.c.row_version.is_distinct_from(some.c.version)).outerjoin(
                search, search.c.recording_id == some.c.id
            )
            async with self.sessions() as session:
                looked_at = (await session.execute(joined)).all()
            if not looked_at:
                return
            if stale := [recording_id for recording_id, is_stale in looked_at if is_stale]:
                yield stale
            last = max(recording_id for recording_id, _ in looked_at)


async def renew(session: AsyncSession, recording_ids: Sequence[UUID]) -> None:
    """Makes the entries of recordings anew, as their rows are now; the caller has the lock, and commits."""
    query = select(AudioFile.id, _VERSION, *_SEARCHED).where(AudioFile.id.in_(recording_ids))
    rows = (await session.execute(query)).all()
    if rows:
        await session.execute(_ENTER, await asyncio.to_thread(lambda: [_entry(row) for row in rows]))


def _entry(row: Sequence[Any]) -> dict[str, object]:
    recording_id, version, *texts = row
    entry = Entry.of(texts[: len(NAMES)], texts[len(NAMES) :])
    return {"id": recording_id, "version": version, "in_names": entry.names, "lexemes": entry.lexemes}
