"""When each word of a segment's text is spoken, whatever the engine tells: segments, words, or both.

The text of the segments is shown, since it has the punctuation; the words give the times, where their letters are
those of the segment. Where they aren't, the segment's time is shared out by the letter.
"""

import re
import unicodedata
from collections.abc import Iterator, Sequence

from audio.transcription.contract import Segment, Transcript, Word

# Scripts without spaces break between any two characters, but not before a mark.
_WIDE = r"[\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff]"
_MARKS = r"[\u3001-\u3003\u3009-\u3011\u30fc\uff01\uff09\uff0c\uff0e\uff1a\uff1b\uff1f]"
_TOKEN = re.compile(rf"\s*(?:{_WIDE}{_MARKS}*|(?:(?!{_WIDE})\S){{1,42}})")


def spoken(transcript: Transcript) -> Iterator[list[Word]]:
    """For each segment its words as they are shown, each with the space before it."""
    words = list(transcript.words)
    segments = transcript.segments or _one_segment(words)
    for segment, last in zip(segments, [*[False] * (len(segments) - 1), True], strict=False):
        within = len(words) if last else _how_many_until(words, segment.end_seconds)
        yield _timed(segment, words[:within])
        words = words[within:]


def width(text: str) -> int:
    """How wide the text stands, counted in Latin letters; Han and kana are twice as wide."""
    return sum(2 if unicodedata.east_asian_width(character) in "WF" else 1 for character in text)


def _one_segment(words: Sequence[Word]) -> tuple[Segment, ...]:
    if not words:
        return ()
    text = " ".join(word.text for word in words)
    return (Segment(text, words[0].start_seconds, max(word.end_seconds for word in words)),)


def _how_many_until(words: Sequence[Word], end_seconds: float) -> int:
    """How many words at the beginning have their middle before that time."""
    middles = ((word.start_seconds + word.end_seconds) / 2 for word in words)
    return next((at for at, middle in enumerate(middles) if middle > end_seconds), len(words))


def _timed(segment: Segment, words: Sequence[Word]) -> list[Word]:
    tokens = _TOKEN.findall(" ".join(segment.text.split()))  # an empty line would end a cue
    agree = _letters(segment.text) == "".join(_letters(word.text) for word in words)
    clock = [times for timed in (words if agree else [segment]) for times in _by_letter(timed)]
    timed, at = [], 0
    for token in tokens:
        count = len(_letters(token))
        heard = clock[at : at + count] or clock[at - 1 : at] or [(segment.start_seconds, segment.end_seconds)]
        timed.append(Word(token, heard[0][0], heard[-1][1]))
        at += count
    return timed


def _by_letter(timed: Word | Segment) -> list[tuple[float, float]]:
    """When each letter is heard, were all of them equally long."""
    count = len(_letters(timed.text))
    step = (timed.end_seconds - timed.start_seconds) / max(count, 1)
    return [(timed.start_seconds + step * at, timed.start_seconds + step * (at + 1)) for at in range(count)]


def _letters(text: str) -> str:
    return "".join(character for character in text.casefold() if character.isalnum())
