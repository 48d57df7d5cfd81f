"""The child of one job: what it may not do any more is settled before it sees the first byte.

It has five descriptors and can't open a sixth: no file, no socket, no pipe.
"""

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

from audio.processing.decoder.jobs import JOBS
from audio.processing.decoder.opening import Recording, Refused

OUT_OF_MEMORY = 3  # the exit code that needs no memory to tell
_ANSWER, _SOURCE, _TARGET, _END = 1, 3, 4, 5
_FAILED = 1


def be_child(request: dict[str, Any], *, source: int, target: int | None, answer: int) -> NoReturn:
    """Runs the job and writes its answer as JSON; never returns."""
    try:
        os.setsid()
        _keep_descriptors(source=source, target=target, answer=answer)
        _limit(request["limits"], writes=target is not None)
        _write(json.dumps(_told(request)).encode())
        os._exit(0)
    except MemoryError:
        os._exit(OUT_OF_MEMORY)
    finally:
        os._exit(_FAILED)


def _told(request: dict[str, Any]) -> dict[str, Any]:
    try:
        with Recording(_SOURCE) as source, FileIO(_TARGET, "r+") as target:
            return {"result": JOBS[request["job"]](source, target, **request["arguments"])}
    except MemoryError:
        raise
    except Refused as refused:
        return {"reason": str(refused)}
    except OSError as error:
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


def _write(told: bytes) -> None:
    rest = memoryview(told)
    while rest:
        rest = rest[os.write(_ANSWER, rest) :]


def _limit(limits: dict[str, int], *, writes: bool) -> None:
    signal.signal(signal.SIGXCPU, signal.SIG_DFL)
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    signal.alarm(limits["wall_seconds"] + 1)  # should the keeper be gone
    cpu, output = limits["cpu_seconds"], limits["output_bytes"] if writes else 0
    for what, soft, hard in (
        (resource.RLIMIT_CPU, cpu, cpu + 1),
        (resource.RLIMIT_CORE, 0, 0),
        (resource.RLIMIT_FSIZE, output, output),
        (resource.RLIMIT_AS, limits["memory_bytes"], limits["memory_bytes"]),
        (resource.RLIMIT_NPROC, 0, 0),
        (resource.RLIMIT_NOFILE, _END, _END),
    ):
        with suppress(ValueError, OSError):  # a system without that limit, or with a lower one
            resource.setrlimit(what, (soft, hard))
