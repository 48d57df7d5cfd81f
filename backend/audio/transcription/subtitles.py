"""Exports transcripts as plain text, SubRip and WebVTT.

SubRip has no specification; this follows the program of that name and the players that read it. WebVTT:
https://www.w3.org/TR/webvtt1/. Line lengths and durations follow the usual guidelines for subtitles.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import zip_longest

from audio.transcription.contract import Segment, Transcript, Word
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
    """One or two lines, their times and who speaks; the end is always after the start."""

    start_ms: int
    end_ms: int
    lines: tuple[str, ...]
    speaker: str | None = None


def txt(transcript: Transcript) -> str:
    """The text, with a paragraph after each longer pause, and one for each speaker, named where somebody else spoke."""
    paragraphs, start, last = [], 0, None
    ends = transcript.segment_ends()
    for (segment, end), following in zip_longest(ends, [segment for segment, _ in ends[1:]]):
        if _ends_paragraph(segment, following):
            text = transcript.text[start : end if following else None].strip()
            paragraphs.append(_said_by(segment.speaker, text, last=last))
            start, last = end, segment.speaker
    return "\n\n".join(paragraphs or [transcript.text]) + "\n" if transcript.text else ""


def _ends_paragraph(segment: Segment, following: Segment | None) -> bool:
    return (
        following is None
        or following.speaker != segment.speaker
        or following.start_seconds - segment.end_seconds >= PARAGRAPH_SECONDS
    )


def _said_by(speaker: str | None, text: str, *, last: str | None) -> str:
    """The text, after the speaker's name where somebody else spoke last."""
    return text if speaker in {None, last} else f"{speaker}: {text}"


def srt(transcript: Transcript) -> str:
    """SubRip. It has no escapes: a space is inserted into what players would read as markup, and `-->` becomes `→`.

    A speaker's name stands before the first cue of what they say.
    """
    blocks, last = [], None
    for number, cue in enumerate(cues(transcript), start=1):
        text = _plain(_said_by(cue.speaker, _text_of(cue), last=last))
        blocks.append(f"{number}\n{_clock(cue.start_ms, ',')} --> {_clock(cue.end_ms, ',')}\n{text}\n\n")
        last = cue.speaker
    return "".join(blocks)


def vtt(transcript: Transcript) -> str:
    """WebVTT, with the speaker of each cue as its voice."""
    blocks = [
        f"\n{_clock(cue.start_ms, '.')} --> {_clock(cue.end_ms, '.')}\n{_voice(cue)}{_escaped(_text_of(cue))}\n"
        for cue in cues(transcript)
    ]
    return "WEBVTT\n" + "".join(blocks)


def cues(transcript: Transcript) -> list[Cue]:
    """The cues in order; empty where the engine gave no times."""
    groups = [(speaker, group) for speaker, words in timed_words(transcript) for group in _groups(words)]
    starts = [round(group[0].start_seconds * 1000) for _, group in groups]
    timed_cues = []
    for (speaker, group), start, following in zip_longest(groups, starts, starts[1:]):
        end = max(round(group[-1].end_seconds * 1000), start + round(SHORTEST_SECONDS * 1000))
        if following is not None:
            end = min(end, following)
        timed_cues.append(Cue(start, max(end, start + 1), _lines(group) or (_text(group),), speaker))
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


def _text_of(cue: Cue) -> str:
    return "\n".join(cue.lines)


def _plain(text: str) -> str:
    return _SRT_MARKUP.sub(r"\g<0> ", text).replace("-->", "→")


def _voice(cue: Cue) -> str:
    return "" if cue.speaker is None else f"<v {_escaped(cue.speaker)}>"


def _escaped(text: str) -> str:
    """Escapes markup, and `-->` with it, since every `>` is escaped."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
