"""The interface of transcription engines: their input, output and errors. Each engine is a module in engines/.

EngineProblem           an engine has failed
├── EngineRefused       for good: a retry changes nothing
├── EngineBusy          for now: retry later
└── EngineUnreachable   it doesn't answer, or not as expected: retry
"""

import re
from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol, TypeAlias, TypeVar

from core.errors import PegasusError

LONGEST_SECONDS = 25 * 3600  # of a recording to transcribe: the longest day, on which clocks go back
LOWEST_HERTZ = 4000  # below, vowels can't be distinguished: a telephone has 8,000
# The input of an engine on this machine: mono, 16 bits in the machine's byte order.
SAMPLES_HERTZ, SAMPLE_BYTES = 16_000, 2
Samples: TypeAlias = Callable[[Path], AbstractAsyncContextManager[Path]]
# C0 and C1 controls but tab and line feed, and lone surrogates: columns, JSON readers and players refuse them.
_CONTROL_CHARACTERS = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff]")


class EngineProblem(PegasusError):
    """An engine has failed; the message has nothing private and may be shown to a user."""

    def __init__(self, engine: str, sentence: str) -> None:
        super().__init__(sentence)
        self.engine = engine


class EngineRefused(EngineProblem):
    """The engine refuses the recording or the settings: a retry changes nothing."""

    def __init__(self, engine: str, reason: str) -> None:
        super().__init__(engine, f"The {engine} engine refuses the recording: {reason}.")
        self.reason = reason


class EngineBusy(EngineProblem):
    """The engine is busy; `retry_after_seconds` is from its Retry-After, if it has sent one."""

    def __init__(self, engine: str, *, retry_after_seconds: float | None = None) -> None:
        super().__init__(engine, f"The {engine} engine is busy.")
        self.retry_after_seconds = retry_after_seconds


class EngineUnreachable(EngineProblem):
    """The engine doesn't answer, or its answer can't be parsed."""

    def __init__(self, engine: str, reason: str) -> None:
        super().__init__(engine, f"The {engine} engine can't be reached: {reason}.")
        self.reason = reason


@dataclass(frozen=True, slots=True)
class Word:
    """A word and its times."""

    text: str
    start_seconds: float
    end_seconds: float


@dataclass(frozen=True, slots=True)
class Segment:
    """A group of words as the engine splits them, often a sentence, its times, and who speaks, where that is known."""

    text: str
    start_seconds: float
    end_seconds: float
    speaker: str | None = None


_Timed = TypeVar("_Timed", Word, Segment)


@dataclass(frozen=True, slots=True)
class Transcript:
    """A text with its language's code, and words and segments where the engine gives times.

    The words may lack punctuation; the text and the segments have it.
    """

    text: str
    language: str | None = None
    words: tuple[Word, ...] = ()
    segments: tuple[Segment, ...] = ()

    def normalized(self) -> "Transcript":
        """The same with clean text, without empty words and segments, and with ordered times."""
        return Transcript(
            text=clean(self.text),
            language=self.language,
            words=_normalized(self.words),
            segments=_normalized(self.segments),
        )

    def segment_ends(self) -> list[tuple[Segment, int]]:
        """Each segment with the position in the text at which it ends, without those that the text lacks."""
        ends, start = [], 0
        for segment in self.segments:
            at = self.text.find(segment.text, start)
            if at >= 0:
                start = at + len(segment.text)
                ends.append((segment, start))
        return ends


class Engine(Protocol):
    """Turns a recording into text."""

    name: str

    async def transcribe(self, audio: Path, *, language: str | None) -> Transcript:
        """The transcript of a file; `language` is a BCP 47 tag such as `en` or `pt-BR`, None to detect it.

        A recording without speech has an empty text. It never blocks the event loop.

        Raises:
            EngineRefused: a retry changes nothing.
            EngineBusy, EngineUnreachable: a retry may help.
            OSError: the file can't be read.
        """
        ...

    async def close(self) -> None:
        """Closes connections and ends processes; call it once, at the end."""
        ...


def clean(text: str) -> str:
    """The text without control characters and without space around it."""
    return _CONTROL_CHARACTERS.sub("", text).strip()


def primary(language: str | None) -> str | None:
    """The language of a tag without region or script: `pt` for `pt-BR`."""
    return language.partition("-")[0] if language else None


def _normalized(timed: Sequence[_Timed]) -> tuple[_Timed, ...]:
    """Sorted by time, without empty texts. Some engines give an end before its start, or a start before 0."""
    cleaned = [
        replace(
            item,
            text=text,
            start_seconds=max(item.start_seconds, 0.0),
            end_seconds=max(item.end_seconds, item.start_seconds, 0.0),
        )
        for item in timed
        if (text := clean(item.text))
    ]
    return tuple(sorted(cleaned, key=lambda item: item.start_seconds))
