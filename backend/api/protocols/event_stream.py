"""Server-sent events (WHATWG HTML, 9.2) as a response without an end."""

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
from core.background import cancel
from core.errors import PegasusError
from core.observability.metrics import EVENT_STREAMS

log = structlog.get_logger(__name__)
HEARTBEAT_SECONDS = 15  # proxies close a silent connection after 30 to 60
REAUTHENTICATION_SECONDS = 1  # how long an authentication is valid
SEND_TIMEOUT_SECONDS = 10  # a client that doesn't read for so long has disconnected
RETRY_MS = 2000
STREAMS = 1000
STREAMS_PER_CALLER = 50
HEADERS = {
    "Content-Type": "text/event-stream; charset=utf-8",
    "Cache-Control": "no-store",
    "X-Accel-Buffering": "no",  # keeps nginx from buffering events
    "X-Content-Type-Options": "nosniff",
}


class TooManyStreams(PegasusError):
    def __init__(self, *, limit: int) -> None:
        super().__init__(f"At most {limit} streams of events may be open at once.")
        self.limit = limit


@dataclass(kw_only=True)
class Streams:
    """The open streams of this process, counted per caller."""

    _open: Counter[str] = field(default_factory=Counter)

    @contextlib.contextmanager
    def opened(self, key: str) -> Iterator[None]:
        """Counts a stream while it is open, under `Caller.rate_limit_key`. Raises TooManyStreams."""
        if self._open[key] >= STREAMS_PER_CALLER:
            raise TooManyStreams(limit=STREAMS_PER_CALLER)
        if self._open.total() >= STREAMS:
            raise TooManyStreams(limit=STREAMS)
        self._open[key] += 1
        EVENT_STREAMS.inc()
        try:
            yield
        finally:
            EVENT_STREAMS.dec()
            self._open[key] -= 1
            if not self._open[key]:
                del self._open[key]


class _ClientGone(PegasusError):
    """The client has disconnected, or stopped reading."""


class EventStream(Response):
    """The events of the owner's recordings after a number; it ends with the connection, the access, or the server.

    `authenticate` raises when the caller's token isn't valid any more; `lost`: the client has missed some events.
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
        self._authenticate = authenticate
        self._authenticated_at = time.monotonic()
        self._stopping = stopping
        self._counted = counted

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        with self._counted:
            ends = [asyncio.create_task(end) for end in (self._stopping.wait(), _wait_for_disconnect(receive))]
            sending = asyncio.create_task(self._send_all(scope, send))
            try:
                await asyncio.wait([*ends, sending], return_when=asyncio.FIRST_COMPLETED)
            finally:
                await cancel(*ends, sending)
            if sending.cancelled() or sending.exception() is None:
                with contextlib.suppress(_ClientGone):
                    await self._send(scope, send, b"", last=True)

    async def _send_all(self, scope: Scope, send: Send) -> None:
        """Returns when the caller loses access or the database is unavailable: the client then reconnects."""
        await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
        start = f"retry: {RETRY_MS}\nid: {self._number}\n"
        await self._send(scope, send, (start + ("event: reset\ndata: {}\n\n" if self._lost else "\n")).encode())
        try:
            while True:
                events, self._number = await self._feed.read(self._number, owner=self._owner)
                if events:
                    await self._check()
                    await self._send(scope, send, b"".join(map(_encode, events)))
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
        if now > self._authenticated_at + REAUTHENTICATION_SECONDS:
            await self._authenticate()
            self._authenticated_at = now

    async def _send(self, scope: Scope, send: Send, content: bytes, *, last: bool = False) -> None:
        """Raises _ClientGone when the client doesn't read."""
        try:
            async with asyncio.timeout(SEND_TIMEOUT_SECONDS):
                await send({"type": "http.response.body", "body": content, "more_body": not last})
        except TimeoutError:
            connection = direct_connection(scope)
            if connection is not None:
                connection.abort()
            raise _ClientGone from None


def _encode(event: Event) -> bytes:
    return f"id: {event.number}\nevent: {event.change}\ndata: {event.told}\n\n".encode()


async def _wait_for_disconnect(receive: Receive) -> None:
    """Also returns when the request's body breaks off."""
    with contextlib.suppress(HTTPException):
        while (await receive())["type"] != "http.disconnect":
            pass


async def resume_position(feed: Feed, last_event_id: str | None) -> tuple[int, bool]:
    """The number after which a client gets events, and whether it has missed some that are deleted by now.

    Raises DatabaseProblem.
    """
    if last_event_id is None:
        return feed.newest, False
    number = int(last_event_id) if _is_number(last_event_id) else -1
    return (number, False) if await feed.knows(number) else (feed.newest, True)


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdecimal() and len(text) <= len(str(2**62))
