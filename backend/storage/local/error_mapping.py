"""Maps OSError to StorageError."""

import errno
from collections.abc import Iterator
from contextlib import contextmanager

from storage.contract import StorageError, StorageFull, StorageUnavailable

_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}


@contextmanager
def translated() -> Iterator[None]:
    """Raises an OSError of the block as a StorageError."""
    try:
        yield
    except OSError as error:
        raise _storage_error(error) from error


def _storage_error(error: OSError) -> StorageError:
    if error.errno in _FULL:
        return StorageFull()
    return StorageUnavailable((error.strerror or "the operating system refuses").lower())
