"""The supervisor of one child: forwards its answer, and kills it after a timeout or when the caller is gone."""

import json
import os
import resource
import select
import signal
import socket
import sys
import time
from contextlib import suppress
from typing import Any

from audio.processing.decoder.child import NOT_CONFINED, OUT_OF_MEMORY, run_child
from audio.processing.decoder.operations import Jobs

_REQUEST_LIMIT_BYTES = 64 * 1024
_ANSWER_LIMIT_BYTES = 2 * 1024 * 1024
_MAXRSS_BYTES = 1 if sys.platform == "darwin" else 1024  # the unit of ru_maxrss: getrusage(2)


def supervise(connection_descriptor: int, *, jobs: Jobs, source: int, target: int | None) -> None:
    """Reads the request from the job's socket, runs it in a child and answers with JSON.

    The answer has `used`, and `result` or `reason`.
    """
    os.setsid()
    with socket.socket(fileno=connection_descriptor) as connection:
        connection.sendall(b"+")
        request = json.loads(_line(connection))
        pipe, pipe_end = os.pipe()
        child = os.fork()
        if child == 0:
            run_child(request, jobs=jobs, source=source, target=target, answer=pipe_end)
        os.close(pipe_end)
        answer, in_time = _wait_for(child, pipe, connection, seconds=request["limits"]["wall_seconds"])
        _kill(child)
        _, status, usage = os.wait4(child, 0)
        used = _used(usage)
        outcome = _outcome(answer, status, used, in_time=in_time, limits=request["limits"])
        with suppress(OSError):  # the caller may be gone
            connection.sendall(json.dumps(outcome | {"used": used}).encode())


def _line(connection: socket.socket) -> bytes:
    line = b""
    while not line.endswith(b"\n") and len(line) < _REQUEST_LIMIT_BYTES:
        piece = connection.recv(_REQUEST_LIMIT_BYTES)
        if not piece:
            break
        line += piece
    return line


def _wait_for(child: int, pipe: int, connection: socket.socket, *, seconds: float) -> tuple[bytes, bool]:
    """What the child writes until it closes the pipe, and whether it did so in time."""
    deadline = time.monotonic() + seconds
    answer = b""
    while len(answer) < _ANSWER_LIMIT_BYTES:
        remaining_seconds = max(0, deadline - time.monotonic())
        ready, _, _ = select.select([pipe, connection.fileno()], [], [], remaining_seconds)
        if pipe not in ready:  # a timeout; or the caller, which sends nothing more, has closed the connection
            return b"", False
        piece = os.read(pipe, _REQUEST_LIMIT_BYTES)
        if not piece:
            break
        answer += piece
    return answer, True


def _kill(child: int) -> None:
    """Kills the child and its process group. The exit status of one that is already dying doesn't change."""
    for kill in (os.kill, os.killpg):  # it may not have its group yet
        with suppress(ProcessLookupError, PermissionError):
            kill(child, signal.SIGKILL)


def _outcome(
    answer: bytes, status: int, used: dict[str, float], *, in_time: bool, limits: dict[str, int]
) -> dict[str, Any]:
    """The child's answer, which may be any JSON, or the reason that it died."""
    if not in_time:
        return {"reason": f"it took more than {limits['wall_seconds']} s"}
    if len(answer) >= _ANSWER_LIMIT_BYTES:
        return {"reason": "its answer is too long"}
    with suppress(ValueError, RecursionError):
        outcome = json.loads(answer)
        if isinstance(outcome, dict) and outcome.keys() & {"result", "reason", "disk_full"}:
            return outcome
    code = os.waitstatus_to_exitcode(status)
    if code == NOT_CONFINED:
        return {"unavailable": True}
    if code == OUT_OF_MEMORY:
        return {"reason": f"it needed more than {limits['memory_bytes'] / 1024**2:.0f} MiB of memory"}
    # The kernel kills a child that ignores SIGXCPU a second later.
    if code == -signal.SIGXCPU or (code == -signal.SIGKILL and used["cpu_seconds"] >= limits["cpu_seconds"]):
        return {"reason": f"it took more than {limits['cpu_seconds']} s of processor time"}
    if code == -signal.SIGKILL:  # by a person, or by the kernel when memory runs out: none of these limits does so
        return {"killed": True}
    return {"reason": f"decoding it crashed ({signal.Signals(-code).name if code < 0 else f'status {code}'})"}


def _used(usage: resource.struct_rusage) -> dict[str, float]:
    return {
        "cpu_seconds": round(usage.ru_utime + usage.ru_stime, 3),
        "peak_memory_bytes": usage.ru_maxrss * _MAXRSS_BYTES,
    }
