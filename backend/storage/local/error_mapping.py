"""What the operating system refuses, as the StorageError that it means."""

import errno
from collections.abc import Iterator
from contextlib import contextmanager

from storage.contract import StorageError, StorageFull, StorageUnavailable

_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}


@contextmanager
def translated() -> Iterator[None]:
    """Turns what the operating system refuses inside the block into the StorageError that it means."""
    try:
        yield
    except OSError as error:
        raise _meaning(error) from error


def _meaning(error: OSError) -> StorageError:
    if error.errno in _FULL:
        return StorageFull()
    return StorageUnavailable((error.strerror or "the operating system refuses").lower())
