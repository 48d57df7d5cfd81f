"""The fast way between a socket and a file: the server lends out its connection for as long as bytes flow.

uvicorn hands a body on in chunks, each of which is allocated, copied and passed through the event loop. Here a thread
reads a large body from the socket itself, into buffers that are used again, and sends a file by sendfile(2). It needs
a plain socket and a body of known length; everything else (TLS, chunked bodies, other servers) goes the ordinary way,
and so does a client that pauses: the event loop waits for it, not a thread.

This and http_protocol.py are the places that know uvicorn's inside; socket_transfer.py moves the bytes.
"""

import asyncio
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

from starlette.requests import ClientDisconnect
from starlette.types import Scope
from uvicorn.protocols.http.httptools_impl import RequestResponseCycle

from api.http1.http_protocol import HeadProtocol
from api.http1.socket_transfer import PAUSE_SECONDS, SILENCE_SECONDS, ConnectionGone, Reader, send_burst, writable
from core.observability.metrics import RESPONSE_BYTES
from storage.threads import in_thread

EXTENSION = "pegasus.connection"


class DirectProtocol(HeadProtocol):
    """uvicorn's HTTP/1.1, which lends out its connection.

    Bytes of a body that were read outside of it are unknown to its parser. So from the first such byte on, this body's
    length is counted here, and a new parser begins behind its end.
    """

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._unparsed_bytes = 0

    def shutdown(self) -> None:
        """Lets the connection end after its answer, and answers that would never end know that they have to."""
        super().shutdown()
        stopping: asyncio.Event | None = self.app_state.get("stopping")
        if stopping is not None:
            stopping.set()

    def on_headers_complete(self) -> None:
        """Lets the request know its connection."""
        if not self.offers_upgrade:
            self.scope["extensions"] = {EXTENSION: {}}
        super().on_headers_complete()
        if "extensions" in self.scope and self.cycle.scope is self.scope:
            self.scope["extensions"][EXTENSION]["connection"] = Connection(self, self.cycle)

    def data_received(self, data: bytes) -> None:
        """Takes in what the event loop has read."""
        if self._unparsed_bytes:
            body, data = data[: self._unparsed_bytes], data[self._unparsed_bytes :]
            if not self.cycle.response_complete:
                super().on_body(body)
            self.skip(len(body))
        if data:
            super().data_received(data)

    def unread_bytes(self, length: int) -> int:
        """How much of a body of that length is still to come; 0 while something waits to be received."""
        if self.transport.is_closing() or self.cycle.body:
            return 0
        return self._unparsed_bytes or length - self._limits.body_bytes

    def take(self, length: int) -> None:
        """From now on this many bytes of the body are not for the parser."""
        self._unparsed_bytes = length
        self.flow.pause_reading()

    def skip(self, length: int) -> None:
        """So many bytes of the body have been read; behind the last a new request may begin."""
        self._unparsed_bytes -= length
        if self._unparsed_bytes == 0 and not self.transport.is_closing():
            self._new_parser()
            self._limits.begin()
            self.cycle.more_body = False
            self.cycle.message_event.set()


class Connection:
    """The plain socket under one request."""

    def __init__(self, protocol: DirectProtocol, request: RequestResponseCycle) -> None:
        self._protocol = protocol
        self._request = request

    @property
    def is_plain(self) -> bool:
        """Whether there is a socket, and nothing between it and us."""
        transport = self._protocol.transport
        return transport.get_extra_info("socket") is not None and transport.get_extra_info("sslcontext") is None

    def unread_bytes(self, length: int) -> int:
        """How much of this request's body, which has that length, can be read here."""
        return self._protocol.unread_bytes(length) if self._protocol.cycle is self._request else 0

    @contextmanager
    def reading(self, length: int) -> Iterator[Reader]:
        """Lends the connection out to read at most `length` bytes of the body, all that is still unread."""
        with self.lend() as lent:
            self._protocol.take(length)
            reader = Reader(lent, length)
            try:
                yield reader
            finally:
                reader.give_back()
                self._protocol.skip(length - reader.unread_bytes)

    def lend(self) -> socket.socket:
        """The same socket under a number of its own, which nobody else gets should the connection be closed.

        Raises ClientDisconnect, or OSError where no descriptor is left.
        """
        if self._protocol.transport.is_closing():
            raise ClientDisconnect
        theirs = self._protocol.transport.get_extra_info("socket")
        own = socket.socket(theirs.family, theirs.type, theirs.proto, fileno=os.dup(theirs.fileno()))
        own.setblocking(False)
        return own

    async def send_file(self, lent: socket.socket, descriptor: int, *, start: int, count: int) -> bool:
        """Sends bytes of a file as the next of the answer's body; its head has to be sent, its length declared.

        False when the client has gone, or takes nothing any more; then the connection is closed.
        """
        try:
            await self._written()
            while count:
                sent = await in_thread(partial(send_burst, lent, descriptor, start=start, count=count))
                start, count = start + sent, count - sent
                self._request.expected_content_length -= sent
                RESPONSE_BYTES.inc(sent)
                if not sent:
                    await writable(lent)
        except ConnectionGone:
            self._protocol.transport.abort()
            return False
        return True

    async def _written(self) -> None:
        """Waits until the server has sent what it holds back. Raises ConnectionGone."""
        transport = self._protocol.transport
        late, pause = asyncio.get_running_loop().time() + SILENCE_SECONDS, 0.0
        while transport.get_write_buffer_size():
            if transport.is_closing() or asyncio.get_running_loop().time() > late:
                raise ConnectionGone
            await asyncio.sleep(pause)
            pause = min(2 * pause + PAUSE_SECONDS, 20 * PAUSE_SECONDS)  # a client that takes nothing costs nothing

    def abort(self) -> None:
        """Ends the connection at once, whatever was yet to be sent."""
        self._protocol.transport.abort()


def direct_connection(scope: Scope) -> Connection | None:
    """The connection that a request may use directly, where the server has one to lend."""
    connection: Connection | None = scope.get("extensions", {}).get(EXTENSION, {}).get("connection")
    return connection if connection is not None and connection.is_plain else None
