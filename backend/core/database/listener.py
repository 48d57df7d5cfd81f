"""Hears what PostgreSQL's NOTIFY says: one connection of its own a process, for as many channels as are wanted."""

import asyncio
from collections.abc import Callable
from contextlib import suppress

import asyncpg
import structlog

from core.database.engine import explained
from core.database.error_mapping import CONNECT_TIMEOUT_SECONDS
from core.errors import DatabaseProblem
from core.observability.logging import log_failure

log = structlog.get_logger(__name__)
CHECK_SECONDS = 30
ANSWER_SECONDS = 10
LONGEST_PAUSE_SECONDS = 10
Heard = Callable[[str | None], None]


class NotificationListener:
    """Listens on the database at `address`, which must not be a transaction pooler's.

    Whoever hears is called with what was said; with None after each time that nobody listened, at the start too:
    anything may have been said meanwhile.
    """

    def __init__(self, address: str) -> None:
        self._address = address
        self._channels: dict[str, Heard] = {}

    def on(self, channel: str, heard: Heard) -> None:
        """Lets `heard` know what is said on a channel; to be called before `run`."""
        self._channels[channel] = heard

    async def run(self) -> None:
        """Listens until cancelled. A connection that is lost, or silently dead, is made anew."""
        pause_seconds = 0.1
        while True:
            try:
                with explained(self._address):
                    connection = await asyncpg.connect(self._address, timeout=CONNECT_TIMEOUT_SECONDS)
                    pause_seconds = 0.1
                    try:
                        await self._listen(connection)
                    finally:
                        connection.terminate()
            except (DatabaseProblem, asyncpg.PostgresError) as problem:
                log_failure(log.warning, "not listening to the database", problem)
            await asyncio.sleep(pause_seconds)
            pause_seconds = min(pause_seconds * 2, LONGEST_PAUSE_SECONDS)

    async def _listen(self, connection: "asyncpg.Connection[asyncpg.Record]") -> None:
        """Returns once the connection is lost."""
        lost = asyncio.Event()
        connection.add_termination_listener(lambda _: lost.set())
        for channel in self._channels:
            await connection.add_listener(channel, self._hear)
        for heard in self._channels.values():
            heard(None)
        while not lost.is_set():
            with suppress(TimeoutError):
                async with asyncio.timeout(CHECK_SECONDS):  # wait_for may swallow a cancellation
                    await lost.wait()
                return
            await connection.execute("SELECT 1", timeout=ANSWER_SECONDS)

    def _hear(self, _connection: object, _pid: int, channel: str, said: object) -> None:
        self._channels[channel](str(said))
