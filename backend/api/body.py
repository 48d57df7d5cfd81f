"""A request's body on its way to blocking work: handed over in large pieces, in a thread, and never faster than wanted.

`Body` reads what the server has read, over any server and any transport. Where the server can hand over its
connection (api/direct.py), large bodies are read straight from there.
"""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from typing import TypeVar

from starlette.datastructures import Headers
from starlette.requests import ClientDisconnect
from starlette.types import Receive, Scope

from api.bursts import Buffers
from api.direct import direct_connection
from core.errors import PegasusError
from storage.blocking import in_thread
from storage.contract import Piece

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

    async def pump(self, sink: Sink, *, end: Callable[[], T], saving: bool = False) -> T:
        """Feeds `sink` with all bytes, then calls `end` and returns what it returns. Both may block.

        A piece stays as it is until `sink` is called again, which may be with no bytes, or `end` has returned. When
        the body breaks off and `saving`, what came of it reaches `sink` all the same, however it ended.
        Raises ClientDisconnect, UploadTooSlow, or what they raise.
        """
        waiting: list[bytes] = []
        with Buffers() as buffers:
            try:
                await self._pass_on(sink, waiting, buffers)
                return await in_thread(partial(_last, sink, _taken(waiting), end))
            except BaseException:
                if saving and waiting:
                    await in_thread(partial(_save, sink, _taken(waiting)))
                raise

    async def _pass_on(self, sink: Sink, waiting: list[bytes], buffers: Buffers) -> None:
        """Feeds `sink` until the body has ended; the last bytes are left `waiting`."""
        pace, gathered, more = _Pace(), 0, True
        while more:
            chunk, more = await self._next(pace)
            waiting.append(chunk)
            gathered += len(chunk)
            if more and gathered >= GATHERED_BYTES:
                gathered = 0
                await self._hand_over(sink, _taken(waiting), buffers)
                pace = _Pace()

    async def _hand_over(self, sink: Sink, piece: bytes, buffers: Buffers) -> None:
        """Hands a piece over, and with it what comes right behind it, where the connection can be read directly."""
        unread = 0
        if self._connection is not None and self.declared_bytes is not None:
            unread = self._connection.unread_bytes(self.declared_bytes)
        if self._connection is None or unread < DIRECT_BYTES:
            await in_thread(partial(sink, piece))
            return
        with self._connection.reading(unread) as reader:
            await in_thread(partial(_with_more, sink, piece, partial(reader.pass_on, sink, buffers)))

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
        return chunk, message.get("more_body", False)


def _with_more(sink: Sink, piece: bytes, pass_on: Callable[[], None]) -> None:
    sink(piece)
    pass_on()
    sink(b"")  # from here on the buffers may be read into again, by whoever comes next


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
