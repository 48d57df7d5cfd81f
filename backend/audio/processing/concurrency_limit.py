"""How many jobs of a worker run at the same time."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

from audio.processing.jobs import Lane


class ConcurrencyLimit:
    """Lets so many jobs of each lane run side by side, and a suspicious one alone in its lane.

    Who sits beside it in the other lane may fall with it once, and is then suspicious, too: of these one runs at a time
    in both lanes. A quick one comes first, since a slow one may take an hour.
    """

    def __init__(self, *, quick: int, slow: int) -> None:
        self._count = {Lane.QUICK: quick, Lane.SLOW: slow}
        self._free = {lane: asyncio.Semaphore(count) for lane, count in self._count.items()}
        self._turn = asyncio.Condition()
        self._suspect_runs = False
        self._quick_suspects = 0

    @asynccontextmanager
    async def seat(self, lane: Lane, *, alone: bool) -> AsyncIterator[None]:
        """Waits for a seat of the lane, or for all of them, which are kept inside of the block."""
        async with AsyncExitStack() as stack:
            if alone:
                await stack.enter_async_context(self._suspects_turn(lane))
            for _ in range(self._count[lane] if alone else 1):
                await stack.enter_async_context(self._free[lane])
            yield

    @asynccontextmanager
    async def _suspects_turn(self, lane: Lane) -> AsyncIterator[None]:
        quick = lane is Lane.QUICK
        self._quick_suspects += quick
        try:
            async with self._turn:
                await self._turn.wait_for(lambda: not self._suspect_runs and (quick or not self._quick_suspects))
                self._suspect_runs = True
            try:
                yield
            finally:
                self._suspect_runs = False
        finally:
            self._quick_suspects -= quick
            async with self._turn:
                self._turn.notify_all()
