"""Files for a child to read and write: it is given descriptors, and never a path."""

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from storage.threads import in_thread

_NEW_FILE = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC  # a muxer returns to what it has written


@asynccontextmanager
async def opened(file: Path | int) -> AsyncIterator[int]:
    """A descriptor to read `file`; one that is given stays open. Raises OSError."""
    if isinstance(file, int):
        yield file
        return
    descriptor = await in_thread(lambda: os.open(file, os.O_RDONLY | os.O_CLOEXEC))
    try:
        yield descriptor
    finally:
        os.close(descriptor)


@asynccontextmanager
async def new_file(path: Path) -> AsyncIterator[int]:
    """A descriptor of the file that is made at `path`, readable by nobody else; after an exception it is gone again.

    Raises FileExistsError, OSError.
    """
    descriptor = await in_thread(lambda: os.open(path, _NEW_FILE, 0o600))
    try:
        yield descriptor
    except BaseException:
        await in_thread(path.unlink)
        raise
    finally:
        os.close(descriptor)
