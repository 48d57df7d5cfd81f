"""Work that goes on beside its caller until it is cancelled: starts it, ends it, waits, and logs its failures."""

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine, Iterable, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from typing import Any, TypeVar

from structlog.typing import FilteringBoundLogger

from core.errors import DatabaseProblem
from core.observability.logging import log_failure

T = TypeVar("T")
CONCURRENT = 16


@asynccontextmanager
async def running(**work: Coroutine[Any, Any, None]) -> AsyncIterator[None]:
    """Runs `work` beside the block, each as a task of its name, and cancels it at the block's end."""
    tasks = [asyncio.create_task(coroutine, name=name) for name, coroutine in work.items()]
    try:
        yield
    finally:
        await cancel(*tasks)


@asynccontextmanager
async def running_after(seconds: float, work: Callable[[], Coroutine[Any, Any, None]]) -> AsyncIterator[None]:
    """Runs `work` beside the block once that has taken so long, and cancels it at the block's end.

    Most blocks are short: a timer costs less than a task that waits.
    """
    tasks: list[asyncio.Task[None]] = []
    timer = asyncio.get_running_loop().call_later(seconds, lambda: tasks.append(asyncio.create_task(work())))
    try:
        yield
    finally:
        timer.cancel()
        if tasks:
            await cancel(*tasks)


async def cancel(*tasks: asyncio.Future[Any]) -> None:
    """Cancels tasks, and waits until they have ended."""
    for task in tasks:
        task.cancel()
    await wait_until_done(*tasks)


async def wait_until_done(*futures: asyncio.Future[Any]) -> None:
    """Waits until all have ended, whatever their outcome. When cancelled it still waits, and is cancelled then."""
    cancelled: asyncio.CancelledError | None = None
    while not all(future.done() for future in futures):
        try:
            await asyncio.wait(futures)
        except asyncio.CancelledError as error:
            cancelled = error
    for future in futures:
        if not future.cancelled():
            future.exception()  # marks it as retrieved
    if cancelled is not None:
        raise cancelled


async def each_of(items: Iterable[T], work: Callable[[T], Coroutine[Any, Any, object]]) -> None:
    """Awaits `work` for each item, for up to CONCURRENT at the same time. When one fails, the others are cancelled."""
    limit = asyncio.Semaphore(CONCURRENT)

    async def limited(item: T) -> None:
        async with limit:
            await work(item)

    tasks = [asyncio.create_task(limited(item)) for item in items]
    try:
        await asyncio.gather(*tasks)
    finally:
        await cancel(*tasks)


async def wait_for_event(event: asyncio.Event, seconds: float) -> bool:
    """Waits for the event, but not longer than `seconds`; whether it is set."""
    with suppress(TimeoutError):
        async with asyncio.timeout(seconds):  # asyncio.wait_for may swallow a cancellation
            await event.wait()
    return event.is_set()


@contextmanager
def failures_logged(
    log: FilteringBoundLogger,
    *,
    unavailable: str,
    failed: str,
    expected: type[Exception] | tuple[type[Exception], ...] = DatabaseProblem,
) -> Iterator[None]:
    """Logs what the block raises, so that a loop goes on: `expected` errors as `unavailable`, others as `failed`."""
    try:
        yield
    except expected as error:
        log_failure(log.warning, unavailable, error)
    except Exception as error:
        log.exception(failed, error=type(error).__name__)
