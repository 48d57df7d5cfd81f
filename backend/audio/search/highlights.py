"""Finds the matches of a search in a recording's texts, as ranges that leave the text itself unchanged."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from audio.model.audio_file import AudioFile
from audio.model.details import LABELS
from audio.search.words import find, text_pattern, word_pattern

NAMES = ("title", "original_filename", *LABELS)
TRANSCRIPTS = ("improved_transcript", "original_transcript")
SEARCHED_CHARACTERS = 200_000
EXCERPT_CHARACTERS = 240
BEFORE_CHARACTERS = 60
MOST_RANGES = 50


@dataclass(frozen=True, kw_only=True)
class Highlight:
    """A text of a recording, or an excerpt of it, and the matches in it.

    A range has a start and an end, in characters (Unicode code points) from the text's start.
    """

    field: str
    text: str
    ranges: list[tuple[int, int]]


def highlights(recording: AudioFile, query: str | None, *, spoken: Sequence[tuple[int, int]] = ()) -> list[Highlight]:
    """The matches of a query's words in a recording's names and transcripts.

    `spoken` are the ranges of the original transcript that the query's speakers say, in order: matches in them are
    preferred, and without words they are the matches themselves.
    """
    in_speech = _in_speech(recording, query, spoken)
    if query is None:
        return in_speech
    return [*_in_names(recording, query), *(in_speech or _in_transcripts(recording, query))]


def _in_speech(recording: AudioFile, query: str | None, spoken: Sequence[tuple[int, int]]) -> list[Highlight]:
    """The excerpt of the original transcript that begins with the first matching part of what speakers say."""
    text, pattern = (recording.original_transcript or "")[:SEARCHED_CHARACTERS], word_pattern(query or "")
    if query is None:
        ranges = list(spoken)
    elif pattern is not None:
        parts = [(start, find(text[start:end], pattern, limit=MOST_RANGES)) for start, end in spoken]
        ranges = [(start + a, start + b) for start, matches in parts for a, b in matches]
    else:
        ranges = []
    if not ranges:
        return []
    start = max(start for start, _ in spoken if start <= ranges[0][0])
    return [_excerpt("original_transcript", text, ranges, start=max(start, ranges[0][0] - BEFORE_CHARACTERS))]


def _in_names(recording: AudioFile, query: str) -> Iterator[Highlight]:
    by_words = word_pattern(query)
    for field in NAMES:
        text = getattr(recording, field) or ""
        ranges = find(text, text_pattern(query), limit=MOST_RANGES)
        if not ranges and by_words is not None:
            ranges = find(text, by_words, limit=MOST_RANGES)
        if ranges:
            yield Highlight(field=field, text=text, ranges=ranges)


def _in_transcripts(recording: AudioFile, query: str) -> Iterator[Highlight]:
    pattern = word_pattern(query)
    for field in TRANSCRIPTS if pattern is not None else ():
        text = (getattr(recording, field) or "")[:SEARCHED_CHARACTERS]
        ranges = find(text, pattern, limit=MOST_RANGES) if pattern is not None else []
        if ranges:
            yield _excerpt(field, text, ranges, start=max(0, ranges[0][0] - BEFORE_CHARACTERS))


def _excerpt(field: str, text: str, ranges: Sequence[tuple[int, int]], *, start: int) -> Highlight:
    end = start + EXCERPT_CHARACTERS
    excerpt_ranges = [(a - start, min(b, end) - start) for a, b in ranges if a < end]
    return Highlight(field=field, text=text[start:end], ranges=excerpt_ranges)
