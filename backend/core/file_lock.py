"""A lock among the processes of this machine, which the kernel releases however its holder ends."""

import asyncio
import fcntl
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from core.background import wait_for_event

_POLL_SECONDS = 2


@asynccontextmanager
async def file_lock(lock: Path, *, until: asyncio.Event) -> AsyncIterator[None]:
    """Waits for the lock and holds it inside of the block. Raises OSError.

    Once `until` is set it waits no longer, and the block runs without the lock.
    """
    lock.parent.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        while not until.is_set() and not _acquire(descriptor):
            await wait_for_event(until, _POLL_SECONDS)
        yield
    finally:
        os.close(descriptor)


def _acquire(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
