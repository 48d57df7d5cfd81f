"""The child of one job: it confines itself before it reads the first byte."""

import errno
import fcntl
import json
import os
import resource
import signal
import traceback
from contextlib import suppress
from io import FileIO
from typing import Any, NoReturn

from audio.processing.decoder.libc import prctl
from audio.processing.decoder.opening import DISK_FULL, OpenedRecording, Refused
from audio.processing.decoder.operations import Jobs
from audio.processing.decoder.sandbox import close_sandbox

OUT_OF_MEMORY, NOT_CONFINED = 3, 4  # exit codes, which take no memory to report
_ANSWER, _SOURCE, _TARGET, _END = 1, 3, 4, 5
_FAILED = 1
_PR_SET_PDEATHSIG = 1


def run_child(request: dict[str, Any], *, jobs: Jobs, source: int, target: int | None, answer: int) -> NoReturn:
    """Runs the job and writes its answer as JSON; never returns."""
    try:
        os.setsid()
        with suppress(OSError):
            prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)  # it ends with its supervisor; without prctl an alarm ends it
        _arrange_descriptors(source=source, target=target, answer=answer)
        _limit(request["limits"], writes=target is not None)
        with OpenedRecording(_SOURCE) as recording, FileIO(_TARGET, "r+") as written:
            _confine()
            _write(json.dumps(_answer(request, jobs, recording, written)).encode())
            os._exit(0)
    except MemoryError:
        os._exit(OUT_OF_MEMORY)
    finally:
        os._exit(_FAILED)


def _confine() -> None:
    """Enters the sandbox, or ends the child before it reads the recording."""
    try:
        close_sandbox()
    except OSError:
        os._exit(NOT_CONFINED)


def _answer(request: dict[str, Any], jobs: Jobs, recording: OpenedRecording, written: FileIO) -> dict[str, Any]:
    try:
        return {"result": jobs[request["job"]](recording, written, **request["arguments"])}
    except MemoryError:
        raise
    except Refused as refused:
        return {"reason": str(refused)}
    except OSError as error:
        if error.errno in DISK_FULL:
            return {"disk_full": True}
        if error.errno != errno.EFBIG:
            return _stumbled(error)
        return {"reason": f"what plays would be larger than {request['limits']['output_bytes'] / 1024**2:.0f} MiB"}
    except Exception as error:  # noqa: BLE001  # the libraries raise what they like
        return _stumbled(error)


def _stumbled(error: Exception) -> dict[str, Any]:
    return {"reason": f"the decoder stumbled over it ({type(error).__name__})", "trace": traceback.format_exc()}


def _arrange_descriptors(*, source: int, target: int | None, answer: int) -> None:
    """Moves the job's descriptors to the lowest numbers, and closes all others."""
    nothing = os.open(os.devnull, os.O_RDWR)
    targets = {0: nothing, _ANSWER: answer, 2: nothing, _SOURCE: source, _TARGET: nothing if target is None else target}
    # Copied above _END first, so that dup2 doesn't close a descriptor that has yet to be moved.
    copies = {number: fcntl.fcntl(descriptor, fcntl.F_DUPFD, _END) for number, descriptor in targets.items()}
    for number, copy in copies.items():
        os.dup2(copy, number)
    os.closerange(_END, os.sysconf("SC_OPEN_MAX"))


def _write(answer: bytes) -> None:
    rest = memoryview(answer)
    while rest:
        rest = rest[os.write(_ANSWER, rest) :]


def _limit(limits: dict[str, int], *, writes: bool) -> None:
    signal.signal(signal.SIGXCPU, signal.SIG_DFL)
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    signal.alarm(limits["wall_seconds"] + 1)  # in case the supervisor was killed
    cpu, output = limits["cpu_seconds"], limits["output_bytes"] if writes else 0
    for limit, soft, hard in (
        (resource.RLIMIT_CPU, cpu, cpu + 1),
        (resource.RLIMIT_FSIZE, output, output),
        (resource.RLIMIT_AS, limits["memory_bytes"], limits["memory_bytes"]),
    ):
        with suppress(ValueError, OSError):  # a system without that limit, or with a lower one
            resource.setrlimit(limit, (soft, hard))
