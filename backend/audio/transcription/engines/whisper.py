"""Whisper on this machine, by faster-whisper, in one child process that keeps the model loaded.

It is a process and not a thread: a thread can't be stopped, so a shutdown would wait for an hour of speech; a model's
memory must not be the server's; and the server's GIL stays free. The child starts with the first recording and takes
one at a time. It gets samples, and never an uploaded byte.
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
from audio.transcription.engines.whisper_message import WhisperMessage
from core.settings import Settings

BACKEND = Path(__file__).resolve().parents[3]
LOAD_SECONDS = 3600.0  # a large model may have to be downloaded first
STALL_SECONDS = 900.0  # between two messages; there is one for each half minute of speech
TIME_FACTOR = 4.0  # how many times its duration a recording may take,
LEAST_SECONDS = 240.0  # where a shorter one counts as this long
LINE_BYTES = 4 * 1024 * 1024


class Whisper:
    """The engine on this machine. `model` is a folder with a model, or the name of one to download at first use.

    `samples` decodes recordings. With the files of two `speaker_models`, for segmentation and for embeddings, it tells
    speakers apart.
    """

    name = "whisper"

    def __init__(
        self,
        model: str,
        *,
        samples: Samples,
        speaker_models: tuple[Path, Path] | None = None,
        stall_seconds: float = STALL_SECONDS,
        time_factor: float = TIME_FACTOR,
    ) -> None:
        self._models = [model, *map(str, speaker_models or ())]
        self._samples = samples
        self._stall_seconds = stall_seconds
        self._time_factor = time_factor
        self._child: Process | None = None
        self._lock = asyncio.Lock()

    async def transcribe(self, audio: Path, *, language: str | None) -> Transcript:
        """See `Engine.transcribe`; also raises as `samples` does.

        When cancelled it kills the child; the next recording starts another.
        """
        async with self._lock, self._samples(audio) as samples:
            try:
                child = self._child or await self._start()
                return await self._request_with_timeout(child, samples, language=language)
            except EngineRefused:
                raise  # the child works, or was killed
            except BaseException:
                await self.close()
                raise

    async def close(self) -> None:
        """Kills the child; `transcribe` then raises EngineUnreachable for its recording."""
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
            *("-m", "audio.transcription.engines.whisper_child", *self._models),
            stdin=PIPE,
            stdout=PIPE,
            stderr=DEVNULL,  # from libraries; errors come as messages
            env=_environment(),
            limit=LINE_BYTES,
            start_new_session=True,  # Ctrl-C is for the server, which waits for the current recording
        )
        ready = await self._next(self._child, within_seconds=LOAD_SECONDS)
        if ready.kind != "ready":
            await self.close()
            raise self._problem(ready)
        return self._child

    async def _request_with_timeout(self, child: Process, samples: Path, *, language: str | None) -> Transcript:
        """The transcript. Raises EngineRefused when it takes too long, since other recordings wait."""
        duration_seconds = (await asyncio.to_thread(samples.stat)).st_size / SAMPLE_BYTES / SAMPLES_HERTZ
        try:
            async with asyncio.timeout(self._time_factor * max(duration_seconds, LEAST_SECONDS)):
                return await self._request(child, samples, language=language)
        except TimeoutError:
            await self.close()
            reason = (
                f"hearing it takes more than {self._time_factor:g} times as long as it sounds, with this WHISPER_MODEL"
            )
            raise EngineRefused(self.name, reason) from None

    async def _request(self, child: Process, samples: Path, *, language: str | None) -> Transcript:
        assert child.stdin  # noqa: S101  # it was started with a pipe
        with contextlib.suppress(ConnectionError):  # `_next` raises for a dead child
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
        return Transcript(message.text, language or message.language, tuple(words), tuple(segments)).normalized()

    async def _next(self, child: Process, *, within_seconds: float) -> WhisperMessage:
        assert child.stdout  # noqa: S101  # it was started with a pipe
        try:
            async with asyncio.timeout(within_seconds):
                line = await child.stdout.readline()
            return WhisperMessage.model_validate_json(line)
        except TimeoutError:
            raise EngineUnreachable(self.name, f"it gave no sign of life for {within_seconds:.0f} seconds") from None
        except (ValueError, ValidationError):
            raise EngineUnreachable(self.name, "its process died") from None

    def _problem(self, message: WhisperMessage) -> EngineRefused | EngineUnreachable:
        kind = EngineRefused if message.kind == "refused" else EngineUnreachable
        return kind(self.name, message.text)


def _environment() -> dict[str, str]:
    """This process's environment without settings: the child gets no password and no key."""
    settings = {name.upper() for name in Settings.model_fields}
    variables = {
        name: value
        for name, value in os.environ.items()
        if name.upper() not in settings and not name.upper().startswith("PG")
    }
    return variables | {"PYTHONPATH": str(BACKEND)}
