"""The sandbox of a child: code that runs in it reaches nothing but its open files.

The layers overlap: files and the network are denied by Landlock, by the filter of system calls and by the limit of
descriptors; other processes by Landlock, by the filter, and by running as another user. Where a system lacks a layer
the others hold, and `report` returns which there are.
"""

import json
import resource
import sys
from collections.abc import Callable
from contextlib import suppress

from audio.processing.decoder.landlock import restrict_self
from audio.processing.decoder.libc import UNSUPPORTED, prctl
from audio.processing.decoder.privileges import drop_privileges, unprivileged
from audio.processing.decoder.seccomp import filter_calls

_PR_SET_DUMPABLE, _PR_SET_NO_NEW_PRIVS = 4, 38
# No new descriptor, process or thread, no core file, and no locked memory.
NOTHING_OF = (resource.RLIMIT_NOFILE, resource.RLIMIT_NPROC, resource.RLIMIT_CORE, resource.RLIMIT_MEMLOCK)


def close_sandbox() -> dict[str, bool]:
    """Confines this process for good, and returns which layers of the kernel work.

    Its open files stay open. Raises OSError where the kernel has a layer which fails.
    """
    hide()
    holds = {"no_new_privs": _holds(lambda: prctl(_PR_SET_NO_NEW_PRIVS, 1)), "landlock": _holds(restrict_self)}
    for limit in NOTHING_OF:
        with suppress(ValueError, OSError):  # a system without that limit
            resource.setrlimit(limit, (0, 0))
    return holds | {"seccomp": _holds(filter_calls)}


def hide() -> None:
    """Denies processes of the same user to inspect or stop this one: ptrace(2), /proc/…/mem."""
    _holds(lambda: prctl(_PR_SET_DUMPABLE, 0))


def report() -> None:
    """Confines this process as a child, and writes to stdout which layers work."""
    drop_privileges()
    layers = {"unprivileged": unprivileged()}
    sys.stdout.write(json.dumps(layers | close_sandbox()))
    sys.stdout.flush()


def _holds(layer: Callable[[], object]) -> bool:
    """Whether this system has a layer. Raises OSError where it has and that fails."""
    try:
        layer()
    except OSError as error:
        if error.errno in UNSUPPORTED:
            return False
        raise
    return True
