"""Maps OSError to StorageError."""

import errno
from contextlib import AbstractContextManager
from types import TracebackType

from storage.contract import StorageFull, StorageUnavailable

_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}


def translated() -> AbstractContextManager[None]:
    """Raises an OSError of the block as a StorageError."""
    return _TRANSLATION


class _Translation(AbstractContextManager[None]):
    """A class, and one for all blocks: a generator would take as long as a system call."""

    def __enter__(self) -> None:
        pass

    def __exit__(
        self, _kind: type[BaseException] | None, error: BaseException | None, _traceback: TracebackType | None
    ) -> None:
        if not isinstance(error, OSError):
            return
        if error.errno in _FULL:
            raise StorageFull from error
        raise StorageUnavailable((error.strerror or "the operating system refuses").lower()) from error


_TRANSLATION = _Translation()
