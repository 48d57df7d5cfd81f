"""Server-sent events, as the WHATWG's HTML standard has them (9.2): an answer that goes on until somebody ends it."""

import asyncio
import contextlib
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass, field

import structlog
from starlette.exceptions import HTTPException
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from api.http1.direct_connection import direct_connection
from audio.events.event_log import Event
from audio.events.feed import Feed
from core.errors import PegasusError
from core.observability.metrics import EVENT_STREAMS

log = structlog.get_logger(__name__)
HEARTBEAT_SECONDS = 15  # proxies give up a silent connection after 30 to 60
LETTING_IN_SECONDS = 1  # for so long a caller is believed
SENDING_SECONDS = 10  # a client that takes nothing for so long has gone
RETRY_MS = 2000
STREAMS = 1000
STREAMS_OF_ONE = 50
HEADERS = {
    "Content-Type": "text/event-stream; charset=utf-8",
    "Cache-Control": "no-store",
    "X-Accel-Buffering": "no",  # nginx would keep events back until it has enough of them
    "X-Content-Type-Options": "nosniff",
}


class TooManyStreams(PegasusError):
    """More streams of events are open than are served; `limit` says how many are."""

    def __init__(self, *, limit: int) -> None:
        super().__init__(f"At most {limit} streams of events may be open at once.")
        self.limit = limit


@dataclass(kw_only=True)
class Streams:
    """The open streams of this process, counted by whose they are."""

    _open: Counter[str] = field(default_factory=Counter)

    @contextlib.contextmanager
    def opened(self, who: str) -> Iterator[None]:
        """Counts a stream while it is open. Raises TooManyStreams when it is one too many."""
        if self._open[who] >= STREAMS_OF_ONE:
            raise TooManyStreams(limit=STREAMS_OF_ONE)
        if self._open.total() >= STREAMS:
            raise TooManyStreams(limit=STREAMS)
        self._open[who] += 1
        EVENT_STREAMS.inc()
        try:
            yield
        finally:
            EVENT_STREAMS.dec()
            self._open[who] -= 1
            if not self._open[who]:
                del self._open[who]


class _ClientGone(PegasusError):
    """The client has gone, or takes nothing any more."""


class EventStream(Response):
    """The events of the owner's recordings after a number, until the client goes, mayn't any more, or the server stops.

    `authenticate` raises when the caller isn't let in any more; `lost` says that the client has missed some.
    """

    def __init__(
        self,
        feed: Feed,
        *,
        number: int,
        lost: bool,
        owner: str | None,
        authenticate: Callable[[], Awaitable[None]],
        stopping: asyncio.Event,
        counted: contextlib.AbstractContextManager[None],
    ) -> None:
        super().__init__(headers=HEADERS)
        del self.headers["content-length"]
        self._feed = feed
        self._number = number
        self._lost = lost
        self._owner = owner
        self._let_in = authenticate
        self._let_in_at = time.monotonic()
        self._stopping = stopping
        self._counted = counted

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Sends events until one of the ends."""
        with self._counted:
            ends = [asyncio.create_task(end) for end in (self._stopping.wait(), _gone(receive))]
            going_on = asyncio.create_task(self._send_all(scope, send))
            try:
                await asyncio.wait([*ends, going_on], return_when=asyncio.FIRST_COMPLETED)
            finally:
                for task in (*ends, going_on):
                    task.cancel()
                await asyncio.wait([*ends, going_on])
            if going_on.cancelled() or going_on.exception() is None:
                with contextlib.suppress(_ClientGone):
                    await self._send(scope, send, b"", last=True)

    async def _send_all(self, scope: Scope, send: Send) -> None:
        """Returns when the caller isn't let in any more, or the database has gone: the client will ask again."""
        await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
        start = f"retry: {RETRY_MS}\nid: {self._number}\n"
        await self._send(scope, send, (start + ("event: reset\ndata: {}\n\n" if self._lost else "\n")).encode())
        try:
            while True:
                found, self._number = await self._feed.read(self._number, owner=self._owner)
                if found:
                    await self._check()
                    await self._send(scope, send, b"".join(map(_written, found)))
                else:
                    await self._wait(scope, send)
        except PegasusError as error:
            log.info("a stream of events ends", reason=type(error).__name__)

    async def _wait(self, scope: Scope, send: Send) -> None:
        await self._feed.wait(self._number, HEARTBEAT_SECONDS)
        if self._feed.newest <= self._number:
            await self._check()
            await self._send(scope, send, f": still here\nid: {self._number}\n\n".encode())

    async def _check(self) -> None:
        """Raises TokenMissing, TokenInvalid or DatabaseProblem."""
        now = time.monotonic()
        if now > self._let_in_at + LETTING_IN_SECONDS:
            await self._let_in()
            self._let_in_at = now

    async def _send(self, scope: Scope, send: Send, content: bytes, *, last: bool = False) -> None:
        """Raises _ClientGone when the client takes nothing."""
        try:
            async with asyncio.timeout(SENDING_SECONDS):
                await send({"type": "http.response.body", "body": content, "more_body": not last})
        except TimeoutError:
            connection = direct_connection(scope)
            if connection is not None:
                connection.abort()
            raise _ClientGone from None


def _written(event: Event) -> bytes:
    return f"id: {event.number}\nevent: {event.change}\ndata: {event.told}\n\n".encode()


async def _gone(receive: Receive) -> None:
    """Returns when the client has gone, or sends a body and doesn't come to its end."""
    with contextlib.suppress(HTTPException):
        while (await receive())["type"] != "http.disconnect":
            pass


async def place(feed: Feed, last_event_id: str | None) -> tuple[int, bool]:
    """After which number a client is told, by the last that it has seen, and whether it has missed some that are gone.

    Raises DatabaseProblem.
    """
    if last_event_id is None:
        return feed.newest, False
    number = int(last_event_id) if _is_number(last_event_id) else -1
    known = await feed.knows(number)
    return (number, False) if known else (feed.newest, True)


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdecimal() and len(text) <= len(str(2**62))
