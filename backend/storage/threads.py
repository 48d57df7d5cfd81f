"""Blocking work with bytes, off the event loop, in threads of its own.

Threads mostly wait here, for a disk or for a client, so there are more of them than processors.
"""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from typing import TypeVar

T = TypeVar("T")
THREADS = 32


@cache
def _threads() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(THREADS, thread_name_prefix="bytes")


async def in_thread(work: Callable[[], T]) -> T:
    """Runs `work` in a thread and waits for its end, even when cancelled, before the cancellation goes on.

    A thread can't be interrupted: whoever cleans up after a cancelled write must not do so while the write still
    holds the file, or the descriptor's number could by then belong to another file.
    """
    future = asyncio.get_running_loop().run_in_executor(_threads(), work)
    try:
        return await asyncio.shield(future)
    except asyncio.CancelledError:
        await _ended(future)
        raise


async def _ended(future: asyncio.Future[T]) -> None:
    """Waits on, however often it is cancelled meanwhile."""
    while not future.done():
        try:
            await asyncio.wait([future])
        except asyncio.CancelledError:
            continue
    future.exception()
