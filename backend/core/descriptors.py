"""The descriptors of this process: how many it may have open, and whether any is left."""

import errno
import os
import resource
from contextlib import suppress

OPEN_MAX = 10240  # what macOS grants at most where its limit is "unlimited"
_EXHAUSTED = {errno.EMFILE, errno.ENFILE}


def raise_descriptor_limit() -> None:
    """Raises the limit of this process, and of those that it starts, to the most that the system allows."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    most = OPEN_MAX if hard == resource.RLIM_INFINITY else hard
    if soft != resource.RLIM_INFINITY and soft < most:
        with suppress(OSError, ValueError):  # then what there is has to do
            resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))


def descriptor_limit() -> int:
    """How many descriptors this process may have open."""
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return OPEN_MAX if soft == resource.RLIM_INFINITY else soft


def are_exhausted() -> bool:
    """Whether not one more descriptor can be opened right now."""
    try:
        os.close(os.open(os.devnull, os.O_RDONLY | os.O_CLOEXEC))
    except OSError as error:
        return is_exhaustion(error)
    return False


def is_exhaustion(error: OSError) -> bool:
    """Whether the system refused something because no descriptor is left."""
    return error.errno in _EXHAUSTED
