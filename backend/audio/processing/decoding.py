"""Decoding, always in a child that can be killed; nothing in this process ever parses an uploaded byte.

A small server (decoder/server.py) has the libraries loaded and forks a child for each job. A job has a socket of
its own: whoever lets go of it, by being cancelled or killed, ends the child.
"""

import asyncio
import json
import os
import socket
import subprocess
import sys
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import structlog

from core.errors import PegasusError

log = structlog.get_logger(__name__)

GRACE_SECONDS = 10
_ANSWER_LIMIT_BYTES = 4 * 1024 * 1024
_PIECE_BYTES = 256 * 1024
_BACKEND = Path(__file__).resolve().parents[2]
# Without PYTHON… and the like, and by a path of ours: what is imported beside untrusted bytes is no caller's choice.
_PROGRAM = (
    "import sys; sys.path.append(sys.argv[1]); "
    "from audio.processing.decoder.server import serve; serve(int(sys.argv[2]))"
)
_KEPT_VARIABLES = ("PATH", "LD_LIBRARY_PATH", "OPENBLAS_CORETYPE")


@dataclass(frozen=True, kw_only=True)
class DecodingLimits:
    """What one job may use, the libraries included. `output_bytes` bounds the file that a job writes."""

    cpu_seconds: int = 60
    wall_seconds: int = 300
    memory_bytes: int = 1024**3
    output_bytes: int = 1024**3


@dataclass(frozen=True, kw_only=True)
class Used:
    """What a job's child has used; its peak memory is what was resident."""

    cpu_seconds: float
    peak_memory_bytes: int


class DecodingFailed(PegasusError):
    """A recording can't be decoded, and why; another try would end alike. `reason` is a clause without a full stop."""

    def __init__(self, reason: str, *, used: Used) -> None:
        super().__init__(f"The recording can't be decoded: {reason}.")
        self.reason = reason
        self.used = used


class DecoderUnavailable(PegasusError):
    """The decoder itself doesn't run, or was killed from outside: the recording isn't to blame, and may be retried."""

    def __init__(self) -> None:
        super().__init__("The decoder doesn't run on this machine, or was killed: see the log.")


class Decoder:
    """Runs decoding jobs; an asynchronous context that starts its server with the first job, and stops it."""

    def __init__(self, *, niceness: int = 0) -> None:
        """`niceness` is added to that of this process for all decoding: see nice(2)."""
        self._niceness = niceness
        self._server: _Server | None = None
        self._starting = asyncio.Lock()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.stop()

    async def stop(self) -> None:
        """Stops the server; another job would start it anew."""
        if self._server is not None:
            await self._stop(self._server)

    async def run(
        self, job: str, *, source: int, target: int | None = None, limits: DecodingLimits, **arguments: str
    ) -> tuple[dict[str, Any], Used]:
        """What the job `job` of decoder/jobs.py answers for the open file `source`, and what it used.

        `source` and `target` are descriptors, which stay the caller's; the job moves the position of both.

        Raises:
            DecodingFailed: it can't be decoded within the limits.
            DecoderUnavailable: nothing could be tried.
        """
        request = {"job": job, "limits": asdict(limits), "arguments": arguments}
        descriptors = [source] if target is None else [source, target]
        for _ in range(2):  # a server that is found dead is started anew
            server = await self._running()
            answer = await _ask(server, json.dumps(request).encode(), descriptors, seconds=limits.wall_seconds)
            if answer:
                return _understood(answer)
            await self._stop(server)
        raise DecoderUnavailable

    async def _running(self) -> "_Server":
        async with self._starting:
            if self._server is None:
                self._server = await asyncio.to_thread(_Server, niceness=self._niceness)
            return self._server

    async def _stop(self, server: "_Server") -> None:
        async with self._starting:
            if self._server is server:
                self._server = None
                await asyncio.to_thread(server.stop)


class _Server:
    """The process that forks the children, and the socket over which it is given jobs."""

    def __init__(self, *, niceness: int) -> None:
        self.control, theirs = socket.socketpair()
        with theirs:
            self._process = subprocess.Popen(
                [sys.executable, "-I", "-c", _PROGRAM, str(_BACKEND), str(theirs.fileno())],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                pass_fds=[theirs.fileno()],
                cwd="/",
                env={name: os.environ[name] for name in _KEPT_VARIABLES if name in os.environ}
                | {"OPENBLAS_NUM_THREADS": "1"},  # a process that forks has no threads
                start_new_session=True,  # Ctrl-C must not reach it before the jobs are done
            )
        if niceness:
            os.setpriority(os.PRIO_PROCESS, self._process.pid, os.getpriority(os.PRIO_PROCESS, 0) + niceness)

    def stop(self) -> None:
        """Ends the server; its children end with those that wait for them."""
        self.control.close()
        self._process.kill()
        self._process.wait()


async def _ask(server: _Server, request: bytes, descriptors: Sequence[int], *, seconds: float) -> bytes:
    """The job's answer; empty when the server is dead, or died before it could begin."""
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


def _understood(answer: bytes) -> tuple[dict[str, Any], Used]:
    """The answer begins with a + when a child was begun, and goes on with JSON when that has ended."""
    try:
        told = json.loads(answer[1:])
        used = Used(**told["used"])
    except (ValueError, KeyError, TypeError) as error:
        raise DecoderUnavailable from error
    if "reason" in told:
        if "trace" in told:
            log.error("the decoder stumbled", reason=told["reason"], trace=told["trace"])
        raise DecodingFailed(told["reason"], used=used)
    return told["result"], used
