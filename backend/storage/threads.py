"""A thread pool for blocking work with bytes.

Its threads mostly wait for a disk or for a client, so there are more of them than processors.
"""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from typing import TypeVar

from core.background import wait_until_done

T = TypeVar("T")
THREADS = 32


@cache
def _threads() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(THREADS, thread_name_prefix="bytes")


async def in_thread(work: Callable[[], T]) -> T:
    """Runs `work` in a thread; when cancelled, it waits for the thread's end before the cancellation goes on.

    A thread can't be interrupted: cleaning up after a cancelled write must not start while the write still uses the
    file, or the descriptor's number could by then belong to another file.
    """
    future = asyncio.get_running_loop().run_in_executor(_threads(), work)
    try:
        return await asyncio.shield(future)
    except asyncio.CancelledError:
        await wait_until_done(future)
        raise
