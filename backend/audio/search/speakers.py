"""Who speaks in which recordings, and in which parts of their transcripts: a table beside the search index.

Each recording with a transcript has a row, also where nobody is told apart, so that it isn't looked at again.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Text, bindparam, delete, exists, false, func, select
from sqlalchemy.dialects.postgresql import ARRAY, JSONB, insert
from sqlalchemy.ext.asyncio import AsyncSession

from audio.model.audio_file import AudioFile
from audio.model.repository import any_of
from audio.search.index import matches, quoted
from audio.search.words import query_terms, words
from core.database.system_tables import speakers

Range = tuple[int, int]
_INSERT = insert(speakers).values(
    recording_id=bindparam("id"),
    vector=func.array_to_tsvector(bindparam("lexemes", type_=ARRAY(Text))),
    names=bindparam("of_each", type_=ARRAY(Text)),
    spoken=bindparam("by_each", type_=JSONB),
)

_UPSERT = _INSERT.on_conflict_do_update(
    index_elements=[speakers.c.recording_id],
    set_={name: _INSERT.excluded[name] for name in ("vector", "names", "spoken")},
)


@dataclass(frozen=True, kw_only=True)
class Speaker:
    """A speaker of a transcript: their name, and the ranges of the text that they say."""

    name: str
    spoken: Sequence[Range]


def speaks(name: str) -> ColumnElement[bool]:
    """The condition that somebody whose name has all words of `name`, or words that begin so, speaks in a recording."""
    return AudioFile.id.in_(select(speakers.c.recording_id).where(_has_speaker(name)))


def has_speaker(name: str, recording_id: ColumnElement[UUID]) -> ColumnElement[bool]:
    """The same condition as a lookup of one recording's speakers."""
    return select(_has_speaker(name)).where(speakers.c.recording_id == recording_id).scalar_subquery()


def _has_speaker(name: str) -> ColumnElement[bool]:
    terms = list(query_terms(name))
    if not terms:
        return false()
    # A lexeme itself has exact statistics, where PostgreSQL supposes that few others begin with it.
    query = " & ".join(f"({quoted(term, begins)} | {quoted(term, False)})" for term, begins in terms)
    condition = matches(speakers.c.vector, query)
    if len(terms) == 1:
        return condition
    each = func.unnest(speakers.c.names).column_valued("each")  # one of them has to have all words
    vector = func.array_to_tsvector(func.string_to_array(each, " "))
    # Not EXISTS: PostgreSQL would join the names, and suppose that next to none matches.
    return condition & select(func.bool_or(matches(vector, query))).scalar_subquery()


async def spoken_ranges(
    session: AsyncSession, recording_ids: Collection[UUID], names: Sequence[str]
) -> dict[UUID, list[Range]]:
    """What the speakers of these names say in each recording, in order: ranges of its original transcript."""
    alternatives = [list(query_terms(name)) for name in names]
    query = select(speakers).where(any_of(recording_ids, speakers.c.recording_id))
    ranges: dict[UUID, list[Range]] = {}
    for row in await session.execute(query):
        for name, spoken in zip(row.names, row.spoken, strict=True):
            if any(_is_named(name.split(" "), terms) for terms in alternatives):
                ranges.setdefault(row.recording_id, []).extend((start, end) for start, end in spoken)
    return {recording_id: sorted(spoken) for recording_id, spoken in ranges.items()}


def _is_named(name: Sequence[str], terms: Sequence[tuple[str, bool]]) -> bool:
    return all(any(word.startswith(term) if begins else word == term for word in name) for term, begins in terms)


async def set_speakers(session: AsyncSession, recording_id: UUID, present: Sequence[Speaker]) -> None:
    """Sets the speakers of a recording's transcript; the caller commits."""
    await session.execute(_UPSERT, [_row(recording_id, present)])


async def add_speakers(session: AsyncSession, by_recording: Mapping[UUID, Sequence[Speaker]]) -> None:
    """Adds the speakers of transcripts that have none yet; the caller commits.

    None of a recording that was deleted meanwhile; others can't be until the transaction ends.
    """
    if not by_recording:
        return
    query = select(AudioFile.id).where(any_of(by_recording)).order_by(AudioFile.id)
    existing = await session.scalars(query.with_for_update(read=True, key_share=True))
    rows = [_row(recording_id, by_recording[recording_id]) for recording_id in existing]
    if rows:
        await session.execute(_INSERT.on_conflict_do_nothing(), rows)


def _row(recording_id: UUID, present: Sequence[Speaker]) -> dict[str, Any]:
    names = [list(words(speaker.name)) for speaker in present]
    return {
        "id": recording_id,
        "lexemes": sorted({word for name in names for word in name}),
        "of_each": [" ".join(name) for name in names],
        "by_each": [list(speaker.spoken) for speaker in present],
    }


async def remove_speakers(session: AsyncSession, recording_ids: Collection[UUID]) -> None:
    """Removes recordings' speakers; the caller commits."""
    await session.execute(delete(speakers).where(any_of(recording_ids, speakers.c.recording_id)))


async def remove_strays(session: AsyncSession) -> None:
    """Removes the speakers of recordings that an older server has deleted; the caller commits."""
    await session.execute(delete(speakers).where(~exists().where(AudioFile.id == speakers.c.recording_id)))


async def without_speakers(session: AsyncSession, recording_ids: Collection[UUID]) -> dict[UUID, str]:
    """The names of the bytes of those recordings whose transcript's speakers aren't in the table, by their ids."""
    has_row = exists().where(speakers.c.recording_id == AudioFile.id)
    has_transcript = AudioFile.original_transcript.is_not(None)
    query = select(AudioFile.id, AudioFile.file_path).where(any_of(recording_ids), has_transcript, ~has_row)
    return {row.id: row.file_path for row in await session.execute(query)}
