"""Where in a recording the words of a search are found, as ranges: nothing is written into the text itself."""

from collections.abc import Iterator
from dataclasses import dataclass

from audio.model.audio_file import AudioFile
from audio.search.words import find, text_pattern, word_pattern

NAMES = ("original_filename", "tag", "category")
TRANSCRIPTS = ("improved_transcript", "original_transcript")
SEARCHED_CHARACTERS = 200_000
EXCERPT_CHARACTERS = 240
BEFORE_CHARACTERS = 60
MOST_RANGES = 50


@dataclass(frozen=True, kw_only=True)
class Highlight:
    """A text of a recording, or an excerpt of it, and where in it something was found.

    Ranges are starts and ends, counted in characters (Unicode code points) from the text's begin.
    """

    field: str
    text: str
    ranges: list[tuple[int, int]]


def highlights(recording: AudioFile, query: str) -> list[Highlight]:
    """What a query matches in a recording's names and transcripts."""
    return [*_in_names(recording, query), *_in_transcripts(recording, query)]


def _in_names(recording: AudioFile, query: str) -> Iterator[Highlight]:
    by_words = word_pattern(query)
    for field in NAMES:
        text = getattr(recording, field) or ""
        found = find(text, text_pattern(query), limit=MOST_RANGES)
        if not found and by_words is not None:
            found = find(text, by_words, limit=MOST_RANGES)
        if found:
            yield Highlight(field=field, text=text, ranges=found)


def _in_transcripts(recording: AudioFile, query: str) -> Iterator[Highlight]:
    pattern = word_pattern(query)
    for field in TRANSCRIPTS if pattern is not None else ():
        text = (getattr(recording, field) or "")[:SEARCHED_CHARACTERS]
        found = find(text, pattern, limit=MOST_RANGES) if pattern is not None else []
        if found:
            start = max(0, found[0][0] - BEFORE_CHARACTERS)
            end = start + EXCERPT_CHARACTERS
            ranges = [(a - start, min(b, end) - start) for a, b in found if a < end]
            yield Highlight(field=field, text=text[start:end], ranges=ranges)
