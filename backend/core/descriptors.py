"""The file descriptors of this process: its limit, and whether it is exhausted."""

import errno
import os
import resource
from contextlib import suppress

OPEN_MAX = 10240  # macOS's maximum where its limit is "unlimited"
_EXHAUSTED = {errno.EMFILE, errno.ENFILE}


def raise_descriptor_limit() -> None:
    """Raises the limit of this process, and of those that it starts, to the system's maximum."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    most = OPEN_MAX if hard == resource.RLIM_INFINITY else hard
    if soft != resource.RLIM_INFINITY and soft < most:
        with suppress(OSError, ValueError):  # then the limit stays
            resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))


def descriptor_limit() -> int:
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return OPEN_MAX if soft == resource.RLIM_INFINITY else soft


def are_exhausted() -> bool:
    """Whether no further descriptor can be opened right now."""
    try:
        os.close(os.open(os.devnull, os.O_RDONLY | os.O_CLOEXEC))
    except OSError as error:
        return is_exhaustion(error)
    return False


def is_exhaustion(error: OSError) -> bool:
    """Whether the error says that no descriptor is left."""
    return error.errno in _EXHAUSTED
