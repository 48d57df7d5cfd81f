"""The child of one job: what it may not do any more is settled before it sees the first byte."""

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

from audio.processing.decoder.jobs import Jobs
from audio.processing.decoder.libc import prctl
from audio.processing.decoder.opening import DISK_FULL, Recording, Refused
from audio.processing.decoder.sandbox import close_sandbox

OUT_OF_MEMORY, NOT_CONFINED = 3, 4  # exit codes: they need no memory to tell
_ANSWER, _SOURCE, _TARGET, _END = 1, 3, 4, 5
_FAILED = 1
_PR_SET_PDEATHSIG = 1


def be_child(request: dict[str, Any], *, jobs: Jobs, source: int, target: int | None, answer: int) -> NoReturn:
    """Runs the job and writes its answer as JSON; never returns."""
    try:
        os.setsid()
        with suppress(OSError):
            prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)  # it ends with its keeper; an alarm does so elsewhere
        _keep_descriptors(source=source, target=target, answer=answer)
        _limit(request["limits"], writes=target is not None)
        with Recording(_SOURCE) as recording, FileIO(_TARGET, "r+") as written:
            _confine()
            _write(json.dumps(_answer(request, jobs, recording, written)).encode())
            os._exit(0)
    except MemoryError:
        os._exit(OUT_OF_MEMORY)
    finally:
        os._exit(_FAILED)


def _confine() -> None:
    """Closes the box, or ends the child: the recording isn't to blame, and isn't read."""
    try:
        close_sandbox()
    except OSError:
        os._exit(NOT_CONFINED)


def _answer(request: dict[str, Any], jobs: Jobs, recording: Recording, written: FileIO) -> dict[str, Any]:
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


def _keep_descriptors(*, source: int, target: int | None, answer: int) -> None:
    """Puts what the job needs on the lowest numbers, and closes everything else."""
    nothing = os.open(os.devnull, os.O_RDWR)
    places = {0: nothing, _ANSWER: answer, 2: nothing, _SOURCE: source, _TARGET: nothing if target is None else target}
    # Copied out of the way first, so that no place is taken while something that has yet to move lies there.
    copies = {place: fcntl.fcntl(descriptor, fcntl.F_DUPFD, _END) for place, descriptor in places.items()}
    for place, copy in copies.items():
        os.dup2(copy, place)
    os.closerange(_END, os.sysconf("SC_OPEN_MAX"))


def _write(answer: bytes) -> None:
    rest = memoryview(answer)
    while rest:
        rest = rest[os.write(_ANSWER, rest) :]


def _limit(limits: dict[str, int], *, writes: bool) -> None:
    signal.signal(signal.SIGXCPU, signal.SIG_DFL)
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    signal.alarm(limits["wall_seconds"] + 1)  # should the keeper be gone
    cpu, output = limits["cpu_seconds"], limits["output_bytes"] if writes else 0
    for what, soft, hard in (
        (resource.RLIMIT_CPU, cpu, cpu + 1),
        (resource.RLIMIT_FSIZE, output, output),
        (resource.RLIMIT_AS, limits["memory_bytes"], limits["memory_bytes"]),
    ):
        with suppress(ValueError, OSError):  # a system without that limit, or with a lower one
            resource.setrlimit(what, (soft, hard))
