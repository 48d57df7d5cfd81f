"""Whisper on this machine, by faster-whisper, in one child process that keeps the model loaded.

A child and not a thread: a thread can't be stopped, so that a shutdown would wait for an hour of speech; a model's
hunger for memory must not be the server's; and the server's lock on the interpreter stays free. The child starts with
the first recording and takes one at a time. It is given samples, and never a byte that was uploaded.
"""

import asyncio
import contextlib
import json
import os
import signal
import sys
from asyncio.subprocess import DEVNULL, PIPE, Process
from pathlib import Path

from pydantic import ValidationError

from audio.transcription.contract import (
    SAMPLE_BYTES,
    SAMPLES_HERTZ,
    EngineRefused,
    EngineUnreachable,
    Samples,
    Segment,
    Transcript,
    Word,
    primary,
)
from audio.transcription.engines.whisper_message import Message
from core.settings import Settings

BACKEND = Path(__file__).resolve().parents[3]
LOAD_SECONDS = 3600.0  # a large model may have to be fetched first
STALL_SECONDS = 900.0  # between two signs of life; half a minute of speech is one
SLOWEST = 4.0  # how many times as long as it sounds a recording may take to be heard,
LEAST_SECONDS = 240.0  # where one that is shorter counts as one of so many
LINE_BYTES = 4 * 1024 * 1024


class Whisper:
    """The engine on this machine. `model` is a folder with a model, or a model's name, then fetched at first use.

    `samples` decodes what it hears.
    """

    name = "whisper"

    def __init__(
        self, model: str, *, samples: Samples, stall_seconds: float = STALL_SECONDS, slowest: float = SLOWEST
    ) -> None:
        self._model = model
        self._samples = samples
        self._stall_seconds = stall_seconds
        self._slowest = slowest
        self._child: Process | None = None
        self._turn = asyncio.Lock()

    async def transcribe(self, audio: Path, *, language: str | None) -> Transcript:
        """As the contract says, and raises what `samples` does.

        Cancelled, it ends the child, and the next recording gets a new one.
        """
        async with self._turn, self._samples(audio) as samples:
            try:
                child = self._child or await self._start()
                return await self._ask_in_time(child, samples, language=language)
            except EngineRefused:
                raise  # by a child that is well, or was ended
            except BaseException:
                await self.close()
                raise

    async def close(self) -> None:
        """Ends the child, at once; a recording in work is then told of as one that can be tried again."""
        child, self._child = self._child, None
        if child is None:
            return
        with contextlib.suppress(ProcessLookupError):
            os.killpg(child.pid, signal.SIGKILL)
        if child.stdin:
            child.stdin.close()
        await child.wait()

    async def _start(self) -> Process:
        self._child = await asyncio.create_subprocess_exec(
            sys.executable,
            *("-m", "audio.transcription.engines.whisper_child", self._model),
            stdin=PIPE,
            stdout=PIPE,
            stderr=DEVNULL,  # libraries' chatter; what matters comes as a message
            env=_environment(),
            limit=LINE_BYTES,
            start_new_session=True,  # Ctrl-C is the server's, which lets a recording in work end first
        )
        ready = await self._next(self._child, within_seconds=LOAD_SECONDS)
        if ready.kind != "ready":
            await self.close()
            raise self._problem(ready)
        return self._child

    async def _ask_in_time(self, child: Process, samples: Path, *, language: str | None) -> Transcript:
        """The answer, unless that holds up the recordings behind it for much longer than this one sounds."""
        sounds_seconds = (await asyncio.to_thread(samples.stat)).st_size / SAMPLE_BYTES / SAMPLES_HERTZ
        try:
            async with asyncio.timeout(self._slowest * max(sounds_seconds, LEAST_SECONDS)):
                return await self._ask(child, samples, language=language)
        except TimeoutError:
            await self.close()
            reason = f"hearing it takes more than {self._slowest:g} times as long as it sounds, with this WHISPER_MODEL"
            raise EngineRefused(self.name, reason) from None

    async def _ask(self, child: Process, samples: Path, *, language: str | None) -> Transcript:
        assert child.stdin  # noqa: S101  # it was started with a pipe
        with contextlib.suppress(ConnectionError):  # a dead child is told by what it doesn't answer
            request = {"samples": str(samples), "language": primary(language)}
            child.stdin.write(json.dumps(request).encode() + b"\n")
            await child.stdin.drain()
        words: list[Word] = []
        segments: list[Segment] = []
        while (message := await self._next(child, within_seconds=self._stall_seconds)).kind != "done":
            if message.kind != "heard":
                raise self._problem(message)
            words += message.words
            segments += message.segments
        return Transcript(message.text, language or message.language, tuple(words), tuple(segments)).tidied()

    async def _next(self, child: Process, *, within_seconds: float) -> Message:
        assert child.stdout  # noqa: S101  # it was started with a pipe
        try:
            async with asyncio.timeout(within_seconds):
                line = await child.stdout.readline()
            return Message.model_validate_json(line)
        except TimeoutError:
            raise EngineUnreachable(self.name, f"it gave no sign of life for {within_seconds:.0f} seconds") from None
        except (ValueError, ValidationError):
            raise EngineUnreachable(self.name, "its process died") from None

    def _problem(self, message: Message) -> EngineRefused | EngineUnreachable:
        kind = EngineRefused if message.kind == "refused" else EngineUnreachable
        return kind(self.name, message.text)


def _environment() -> dict[str, str]:
    """Ours, less every setting: what runs models knows no password and no key."""
    ours = {name.upper() for name in Settings.model_fields}
    kept = {
        name: value
        for name, value in os.environ.items()
        if name.upper() not in ours and not name.upper().startswith("PG")
    }
    return kept | {"PYTHONPATH": str(BACKEND)}
