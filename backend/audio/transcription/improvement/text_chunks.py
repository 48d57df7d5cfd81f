"""Cuts a transcript's text into parts that together are the text again."""

import re
from bisect import bisect_left, bisect_right

from audio.transcription.contract import Transcript

# A sentence's end: with space behind it in scripts that have spaces, without in those that don't.
_SENTENCE = re.compile(r"[.!?…]['\"»\u201d\u2019)]*(?=\s)|[\u3002\uff01\uff1f]|\n")
_SPACE = re.compile(r"\s")


def parts(transcript: Transcript, *, limit_characters: int) -> list[str]:
    """Parts of at most that length, cut after a sentence where there is one in the second half of the allowed
    stretch, else after one of the engine's segments, else at a space, else anywhere.
    """
    text = transcript.text
    places = (
        [match.end() for match in _SENTENCE.finditer(text)],
        [end for _, end in transcript.segment_ends()],
        [match.start() for match in _SPACE.finditer(text)],
    )
    found, start = [], 0
    while len(text) - start > limit_characters:
        cut = _last(places, after=start + limit_characters // 2, until=start + limit_characters)
        found.append(text[start:cut])
        start = cut
    return [*found, text[start:]] if text[start:] else found


def _last(places: tuple[list[int], ...], *, after: int, until: int) -> int:
    for ends in places:
        if bisect_left(ends, after) < (at := bisect_right(ends, until)):
            return ends[at - 1]
    return until
