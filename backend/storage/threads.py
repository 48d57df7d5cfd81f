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
def thread_pool(name: str, threads: int) -> ThreadPoolExecutor:
    """The process's threads of that name, which are started when they are first needed."""
    return ThreadPoolExecutor(threads, thread_name_prefix=name)


async def in_thread(work: Callable[[], T]) -> T:
    """Runs `work` in a thread; when cancelled, it waits for the thread's end before the cancellation goes on.

    A thread can't be interrupted: cleaning up after a cancelled write must not start while the write still uses the
    file, or the descriptor's number could by then belong to another file.
    """
    future = asyncio.get_running_loop().run_in_executor(thread_pool("bytes", THREADS), work)
    try:
        return await asyncio.shield(future)
    except asyncio.CancelledError:
        await wait_until_done(future)
        raise
