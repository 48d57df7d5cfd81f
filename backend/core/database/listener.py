"""Receives PostgreSQL's NOTIFY: one connection of its own per process, for any number of channels."""

import asyncio
from collections.abc import Callable

import asyncpg
import structlog

from core.background import failures_logged, wait_for_event
from core.database.engine import explained
from core.database.error_mapping import CONNECT_TIMEOUT_SECONDS
from core.errors import DatabaseProblem

log = structlog.get_logger(__name__)
CHECK_SECONDS = 30
ANSWER_SECONDS = 10
LONGEST_PAUSE_SECONDS = 10
Callback = Callable[[str | None], None]


class NotificationListener:
    """Listens on the database at `address`, which must not be a transaction pooler's.

    A callback gets the notification's payload, and None each time the connection is made: notifications may have been
    missed before.
    """

    def __init__(self, address: str) -> None:
        self._address = address
        self._callbacks: dict[str, Callback] = {}

    def add_listener(self, channel: str, callback: Callback) -> None:
        """To be called before `run`."""
        self._callbacks[channel] = callback

    async def run(self) -> None:
        """Listens until cancelled, and reconnects when the connection is lost or doesn't answer."""
        pause_seconds = 0.1
        while True:
            with (
                failures_logged(
                    log,
                    expected=(DatabaseProblem, asyncpg.PostgresError),
                    unavailable="not listening to the database",
                    failed="the listener stumbled",
                ),
                explained(self._address),
            ):
                connection = await asyncpg.connect(self._address, timeout=CONNECT_TIMEOUT_SECONDS)
                pause_seconds = 0.1
                try:
                    await self._listen(connection)
                finally:
                    connection.terminate()
            await asyncio.sleep(pause_seconds)
            pause_seconds = min(pause_seconds * 2, LONGEST_PAUSE_SECONDS)

    async def _listen(self, connection: "asyncpg.Connection[asyncpg.Record]") -> None:
        """Returns once the connection is lost."""
        lost = asyncio.Event()
        connection.add_termination_listener(lambda _: lost.set())
        for channel in self._callbacks:
            await connection.add_listener(channel, self._on_notification)
        for callback in self._callbacks.values():
            callback(None)
        while not await wait_for_event(lost, CHECK_SECONDS):
            await connection.execute("SELECT 1", timeout=ANSWER_SECONDS)

    def _on_notification(self, _connection: object, _pid: int, channel: str, payload: object) -> None:
        self._callbacks[channel](str(payload))
