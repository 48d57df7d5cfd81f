"""The search index: prefixes of words in any text, and substrings of a name, a tag or a category.

A recording's entry is updated when its change is numbered (event_log.py), which every search does first. Changes
without an announcement (by an older version, or in psql) show in the row's version, its xmin, which every UPDATE
changes; a sweep looks for such rows at the start and at intervals. So the index depends neither on clocks nor on all
writers.
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

from audio.events.event_log import Event, lock
from audio.model.audio_file import AudioFile
from audio.search.highlights import NAMES, TRANSCRIPTS
from audio.search.words import fold, grams, query_terms, words
from core.background import failures_logged
from core.database.engine import Sessions
from core.database.system_tables import search

log = structlog.get_logger(__name__)
MOST_BYTES = 512 * 1024  # of an entry; PostgreSQL's limit is 1 MiB
PIECE = 3
PART_OF_NAME = "\x01"  # no word begins with this character
BATCH_ENTRIES = 25  # a transcript may have megabytes
SWEEP_SECONDS = 300
IDLE_SHARE = 200  # a sweep of millions of recordings takes seconds
SCANNED_ROWS = 20_000
_SEARCHED = tuple(getattr(AudioFile, name) for name in (*NAMES, *TRANSCRIPTS))
_VERSION = cast(cast(literal_column("audio_files.xmin"), Text), BigInteger)
_INSERT = insert(search).values(
    recording_id=bindparam("id"),
    row_version=bindparam("version"),
    names=bindparam("in_names"),
    vector=func.array_to_tsvector(bindparam("lexemes", type_=ARRAY(Text))),
)
_UPSERT = _INSERT.on_conflict_do_update(
    index_elements=[search.c.recording_id],
    set_={name: _INSERT.excluded[name] for name in ("row_version", "names", "vector")},
)


def _match(query: str) -> ColumnElement[bool]:
    folded = fold(query)
    alternatives: list[ColumnElement[bool]] = []
    if folded:
        pieces = [folded[at : at + PIECE] for at in range(max(1, len(folded) - PIECE + 1))]
        parts = [(PART_OF_NAME + piece, len(piece) < PIECE) for piece in pieces]
        alternatives.append(_has(parts) & (func.strpos(search.c.names, folded) > 0))
    if terms := list(query_terms(query)):
        alternatives.append(_has(terms))
    return or_(*alternatives) if alternatives else false()


def matching(query: str) -> ColumnElement[bool]:
    """The condition that a recording's entry has all words of a query, or the query in a name."""
    return AudioFile.id.in_(select(search.c.recording_id).where(_match(query)))


def has_match(query: str, recording_id: ColumnElement[UUID]) -> ColumnElement[bool]:
    """The same condition as a lookup of one recording's entry."""
    return select(_match(query)).where(search.c.recording_id == recording_id).scalar_subquery()


def not_indexed(query: str) -> ColumnElement[bool]:
    """The condition that a recording isn't in the index yet, and one of its texts has the query: exact, but slow."""
    in_any_text = or_(*(column.icontains(query, autoescape=True) for column in _SEARCHED))
    return ~exists().where(search.c.recording_id == AudioFile.id) & in_any_text


def _has(lexemes: Collection[tuple[str, bool]]) -> ColumnElement[bool]:
    return matches(search.c.vector, " & ".join(starmap(quoted, lexemes)))


def matches(vector: ColumnElement[Any], query: str) -> ColumnElement[bool]:
    """The condition that a tsvector matches a tsquery, which is written as text."""
    return vector.bool_op("@@")(cast(cast(query, Text), TSQUERY))


def quoted(lexeme: str, begins: bool) -> str:  # noqa: FBT001 - as `query_terms` pairs them
    """The tsquery of one lexeme, or of all that begin with it."""
    escaped = lexeme.replace("\\", "\\\\").replace("'", "''")
    return f"'{escaped}'" + (":*" if begins else "")


@dataclass(frozen=True, kw_only=True)
class IndexEntry:
    """The index entry of one recording."""

    names: str
    lexemes: list[str]

    @classmethod
    def of(cls, names: Sequence[str | None], transcripts: Sequence[str | None]) -> "IndexEntry":
        """The entry for the texts; of very long transcripts for their beginning."""
        folded = "\n".join(fold(name) for name in names if name)
        lexemes = {PART_OF_NAME + piece for piece in grams(folded, PIECE)}
        lexemes.update(
            *(words(name) for name in names if name)
        )  # columns limit their length, transcripts have no limit
        texts = [text for text in transcripts if text]
        remaining_bytes = MOST_BYTES - sum(len(lexeme.encode()) for lexeme in lexemes) if texts else 0
        for lexeme in chain.from_iterable(map(words, texts)):
            if lexeme not in lexemes:
                remaining_bytes -= len(lexeme.encode())
                if remaining_bytes < 0:
                    break
                lexemes.add(lexeme)
        return cls(names=folded, lexemes=sorted(lexemes))


@dataclass(kw_only=True)
class SearchIndex:
    """The index in the database. `complete` says whether it has every recording of the start."""

    sessions: Sessions
    complete: bool = field(default=False, init=False)

    async def follow(self, session: AsyncSession, changes: Sequence[Event]) -> None:
        """Updates the entries of changed recordings, in the transaction that numbers the changes.

        When that fails, the sweep tries again.
        """
        deleted = {event.recording_id for event in changes if event.change == "deleted"}
        changed = sorted({event.recording_id for event in changes} - deleted)
        await session.execute(delete(search).where(search.c.recording_id.in_(deleted)))
        for start in range(0, len(changed), BATCH_ENTRIES):
            await renew(session, changed[start : start + BATCH_ENTRIES])

    async def run(self) -> None:
        """Sweeps at intervals until cancelled; goes on when the database is lost."""
        while True:
            began = time.monotonic()
            with failures_logged(log, unavailable="search index not swept", failed="the search index stumbled"):
                await self.sweep()
                self.complete = True
            await asyncio.sleep(max(SWEEP_SECONDS, (time.monotonic() - began) * IDLE_SHARE))

    async def sweep(self) -> None:
        """Updates the entries of rows that were changed without an announcement, and deletes those without a row."""
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
        """Updates the entries of recordings, in batches, so that the events don't wait for all of them."""
        for start in range(0, len(recording_ids), BATCH_ENTRIES):
            async with self.sessions() as session:
                await lock(session)
                await renew(session, recording_ids[start : start + BATCH_ENTRIES])
                await session.commit()

    async def _stale(self) -> AsyncGenerator[Sequence[UUID]]:
        """The recordings whose entries are outdated or missing, in the order of their ids."""
        last: UUID | None = None
        while True:
            ids = select(AudioFile.id, _VERSION.label("version")).order_by(AudioFile.id).limit(SCANNED_ROWS)
            some = (ids if last is None else ids.where(AudioFile.id > last)).cte("some")
            joined = select(some.c.id, search.c.row_version.is_distinct_from(some.c.version)).outerjoin(
                search, search.c.recording_id == some.c.id
            )
            async with self.sessions() as session:
                rows = (await session.execute(joined)).all()
            if not rows:
                return
            if stale := [recording_id for recording_id, is_stale in rows if is_stale]:
                yield stale
            last = max(recording_id for recording_id, _ in rows)


async def renew(session: AsyncSession, recording_ids: Sequence[UUID]) -> None:
    """Updates the entries of recordings from their rows; the caller holds the lock, and commits."""
    query = select(AudioFile.id, _VERSION, *_SEARCHED).where(AudioFile.id.in_(recording_ids))
    rows = (await session.execute(query)).all()
    if rows:
        await session.execute(_UPSERT, await asyncio.to_thread(lambda: [_entry(row) for row in rows]))


def _entry(row: Sequence[Any]) -> dict[str, object]:
    recording_id, version, *texts = row
    entry = IndexEntry.of(texts[: len(NAMES)], texts[len(NAMES) :])
    return {"id": recording_id, "version": version, "in_names": entry.names, "lexemes": entry.lexemes}
