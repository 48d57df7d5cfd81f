"""Limits how many jobs of a worker run at the same time."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

from audio.processing.jobs import Lane


class ConcurrencyLimit:
    """Limits the concurrent jobs of each lane, and runs a suspect job (see `JobRunner`) alone in its lane.

    A suspect may crash the job that runs in the other lane, which is a suspect from then on. Only one suspect of both
    lanes runs at a time. Those of the quick lane go first, since a slow job may take an hour.
    """

    def __init__(self, *, quick: int, slow: int) -> None:
        self._slots = {Lane.QUICK: quick, Lane.SLOW: slow}
        self._free = {lane: asyncio.Semaphore(count) for lane, count in self._slots.items()}
        self._condition = asyncio.Condition()
        self._suspect_runs = False
        self._quick_suspects = 0

    @asynccontextmanager
    async def slot(self, lane: Lane, *, alone: bool) -> AsyncIterator[None]:
        """Acquires a slot of the lane, or all of them when `alone`, for the time of the block."""
        async with AsyncExitStack() as stack:
            if alone:
                await stack.enter_async_context(self._suspect_slot(lane))
            for _ in range(self._slots[lane] if alone else 1):
                await stack.enter_async_context(self._free[lane])
            yield

    @asynccontextmanager
    async def _suspect_slot(self, lane: Lane) -> AsyncIterator[None]:
        quick = lane is Lane.QUICK
        self._quick_suspects += quick
        try:
            async with self._condition:
                await self._condition.wait_for(lambda: not self._suspect_runs and (quick or not self._quick_suspects))
                self._suspect_runs = True
            try:
                yield
            finally:
                self._suspect_runs = False
        finally:
            self._quick_suspects -= quick
            async with self._condition:
                self._condition.notify_all()
