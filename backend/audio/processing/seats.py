"""How many jobs of a worker run at the same time."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager


class Seats:
    """Lets `count` jobs run side by side, and a suspicious one alone: who sits beside it must not fall with it."""

    def __init__(self, count: int) -> None:
        self._count = count
        self._free = asyncio.Semaphore(count)
        self._taking_all = asyncio.Lock()

    @asynccontextmanager
    async def seat(self, *, alone: bool) -> AsyncIterator[None]:
        """Waits for a seat, or for all of them, which are kept inside of the block."""
        taken = 0
        try:
            if alone:
                async with self._taking_all:  # two that each wait for the other's would wait for ever
                    while taken < self._count:
                        await self._free.acquire()
                        taken += 1
            else:
                await self._free.acquire()
                taken = 1
            yield
        finally:
            for _ in range(taken):
                self._free.release()
