"""The feed of new events for the clients of this process, from memory where possible, else from the table.

A client has no queue that could overflow: it has the number of its last event, and reads what came after.
"""

import asyncio
from collections import deque
from collections.abc import Sequence

import structlog

from audio.events.event_log import BATCH_ROWS, Event, EventLog
from core.background import failures_logged, wait_for_event

log = structlog.get_logger(__name__)
RECENT_EVENTS = 1000
BATCHING_SECONDS = 0.2  # announcements of this time are numbered together, which is much cheaper than one by one
POLL_SECONDS = 0.5  # announcements don't notify; the first process that polls does
RETRY_SECONDS = 0.7
PRUNE_SECONDS = 600


class Feed:
    """The recent events, and the clients that wait for new ones."""

    def __init__(self, events: EventLog) -> None:
        self._events = events
        self._recent: deque[Event] = deque(maxlen=RECENT_EVENTS)
        self._recent_after: int | None = None
        self._new_event = asyncio.Event()
        self._woken = asyncio.Event()
        self.newest = 0

    def wake(self, _payload: str | None = None) -> None:
        """Polls at once; called on a notification."""
        self._woken.set()

    async def start(self) -> None:
        """Reads the position of the log, after which clients may read. Raises DatabaseProblem."""
        await self._events.catch_up()
        _, self.newest = await self._events.bounds()
        self._recent_after = self.newest

    async def run(self) -> None:
        """Reads new events until cancelled; retries when the database is lost."""
        pruned = 0.0
        loop = asyncio.get_running_loop()
        while True:
            self._woken.clear()
            pause_seconds = RETRY_SECONDS
            with failures_logged(log, unavailable="no news for now", failed="the feed stumbled"):
                await self._read_new()
                if loop.time() > pruned + PRUNE_SECONDS:
                    await self._events.prune()
                    pruned = loop.time()
                pause_seconds = BATCHING_SECONDS
            await asyncio.sleep(pause_seconds)
            await wait_for_event(self._woken, POLL_SECONDS)

    async def _read_new(self) -> None:
        await self._events.catch_up()
        while batch := await self._events.after(self.newest, owner=None, limit=BATCH_ROWS):
            self._recent.extend(batch)
            if len(self._recent) == RECENT_EVENTS:
                self._recent_after = self._recent[0].number - 1
            self.newest = batch[-1].number
            self._new_event.set()
            self._new_event = asyncio.Event()

    async def read(self, number: int, *, owner: str | None) -> tuple[Sequence[Event], int]:
        """Events of the recordings of user `owner` after a number, and the number to read from next.

        Raises DatabaseProblem.
        """
        newest = self.newest
        if self._recent_after is not None and number >= self._recent_after:
            recent = [event for event in self._recent if event.number > number]
            return [event for event in recent if owner is None or event.user_id == owner], max(number, newest)
        batch = await self._events.after(number, owner=owner, limit=BATCH_ROWS)
        batch = [event for event in batch if event.number <= newest]
        return batch, batch[-1].number if len(batch) == BATCH_ROWS else max(number, newest)

    async def wait(self, number: int, seconds: float) -> None:
        """Returns once there is an event after a number, or after `seconds`."""
        new_event = self._new_event
        if self.newest <= number:
            await wait_for_event(new_event, seconds)

    async def knows(self, number: int) -> bool:
        """Whether all events after a number are retained. Raises DatabaseProblem."""
        if self._recent_after is not None and self._recent_after <= number <= self.newest:
            return True
        first, last = await self._events.bounds()
        return first - 1 <= number <= last
