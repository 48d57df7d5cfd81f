"""Feeds a request's body to blocking work: in large pieces, in a thread, with back-pressure.

`Body` reads from ASGI's `receive`, on any server. Where the server offers its connection
(api/http1/direct_connection.py), large bodies are read from the socket itself.
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
from api.http1.request_headers import headers_of
from api.http1.socket_transfer import SocketReader, borrowed_buffer
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
    def __init__(self) -> None:
        super().__init__(f"Fewer than {PACE_BYTES} bytes came in {PACE_SECONDS} seconds.")


class Body:
    """The body of one request."""

    def __init__(self, scope: Scope, receive: Receive) -> None:
        self._receive = receive
        self._connection = direct_connection(scope)
        self.declared_bytes = declared_length(headers_of(scope))
        self._received = 0

    async def pump(self, sink: Sink, *, end: Callable[[], T], saving: bool = False) -> T:
        """Feeds `sink` with all bytes, then calls `end` and returns its result. Both may block.

        A piece doesn't change until `sink` returns. With `saving`, all bytes received reach `sink` even when the body
        breaks off. Raises ClientDisconnect, UploadTooSlow, or what `sink` and `end` raise.
        """
        chunks: list[bytes] = []
        began = time.perf_counter()

        def ended() -> T:
            RECEIVING.observe(time.perf_counter() - began)
            return end()

        with self._counted(), span("receive"):
            try:
                return await self._pass_on(sink, carried(ended), chunks)
            except BaseException:
                if saving and chunks:
                    await in_thread(partial(_save, sink, _join(chunks)))
                raise

    @contextmanager
    def _counted(self) -> Iterator[None]:
        UPLOADS_IN_PROGRESS.inc()
        try:
            yield
        finally:
            UPLOADS_IN_PROGRESS.dec()
            UPLOAD_BYTES.inc(self._received)

    async def _pass_on(self, sink: Sink, end: Callable[[], T], chunks: list[bytes]) -> T:
        """Feeds `sink` until the body ends, with as many bytes per call of a thread as possible."""
        pace, gathered, more = _Pace(), 0, True
        while more:
            chunk, more = await self._next(pace)
            chunks.append(chunk)
            gathered += len(chunk)
            if more and gathered >= GATHERED_BYTES:
                gathered = 0
                ended = await self._hand_over(sink, end, _join(chunks))
                if ended:
                    with suppress(ClientDisconnect):  # all bytes have arrived, as when it disconnects a moment later
                        await self._next(pace)  # so that wrapped `receive`s see the body's end
                    return ended[0]
                pace = _Pace()
        return await in_thread(partial(_last, sink, _join(chunks), end))

    async def _hand_over(self, sink: Sink, end: Callable[[], T], piece: bytes) -> tuple[T] | None:
        """Feeds a piece to `sink`, and where the connection can be read directly, the bytes after it.

        Returns the result of `end`, if these were all bytes.
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
        pace.count(len(chunk))
        self._received += len(chunk)
        return chunk, message.get("more_body", False)


def _with_more(sink: Sink, piece: bytes, reader: SocketReader, end: Callable[[], T]) -> tuple[T] | None:
    sink(piece)
    with borrowed_buffer() as buffer:
        reader.pass_on(sink, buffer)
    return (end(),) if reader.unread_bytes == 0 else None


def _last(sink: Sink, piece: bytes, end: Callable[[], T]) -> T:
    if piece:
        sink(piece)
    return end()


def _save(sink: Sink, piece: bytes) -> None:
    """Errors are suppressed: the one that broke the body off is raised."""
    with suppress(PegasusError):
        sink(piece)


def _join(chunks: list[bytes]) -> bytes:
    """Also empties `chunks`."""
    piece = b"".join(chunks)
    chunks.clear()
    return piece


class _Pace:
    """The deadline for the next PACE_BYTES, on the event loop's clock."""

    def __init__(self) -> None:
        self._received = 0
        self.deadline = self._later()

    def count(self, size_bytes: int) -> None:
        """Counts bytes received; every PACE_BYTES move the deadline."""
        self._received += size_bytes
        if self._received >= PACE_BYTES:
            self._received = 0
            self.deadline = self._later()

    def _later(self) -> float:
        return asyncio.get_running_loop().time() + PACE_SECONDS


def declared_length(headers: Headers) -> int | None:
    """The Content-Length in bytes; None without one."""
    text = headers.get("content-length", "")
    return int(text) if text.isdecimal() else None
