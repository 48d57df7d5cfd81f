"""Runs decoding jobs, always in a child that can be killed; this process never parses an uploaded byte.

A small server (decoder/fork_server.py) has the libraries loaded and forks a child for each job. A job has a socket of
its own: when its caller is cancelled or killed, that closes and the child ends.
"""

import asyncio
import errno
import json
import os
import socket
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from types import TracebackType
from typing import Annotated, Any, Self

import structlog
from pydantic import AfterValidator, BaseModel, ValidationError

from audio.processing.decoder_process import SERVER, DecoderServer
from core.errors import PegasusError

log = structlog.get_logger(__name__)

GRACE_SECONDS = 10
_STARTED = b"+"
_ANSWER_LIMIT_BYTES = 4 * 1024 * 1024
_PIECE_BYTES = 256 * 1024
_REASON_CHARACTERS, _TRACE_CHARACTERS = 300, 20_000


@dataclass(frozen=True, kw_only=True)
class DecodingLimits:
    """What one job may use, the libraries included. `output_bytes` limits the file that a job writes.

    A job has `cpu_seconds` of processor time, and for larger files `cpu_seconds_per_mib` more, up to
    `most_cpu_seconds`; `wall_seconds` grow in proportion. An hour of speech has 2 to 120 MiB, and takes 5 s to decode.
    """

    cpu_seconds: int = 60
    cpu_seconds_per_mib: int = 20
    most_cpu_seconds: int = 1800
    wall_seconds: int = 300
    memory_bytes: int = 1024**3
    output_bytes: int = 1024**3

    def for_size(self, size_bytes: int) -> "DecodingLimits":
        """The limits of a job for a recording of that size."""
        grown = self.cpu_seconds + self.cpu_seconds_per_mib * size_bytes // 1024**2
        cpu_seconds = max(self.cpu_seconds, min(grown, self.most_cpu_seconds))
        return replace(self, cpu_seconds=cpu_seconds, wall_seconds=self.wall_seconds * cpu_seconds // self.cpu_seconds)


@dataclass(frozen=True, kw_only=True)
class ResourceUsage:
    """What a job's child has used; its peak memory is the resident set."""

    cpu_seconds: float
    peak_memory_bytes: int


class DecodingFailed(PegasusError):
    """A recording can't be decoded, and a retry wouldn't help. `reason` is a clause without a full stop."""

    def __init__(self, reason: str, *, used: ResourceUsage) -> None:
        super().__init__(f"The recording can't be decoded: {reason}.")
        self.reason = reason
        self.used = used


class DecoderUnavailable(PegasusError):
    """The decoder itself doesn't run; the recording may be retried."""

    message = "The decoder doesn't run on this machine: see the log."


class DecoderKilled(PegasusError):
    """A job's processes were killed from outside, as by the kernel without memory; the recording may be innocent."""

    message = "The process that decoded the recording was killed."


class Decoder:
    """Runs decoding jobs; an asynchronous context manager. Its server is started by the first job."""

    def __init__(self, *, niceness: int = 0, program: str = SERVER) -> None:
        """`niceness` is added to this process's for all decoding, see nice(2). `program` is the server's code."""
        self._niceness = niceness
        self._program = program
        self._server: DecoderServer | None = None
        self._server_lock = asyncio.Lock()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.stop()

    async def stop(self) -> None:
        """Stops the server; the next job starts another."""
        if self._server is not None:
            await self._stop(self._server)

    async def run(
        self, job: str, *, source: int, target: int | None = None, limits: DecodingLimits, **arguments: str | float
    ) -> tuple[dict[str, Any], ResourceUsage]:
        """Runs the job `job` of decoder/operations.py on the open file `source`; returns its result and what it used.

        `source` and `target` are descriptors, which the caller closes; the job moves the position of both.

        Raises:
            DecodingFailed: it can't be decoded within the limits.
            DecoderUnavailable: no job can run.
            DecoderKilled: the job was killed before it had a result.
            OSError: the disk is full.
        """
        limits = limits.for_size(os.fstat(source).st_size)
        request = {"job": job, "limits": asdict(limits), "arguments": arguments}
        descriptors = [source] if target is None else [source, target]
        for _ in range(2):  # a server that has died is started anew
            server = await self._start()
            answer = await _request(server, json.dumps(request).encode(), descriptors, seconds=limits.wall_seconds)
            if answer:
                return _result(answer)
            await self._stop(server)
        raise DecoderUnavailable

    async def _start(self) -> DecoderServer:
        async with self._server_lock:
            if self._server is None:
                self._server = await asyncio.to_thread(DecoderServer, self._program, niceness=self._niceness)
            return self._server

    async def _stop(self, server: DecoderServer) -> None:
        async with self._server_lock:
            if self._server is server:
                self._server = None
                await asyncio.to_thread(server.stop)


async def _request(server: DecoderServer, request: bytes, descriptors: Sequence[int], *, seconds: float) -> bytes:
    """Sends a job and returns its answer; empty when the server is dead, or died before the job was started."""
    ours, theirs = socket.socketpair()
    with ours:
        ours.setblocking(False)
        with theirs:
            try:
                socket.send_fds(server.control, [b"j"], [theirs.fileno(), *descriptors])
            except OSError:
                return b""
        loop = asyncio.get_running_loop()
        answer = bytearray()
        with suppress(ConnectionError, TimeoutError):
            async with asyncio.timeout(seconds + GRACE_SECONDS):
                await loop.sock_sendall(ours, request + b"\n")
                while len(answer) < _ANSWER_LIMIT_BYTES and (piece := await loop.sock_recv(ours, _PIECE_BYTES)):
                    answer += piece
        return bytes(answer)


class _Answer(BaseModel):
    """What a supervisor sends when its child has ended. All but `used` is the child's output: it isn't trusted."""

    used: ResourceUsage
    result: dict[str, Any] | None = None
    disk_full: bool = False
    unavailable: bool = False
    killed: bool = False
    reason: Annotated[str, AfterValidator(lambda text: _printable(text)[:_REASON_CHARACTERS])] = ""
    trace: Annotated[str, AfterValidator(lambda text: _indented(text[:_TRACE_CHARACTERS]))] = ""


def _result(answer: bytes) -> tuple[dict[str, Any], ResourceUsage]:
    """The answer begins with a + when the job was started, and goes on with JSON when its child has ended."""
    if answer == _STARTED:  # the supervisor was killed, too
        raise DecoderKilled
    try:
        result = _Answer.model_validate_json(answer.removeprefix(_STARTED))
    except ValidationError as error:
        raise DecoderUnavailable from error
    if result.trace:
        log.error("the decoder stumbled", reason=result.reason, trace=result.trace)
    if result.unavailable:
        log.error("the decoder's box can't be closed, so nothing is decoded")
        raise DecoderUnavailable
    if result.killed:
        raise DecoderKilled
    if result.disk_full:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    if result.result is None:
        raise DecodingFailed(result.reason, used=result.used)
    return result.result, result.used


def _printable(text: str) -> str:
    """Replaces control characters: they command terminals, break lines of a log, and a database refuses them."""
    return "".join(character if character.isprintable() else "?" for character in text)


def _indented(text: str) -> str:
    return "\n".join(f"    {_printable(line)}" for line in text.splitlines())
