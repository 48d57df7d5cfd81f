"""The box of a child: from when it is closed, no code that runs in it reaches anything but its open files.

Each layer closes by itself what the others close, too: files and the network by Landlock, by the filter of system calls
and by the limit of descriptors; processes by Landlock, by the filter, and by being another user's. Where a system
lacks a layer the others hold, and `report` says which there are.
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
# No new descriptor, process or thread, no core file, and nothing kept from the disk's cache.
NOTHING_OF = (resource.RLIMIT_NOFILE, resource.RLIMIT_NPROC, resource.RLIMIT_CORE, resource.RLIMIT_MEMLOCK)


def close_sandbox() -> dict[str, bool]:
    """Closes this process's box for good, and returns which layers of the kernel's hold.

    What it has open stays open. A layer that is there and doesn't close raises OSError.
    """
    hide()
    holds = {"no_new_privs": _holds(lambda: prctl(_PR_SET_NO_NEW_PRIVS, 1)), "landlock": _holds(restrict_self)}
    for limit in NOTHING_OF:
        with suppress(ValueError, OSError):  # a system without that limit
            resource.setrlimit(limit, (0, 0))
    return holds | {"seccomp": _holds(filter_calls)}


def hide() -> None:
    """Lets no process of the same user look into this one or stop it there: ptrace(2), /proc/…/mem."""
    _holds(lambda: prctl(_PR_SET_DUMPABLE, 0))


def report() -> None:
    """Closes a box as a child's is closed, and writes which layers hold."""
    drop_privileges()
    layers = {"unprivileged": unprivileged()}
    sys.stdout.write(json.dumps(layers | close_sandbox()))
    sys.stdout.flush()


def _holds(layer: Callable[[], object]) -> bool:
    """Whether this system has a layer. Raises OSError where it has, and that failed all the same."""
    try:
        layer()
    except OSError as error:
        if error.errno in UNSUPPORTED:
            return False
        raise
    return True
