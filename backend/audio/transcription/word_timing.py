"""The times of each word of a segment's text, from an engine's segments, words, or both.

The text is the segments', since it has the punctuation; the times are the words', where these have the same letters as
the segment. Otherwise the segment's time is divided by letters.
"""

import re
import unicodedata
from collections.abc import Iterator, Sequence
from functools import cache

from audio.transcription.contract import Segment, Transcript, Word

# Scripts without spaces break between any two characters, but not before a mark.
_WIDE = r"[\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff]"
_MARKS = r"[\u3001-\u3003\u3009-\u3011\u30fc\uff01\uff09\uff0c\uff0e\uff1a\uff1b\uff1f]"


@cache  # so many characters take long to compile: not at each start
def _token() -> re.Pattern[str]:
    return re.compile(rf"\s*(?:{_WIDE}{_MARKS}*|(?:(?!{_WIDE})\S){{1,42}})")


def timed_words(transcript: Transcript) -> Iterator[tuple[str | None, list[Word]]]:
    """Who speaks in each segment, and its words, each with the space before it."""
    words = list(transcript.words)
    segments = transcript.segments or _single_segment(words)
    for segment, last in zip(segments, [*[False] * (len(segments) - 1), True], strict=False):
        within = len(words) if last else _count_until(words, segment.end_seconds)
        yield segment.speaker, _timed(segment, words[:within])
        words = words[within:]


def width(text: str) -> int:
    """The text's width in Latin letters; Han and kana are twice as wide."""
    return sum(2 if unicodedata.east_asian_width(character) in "WF" else 1 for character in text)


def _single_segment(words: Sequence[Word]) -> tuple[Segment, ...]:
    if not words:
        return ()
    text = " ".join(word.text for word in words)
    return (Segment(text, words[0].start_seconds, max(word.end_seconds for word in words)),)


def _count_until(words: Sequence[Word], end_seconds: float) -> int:
    """How many words at the beginning have their middle before a time."""
    middles = ((word.start_seconds + word.end_seconds) / 2 for word in words)
    return next((at for at, middle in enumerate(middles) if middle > end_seconds), len(words))


def _timed(segment: Segment, words: Sequence[Word]) -> list[Word]:
    tokens = _token().findall(" ".join(segment.text.split()))  # an empty line would end a cue
    agree = _letters(segment.text) == "".join(_letters(word.text) for word in words)
    clock = [letter for item in (words if agree else [segment]) for letter in _letter_times(item)]
    timed, at = [], 0
    for token in tokens:
        count = len(_letters(token))
        times = clock[at : at + count] or clock[at - 1 : at] or [(segment.start_seconds, segment.end_seconds)]
        timed.append(Word(token, times[0][0], times[-1][1]))
        at += count
    return timed


def _letter_times(timed: Word | Segment) -> list[tuple[float, float]]:
    """The times of each letter, if all are equally long."""
    count = len(_letters(timed.text))
    step = (timed.end_seconds - timed.start_seconds) / max(count, 1)
    return [(timed.start_seconds + step * at, timed.start_seconds + step * (at + 1)) for at in range(count)]


def _letters(text: str) -> str:
    return "".join(character for character in text.casefold() if character.isalnum())
