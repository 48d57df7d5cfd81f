"""Feed: tells the followers in this process about new events, from memory where it can and else from the table.

A follower has no queue that could overflow: it has a number, how far it has come, and asks for what came after it.
"""

import asyncio
from collections import deque
from collections.abc import Sequence
from contextlib import suppress

import structlog

from audio.events.event_log import AT_ONCE, Event, EventLog
from core.errors import DatabaseProblem
from core.observability.logging import log_failure

log = structlog.get_logger(__name__)
REMEMBERED = 1000
GATHERING_SECONDS = 0.2  # what comes meanwhile is numbered together, which costs a fraction of one by one
LOOK_SECONDS = 0.5  # who announces notifies nobody; the first to look does
RETRY_SECONDS = 1
PRUNE_SECONDS = 600


class Feed:
    """What has happened last, and whoever waits for what happens next."""

    def __init__(self, events: EventLog) -> None:
        self._events = events
        self._recent: deque[Event] = deque(maxlen=REMEMBERED)
        self._remembers_after: int | None = None
        self._news = asyncio.Event()
        self._woken = asyncio.Event()
        self.newest = 0

    def wake(self, _said: str | None = None) -> None:
        """Something may have been announced."""
        self._woken.set()

    async def start(self) -> None:
        """Finds out how far the events have come; followers may come from now on. Raises DatabaseProblem."""
        await self._events.catch_up()
        _, self.newest = await self._events.kept()
        self._remembers_after = self.newest

    async def run(self) -> None:
        """Tells what happens until cancelled. A database that goes away is waited for."""
        pruned = 0.0
        loop = asyncio.get_running_loop()
        while True:
            self._woken.clear()
            try:
                await self._tell_news()
                if loop.time() > pruned + PRUNE_SECONDS:
                    await self._events.prune()
                    pruned = loop.time()
            except DatabaseProblem as problem:
                log_failure(log.warning, "no news for now", problem)
                await asyncio.sleep(RETRY_SECONDS)
                self._woken.set()
            except Exception as error:
                log.exception("the feed stumbled", error=type(error).__name__)
                await asyncio.sleep(RETRY_SECONDS)
            await asyncio.sleep(GATHERING_SECONDS)
            await self._wait(self._woken, LOOK_SECONDS)

    async def _tell_news(self) -> None:
        await self._events.catch_up()
        while found := await self._events.after(self.newest, owner=None, limit=AT_ONCE):
            self._recent.extend(found)
            if len(self._recent) == REMEMBERED:
                self._remembers_after = self._recent[0].number - 1
            self.newest = found[-1].number
            self._news.set()
            self._news = asyncio.Event()

    async def read(self, number: int, *, owner: str | None) -> tuple[Sequence[Event], int]:
        """Events of the owner's recordings after a number, and how far one has come with them.

        Raises DatabaseProblem.
        """
        newest = self.newest
        if self._remembers_after is not None and number >= self._remembers_after:
            new = [event for event in self._recent if event.number > number]
            return [event for event in new if owner is None or event.user_id == owner], max(number, newest)
        found = await self._events.after(number, owner=owner, limit=AT_ONCE)
        found = [event for event in found if event.number <= newest]
        return found, found[-1].number if len(found) == AT_ONCE else max(number, newest)

    async def wait(self, number: int, seconds: float) -> None:
        """Returns once there is something after a number, or when the time is over."""
        news = self._news
        if self.newest <= number:
            await self._wait(news, seconds)

    async def knows(self, number: int) -> bool:
        """Whether everything that came after a number is kept. Raises DatabaseProblem."""
        if self._remembers_after is not None and self._remembers_after <= number <= self.newest:
            return True
        first, last = await self._events.kept()
        return first - 1 <= number <= last

    @staticmethod
    async def _wait(event: asyncio.Event, seconds: float) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):  # wait_for may swallow the cancellation that ends all this
                await event.wait()
