"""Opens files for a child, which gets descriptors and never a path."""

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from storage.threads import in_thread

_NEW_FILE = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC  # a muxer seeks back in its output


@asynccontextmanager
async def opened(file: Path | int) -> AsyncIterator[int]:
    """A descriptor to read `file`; a descriptor is passed through and stays open. Raises OSError."""
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
    """A descriptor of a new file at `path` with mode 0600; after an exception the file is removed.

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
