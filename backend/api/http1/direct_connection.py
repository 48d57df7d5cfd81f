"""Direct transfers between a connection's socket and a file, past uvicorn's event loop.

uvicorn passes a body on in chunks, each of which is allocated, copied and sent through the event loop. Here a thread
reads a large body from the socket itself into reused buffers, and sends a file by sendfile(2). It needs a plain socket
and a body of known length; everything else (TLS, chunked bodies, other servers) goes through uvicorn, and so does a
client that pauses: the event loop waits for it, not a thread.

Only this module and http_protocol.py use uvicorn's internals; socket_transfer.py moves the bytes.
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
from api.http1.listener import SILENCE_SECONDS
from api.http1.socket_transfer import PAUSE_SECONDS, ConnectionGone, SocketReader, send_burst, writable
from core.observability.metrics import RESPONSE_BYTES
from storage.threads import in_thread

EXTENSION = "pegasus.connection"


class DirectProtocol(HeadProtocol):
    """uvicorn's HTTP/1.1, whose requests can use the connection's socket directly.

    Its parser doesn't see the bytes that are read directly. So from the first such byte on, the rest of the body is
    counted here, and a new parser starts after its end.
    """

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._unparsed_bytes = 0

    def shutdown(self) -> None:
        """Closes the connection after its response, and tells endless responses to end."""
        super().shutdown()
        services = self.app_state.get("services")
        if services is not None:
            services.stopping.set()

    def on_headers_complete(self) -> None:
        """Adds the connection to the request's scope."""
        if not self.offers_upgrade:
            self.scope["extensions"] = {EXTENSION: {}}
        super().on_headers_complete()
        if "extensions" in self.scope and self.cycle.scope is self.scope:
            self.scope["extensions"][EXTENSION]["connection"] = Connection(self, self.cycle)

    def data_received(self, data: bytes) -> None:
        """Handles bytes that the event loop has read."""
        if self._unparsed_bytes:
            body, data = data[: self._unparsed_bytes], data[self._unparsed_bytes :]
            if not self.cycle.response_complete:
                super().on_body(body)
            self.skip(len(body))
        if data:
            super().data_received(data)

    def unread_bytes(self, length: int) -> int:
        """How many bytes of a body of that length are still unread; 0 while uvicorn has some in its buffer."""
        if self.transport.is_closing() or self.cycle.body:
            return 0
        return self._unparsed_bytes or length - self._limits.body_bytes

    def begin_direct_read(self, length: int) -> None:
        """From now on so many bytes of the body are not for the parser."""
        self._unparsed_bytes = length
        self.flow.pause_reading()

    def skip(self, length: int) -> None:
        """Counts bytes of the body that were read directly; after the last, a new request may begin."""
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
        """Whether the transport is a socket without TLS."""
        transport = self._protocol.transport
        return transport.get_extra_info("socket") is not None and transport.get_extra_info("sslcontext") is None

    def unread_bytes(self, length: int) -> int:
        """How many bytes of this request's body, which has that length, can be read directly."""
        return self._protocol.unread_bytes(length) if self._protocol.cycle is self._request else 0

    @contextmanager
    def reading(self, length: int) -> Iterator[SocketReader]:
        """A reader for the `length` bytes of the body that are still unread."""
        with self.duplicate_socket() as sock:
            self._protocol.begin_direct_read(length)
            reader = SocketReader(sock, length)
            try:
                yield reader
            finally:
                reader.reset()
                self._protocol.skip(length - reader.unread_bytes)

    def duplicate_socket(self) -> socket.socket:
        """The socket under a descriptor of its own, which isn't reused when the connection is closed meanwhile.

        Raises ClientDisconnect, or OSError where no descriptor is left.
        """
        if self._protocol.transport.is_closing():
            raise ClientDisconnect
        original = self._protocol.transport.get_extra_info("socket")
        duplicate = socket.socket(original.family, original.type, original.proto, fileno=os.dup(original.fileno()))
        duplicate.setblocking(False)
        return duplicate

    async def send_file(self, sock: socket.socket, descriptor: int, *, start: int, count: int) -> bool:
        """Sends bytes of a file as the next part of the response's body, after its head with its length.

        False when the client has disconnected or stopped reading; then the connection is closed.
        """
        try:
            await self._flush()
            while count:
                size_bytes = await in_thread(partial(send_burst, sock, descriptor, start=start, count=count))
                start, count = start + size_bytes, count - size_bytes
                self._request.expected_content_length -= size_bytes
                RESPONSE_BYTES.inc(size_bytes)
                if not size_bytes:
                    await writable(sock)
        except ConnectionGone:
            self._protocol.transport.abort()
            return False
        return True

    async def _flush(self) -> None:
        """Waits until the transport's write buffer is empty. Raises ConnectionGone."""
        self._protocol.flush_response()
        transport = self._protocol.transport
        deadline, pause = asyncio.get_running_loop().time() + SILENCE_SECONDS, 0.0
        while transport.get_write_buffer_size():
            if transport.is_closing() or asyncio.get_running_loop().time() > deadline:
                raise ConnectionGone
            await asyncio.sleep(pause)
            pause = min(2 * pause + PAUSE_SECONDS, 20 * PAUSE_SECONDS)  # a client that doesn't read costs little

    def abort(self) -> None:
        """Closes the connection at once, without sending the rest."""
        self._protocol.transport.abort()


def direct_connection(scope: Scope) -> Connection | None:
    """The connection that a request may use directly, if there is one."""
    connection: Connection | None = scope.get("extensions", {}).get(EXTENSION, {}).get("connection")
    return connection if connection is not None and connection.is_plain else None
