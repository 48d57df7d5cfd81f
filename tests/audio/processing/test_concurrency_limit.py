"""Who runs beside whom: jobs of one lane, of the other, and those that may have ended their worker."""

import asyncio
from contextlib import AsyncExitStack

from audio.processing.concurrency_limit import ConcurrencyLimit
from audio.processing.jobs import Lane


async def took(concurrency: ConcurrencyLimit, lane: Lane, *, alone: bool) -> AsyncExitStack:
    """A seat that was taken, to be left by `aclose`."""
    stack = AsyncExitStack()
    await stack.enter_async_context(concurrency.slot(lane, alone=alone))
    return stack


async def waits(task: "asyncio.Task[AsyncExitStack]") -> bool:
    """Whether it still has no seat once everybody who can go on has done so."""
    for _ in range(20):
        await asyncio.sleep(0)
    return not task.done()


async def test_a_full_lane_leaves_the_other_free() -> None:
    """Jobs of one lane wait for those of their own only, be they suspicious or not."""
    concurrency = ConcurrencyLimit(quick=2, slow=2)
    held = [await took(concurrency, Lane.SLOW, alone=False) for _ in range(2)]
    third = asyncio.create_task(took(concurrency, Lane.SLOW, alone=False))
    assert await waits(third)
    quick = await took(concurrency, Lane.QUICK, alone=True)
    await held[0].aclose()
    assert not await waits(third)
    for each in (held[1], third.result(), quick):
        await each.aclose()


async def test_suspects_run_one_at_a_time() -> None:
    """Of the suspicious jobs of both lanes one runs at a time, alone in its lane, the quick ones first."""
    concurrency = ConcurrencyLimit(quick=2, slow=2)
    first = await took(concurrency, Lane.SLOW, alone=True)
    others = [asyncio.create_task(took(concurrency, lane, alone=True)) for lane in (Lane.SLOW, Lane.QUICK, Lane.QUICK)]
    fresh = asyncio.create_task(took(concurrency, Lane.SLOW, alone=False))
    assert [await waits(task) for task in (*others, fresh)] == [True] * 4
    others[2].cancel()  # who gives up waiting is in nobody's way
    await first.aclose()
    assert [await waits(task) for task in (*others, fresh)] == [True, False, False, False]
    await others[1].result().aclose()
    assert await waits(others[0])
    await fresh.result().aclose()
    assert not await waits(others[0])
    await others[0].result().aclose()
