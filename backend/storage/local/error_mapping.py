"""Maps OSError to StorageError."""

import errno
from collections.abc import Iterator
from contextlib import contextmanager

from storage.contract import StorageFull, StorageUnavailable

_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}


@contextmanager
def translated() -> Iterator[None]:
    """Raises an OSError of the block as a StorageError."""
    try:
        yield
    except OSError as error:
        if error.errno in _FULL:
            raise StorageFull from error
        raise StorageUnavailable((error.strerror or "the operating system refuses").lower()) from error
