"""A request's body on its way to blocking work: handed over in large pieces, in a thread, and never faster than wanted.

`Body` reads what the server has read, over any server and any transport. Where the server can hand over its
connection (api/http1/direct_connection.py), large bodies are read straight from there.
"""

import asyncio
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from typing import TypeVar

from starlette.datastructures import Headers
from starlette.requests import ClientDisconnect
from starlette.types import Receive, Scope

from api.http1.direct_connection import direct_connection
from api.http1.socket_transfer import Reader, lent_buffer
from core.errors import PegasusError
from core.observability.metrics import RECEIVING, UPLOAD_BYTES, UPLOADS_IN_PROGRESS
from core.observability.tracing import carried, span
from storage.contract import Piece
from storage.threads import in_thread

T = TypeVar("T")
Sink = Callable[[Piece], None]
GATHERED_BYTES = 128 * 1024
DIRECT_BYTES = 256 * 1024
PACE_SECONDS = 30
PACE_BYTES = PACE_SECONDS * 1024


class UploadTooSlow(PegasusError):
    """The client sends so slowly that it would hold its place for ever."""

    def __init__(self) -> None:
        super().__init__(f"Fewer than {PACE_BYTES} bytes came in {PACE_SECONDS} seconds.")


class Body:
    """The body of one request."""

    def __init__(self, scope: Scope, receive: Receive) -> None:
        self._receive = receive
        self._connection = direct_connection(scope)
        self.declared_bytes = declared_length(Headers(scope=scope))
        self._received = 0

    async def pump(self, sink: Sink, *, end: Callable[[], T], saving: bool = False) -> T:
        """Feeds `sink` with all bytes, then calls `end` and returns what it returns. Both may block.

        A piece stays as it is until `sink` returns. When the body breaks off and `saving`, what came of it reaches
        `sink` all the same, however it ended.
        Raises ClientDisconnect, UploadTooSlow, or what they raise.
        """
        waiting: list[bytes] = []
        began = time.perf_counter()

        def ended() -> T:
            RECEIVING.observe(time.perf_counter() - began)
            return end()

        with self._counted(), span("receive"):
            try:
                return await self._pass_on(sink, carried(ended), waiting)
            except BaseException:
                if saving and waiting:
                    await in_thread(partial(_save, sink, _taken(waiting)))
                raise

    @contextmanager
    def _counted(self) -> Iterator[None]:
        UPLOADS_IN_PROGRESS.inc()
        try:
            yield
        finally:
            UPLOADS_IN_PROGRESS.dec()
            UPLOAD_BYTES.inc(self._received)

    async def _pass_on(self, sink: Sink, end: Callable[[], T], waiting: list[bytes]) -> T:
        """Feeds `sink` until the body has ended. Each way to a thread takes as much along as it can."""
        pace, gathered, more = _Pace(), 0, True
        while more:
            chunk, more = await self._next(pace)
            waiting.append(chunk)
            gathered += len(chunk)
            if more and gathered >= GATHERED_BYTES:
                gathered = 0
                ended = await self._hand_over(sink, end, _taken(waiting))
                if ended:
                    with suppress(ClientDisconnect):  # all bytes are there, as when it goes away a moment later
                        await self._next(pace)  # so that whoever watches knows that the body has ended
                    return ended[0]
                pace = _Pace()
        return await in_thread(partial(_last, sink, _taken(waiting), end))

    async def _hand_over(self, sink: Sink, end: Callable[[], T], piece: bytes) -> tuple[T] | None:
        """Hands a piece over, and with it what comes right behind it, where the connection can be read directly.

        Returns what `end` has returned, if these were all bytes.
        """
        unread = 0
        if self._connection is not None and self.declared_bytes is not None:
            unread = self._connection.unread_bytes(self.declared_bytes)
        if self._connection is None or unread < DIRECT_BYTES:
            await in_thread(partial(sink, piece))
            return None
        with self._connection.reading(unread) as reader:
            try:
                return await in_thread(partial(_with_more, sink, piece, reader, end))
            finally:
                self._received += unread - reader.unread_bytes

    async def _next(self, pace: "_Pace") -> tuple[bytes, bool]:
        try:
            async with asyncio.timeout_at(pace.deadline):
                message = await self._receive()
        except TimeoutError as error:
            raise UploadTooSlow from error
        if message["type"] == "http.disconnect":
            raise ClientDisconnect
        chunk = message.get("body", b"")
        pace.note(len(chunk))
        self._received += len(chunk)
        return chunk, message.get("more_body", False)


def _with_more(sink: Sink, piece: bytes, reader: Reader, end: Callable[[], T]) -> tuple[T] | None:
    sink(piece)
    with lent_buffer() as buffer:
        reader.pass_on(sink, buffer)
    return (end(),) if reader.unread_bytes == 0 else None


def _last(sink: Sink, piece: bytes, end: Callable[[], T]) -> T:
    if piece:
        sink(piece)
    return end()


def _save(sink: Sink, piece: bytes) -> None:
    """What broke the body off is what is told, and not what else may go wrong."""
    with suppress(PegasusError):
        sink(piece)


def _taken(waiting: list[bytes]) -> bytes:
    taken = b"".join(waiting)
    waiting.clear()
    return taken


class _Pace:
    """By when the next PACE_BYTES have to be there, on the event loop's clock."""

    def __init__(self) -> None:
        self._received = 0
        self.deadline = self._later()

    def note(self, received: int) -> None:
        """So many bytes have come."""
        self._received += received
        if self._received >= PACE_BYTES:
            self._received = 0
            self.deadline = self._later()

    def _later(self) -> float:
        return asyncio.get_running_loop().time() + PACE_SECONDS


def declared_length(headers: Headers) -> int | None:
    """The length in bytes that a request says its body has, None when it doesn't."""
    text = headers.get("content-length", "")
    return int(text) if text.isdecimal() else None
