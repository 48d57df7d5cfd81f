"""Splits a transcript's text into parts, which joined are the text again."""

import re
from bisect import bisect_left, bisect_right

from audio.transcription.contract import Transcript

# A sentence's end: followed by space in scripts that have spaces.
_SENTENCE = re.compile(r"[.!?…]['\"»\u201d\u2019)]*(?=\s)|[\u3002\uff01\uff1f]|\n")
_SPACE = re.compile(r"\s")


def split(transcript: Transcript, *, limit_characters: int) -> list[str]:
    """Parts of at most `limit_characters`, each split in its second half: after a sentence where one ends there,
    else after one of the engine's segments, else at a space, else anywhere.
    """
    text = transcript.text
    positions = (
        [match.end() for match in _SENTENCE.finditer(text)],
        [end for _, end in transcript.segment_ends()],
        [match.start() for match in _SPACE.finditer(text)],
    )
    parts, start = [], 0
    while len(text) - start > limit_characters:
        cut = _last(positions, after=start + limit_characters // 2, until=start + limit_characters)
        parts.append(text[start:cut])
        start = cut
    return [*parts, text[start:]] if text[start:] else parts


def _last(positions: tuple[list[int], ...], *, after: int, until: int) -> int:
    for ends in positions:
        if bisect_left(ends, after) < (at := bisect_right(ends, until)):
            return ends[at - 1]
    return until
