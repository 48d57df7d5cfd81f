"""What a transcription engine takes and gives, and how it fails. Each engine is a module beside this one.

EngineProblem           an engine could not do what it was asked for
├── EngineRefused       it never will: trying again changes nothing
├── EngineBusy          it answers, but not now: try again
└── EngineUnreachable   it doesn't answer, or not as it should: try again
"""

import re
from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, TypeAlias

from core.errors import PegasusError

LONGEST_SECONDS = 25 * 3600  # of a recording that is heard: the longest day, on which clocks go back
LOWEST_HERTZ = 4000  # below, not even the vowels can be told: a telephone has 8,000
# Mono, 16 bits in the machine's byte order: how an engine on this machine is given a recording.
SAMPLES_HERTZ, SAMPLE_BYTES = 16_000, 2
Samples: TypeAlias = Callable[[Path], AbstractAsyncContextManager[Path]]
# What no text column, JSON reader or player wants: C0 and C1 controls but tab and line feed, and lone surrogates.
_UNWANTED = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff]")


class EngineProblem(PegasusError):
    """An engine could not do what it was asked for; the sentence holds nothing private and may be shown to a user."""

    def __init__(self, engine: str, sentence: str) -> None:
        super().__init__(sentence)
        self.engine = engine


class EngineRefused(EngineProblem):
    """The engine won't take this recording, or our settings: trying again changes nothing."""

    def __init__(self, engine: str, reason: str) -> None:
        super().__init__(engine, f"The {engine} engine refuses the recording: {reason}.")
        self.reason = reason


class EngineBusy(EngineProblem):
    """The engine can't take the recording now; `retry_after_seconds` is what it asks for, where it says so."""

    def __init__(self, engine: str, *, retry_after_seconds: float | None = None) -> None:
        super().__init__(engine, f"The {engine} engine is busy.")
        self.retry_after_seconds = retry_after_seconds


class EngineUnreachable(EngineProblem):
    """The engine doesn't answer, or answers with what can't be understood."""

    def __init__(self, engine: str, reason: str) -> None:
        super().__init__(engine, f"The {engine} engine can't be reached: {reason}.")
        self.reason = reason


@dataclass(frozen=True, slots=True)
class Word:
    """A word, and when it is heard."""

    text: str
    start_seconds: float
    end_seconds: float


@dataclass(frozen=True, slots=True)
class Segment:
    """A run of words as the engine cuts them, often a sentence, and when it is heard."""

    text: str
    start_seconds: float
    end_seconds: float


@dataclass(frozen=True, slots=True)
class Transcript:
    """What was said: the text, the language's code, and when, where the engine tells it.

    The words may come without their punctuation; the text and the segments hold it.
    """

    text: str
    language: str | None = None
    words: tuple[Word, ...] = ()
    segments: tuple[Segment, ...] = ()

    def tidied(self) -> "Transcript":
        """The same as it may be kept: clean text, nothing empty, no time before another or before its own start."""
        return Transcript(
            text=clean(self.text),
            language=self.language,
            words=tuple(Word(*timed) for timed in _in_order(self.words)),
            segments=tuple(Segment(*timed) for timed in _in_order(self.segments)),
        )

    def segment_ends(self) -> list[tuple[Segment, int]]:
        """Each segment with the place in the text where it ends; those that the text doesn't hold are left out."""
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
        """What is said in the file; `language` (a BCP 47 tag such as `en` or `pt-BR`) is found out when None.

        A recording in which nobody speaks has an empty text. The event loop is never held up.

        Raises:
            EngineRefused: trying again changes nothing.
            EngineBusy, EngineUnreachable: trying again may help.
            OSError: the file can't be read.
        """
        ...

    async def close(self) -> None:
        """Lets go of connections and processes; call it once, at the end."""
        ...


def clean(text: str) -> str:
    """The text without control characters and without space around it."""
    return _UNWANTED.sub("", text).strip()


def primary(language: str | None) -> str | None:
    """The language of a tag without region or script: `pt` for `pt-BR`."""
    return language.partition("-")[0] if language else None


def _in_order(timed: Sequence[Word | Segment]) -> list[tuple[str, float, float]]:
    """Sorts by time; engines now and then put an end before a start, or a start before the recording."""
    cleaned = [
        (text, max(item.start_seconds, 0.0), max(item.end_seconds, item.start_seconds, 0.0))
        for item in timed
        if (text := clean(item.text))
    ]
    return sorted(cleaned, key=lambda item: item[1])
