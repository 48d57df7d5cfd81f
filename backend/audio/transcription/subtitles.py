"""Exports transcripts as plain text, SubRip and WebVTT.

SubRip has no specification; this follows the program of that name and the players that read it. WebVTT:
https://www.w3.org/TR/webvtt1/. Line lengths and durations follow the usual guidelines for subtitles.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise, zip_longest

from audio.transcription.contract import Transcript, Word
from audio.transcription.word_timing import timed_words, width

LINE_WIDTH = 42
LONGEST_SECONDS = 7.0
SHORTEST_SECONDS = 1.0
PAUSE_SECONDS = 1.5  # within a segment: the next words begin another cue
PARAGRAPH_SECONDS = 2.0

_SENTENCE_ENDS = (".", "!", "?", "…", "\u3002", "\uff01", "\uff1f")
_SRT_MARKUP = re.compile(r"<(?=[/A-Za-z])|\{(?=\\)")


@dataclass(frozen=True)
class Cue:
    """One or two lines and their times; the end is always after the start."""

    start_ms: int
    end_ms: int
    lines: tuple[str, ...]


def txt(transcript: Transcript) -> str:
    """The text, with a paragraph after each longer pause."""
    paragraphs, start = [], 0
    ends = transcript.segment_ends()
    for (segment, end), (following, _) in pairwise(ends):
        if following.start_seconds - segment.end_seconds >= PARAGRAPH_SECONDS:
            paragraphs.append(transcript.text[start:end].strip())
            start = end
    paragraphs.append(transcript.text[start:].strip())
    return "\n\n".join(paragraphs) + "\n" if transcript.text else ""


def srt(transcript: Transcript) -> str:
    """SubRip. It has no escapes: a space is inserted into what players would read as markup, and `-->` becomes `→`."""
    return "".join(
        f"{number}\n{_clock(cue.start_ms, ',')} --> {_clock(cue.end_ms, ',')}\n{_plain(cue.lines)}\n\n"
        for number, cue in enumerate(cues(transcript), start=1)
    )


def vtt(transcript: Transcript) -> str:
    """WebVTT."""
    blocks = (
        f"\n{_clock(cue.start_ms, '.')} --> {_clock(cue.end_ms, '.')}\n{_escaped(cue.lines)}\n"
        for cue in cues(transcript)
    )
    return "WEBVTT\n" + "".join(blocks)


def cues(transcript: Transcript) -> list[Cue]:
    """The cues in order; empty where the engine gave no times."""
    groups = [group for words in timed_words(transcript) for group in _groups(words)]
    starts = [round(group[0].start_seconds * 1000) for group in groups]
    timed_cues = []
    for group, start, following in zip_longest(groups, starts, starts[1:]):
        end = max(round(group[-1].end_seconds * 1000), start + round(SHORTEST_SECONDS * 1000))
        if following is not None:
            end = min(end, following)
        timed_cues.append(Cue(start, max(end, start + 1), _lines(group) or (_text(group),)))
    return timed_cues


def _groups(words: Sequence[Word]) -> Iterator[list[Word]]:
    """Groups the words of one segment: as many as fit into a cue, preferably whole sentences."""
    group: list[Word] = []
    for word in words:
        if group and _full(group, word):
            yield group
            group = []
        group.append(word)
    if group:
        yield group


def _full(group: list[Word], word: Word) -> bool:
    text = _text(group)
    return (
        word.end_seconds - group[0].start_seconds > LONGEST_SECONDS
        or word.start_seconds - group[-1].end_seconds >= PAUSE_SECONDS
        or (text.endswith(_SENTENCE_ENDS) and width(text) >= LINE_WIDTH)
        or not _lines([*group, word])
    )


def _lines(group: Sequence[Word]) -> tuple[str, ...]:
    """The words on one line, or on two of nearly the same width; empty where they don't fit."""
    if width(_text(group)) <= LINE_WIDTH:
        return (_text(group),)
    breaks = ((_text(group[:at]), _text(group[at:])) for at in range(1, len(group)))
    fitting = [pair for pair in breaks if max(map(width, pair)) <= LINE_WIDTH]
    return min(fitting, key=lambda pair: max(map(width, pair)), default=())


def _text(group: Sequence[Word]) -> str:
    return "".join(word.text for word in group).strip()


def _clock(milliseconds: int, decimal_mark: str) -> str:
    seconds, milliseconds = divmod(milliseconds, 1000)
    minutes, seconds = divmod(seconds, 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours:02}:{minutes:02}:{seconds:02}{decimal_mark}{milliseconds:03}"


def _plain(lines: tuple[str, ...]) -> str:
    return _SRT_MARKUP.sub(r"\g<0> ", "\n".join(lines)).replace("-->", "→")


def _escaped(lines: tuple[str, ...]) -> str:
    """Escapes markup, and `-->` with it, since every `>` is escaped."""
    return "\n".join(lines).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
