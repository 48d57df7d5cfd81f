"""The HTTP/1.1 protocol below requests: input is limited in bytes and in time, and malformed input is refused.

uvicorn doesn't limit heads, trailer fields or pipelined requests. It loses the body of a request that offers an upgrade
(as `curl --http2` does), the responses due before malformed input, and those to a client that has closed its sending
side.
"""

import asyncio
import re
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import httptools
from uvicorn._types import ASGI3Application
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

from api.http1.connection_limits import OpenConnections, Release
from api.http1.head_limits import LONGEST_HEAD_BYTES, MOST_FIELDS, HeadLimits
from api.http1.interim_responses import EXTENSION, InterimResponses
from api.http1.refusals import (
    HeadTooLong,
    MethodUnknown,
    RequestMalformed,
    RequestRefusal,
    TooManyAhead,
    TooManyConnections,
    TransferCodingUnknown,
)

HEAD_SECONDS = 30
LAST_HEAD_SECONDS = 1  # for a first request when the server stops
_ABSOLUTE = re.compile(rb"[a-z][a-z0-9+.-]*://([^/?#]*)", re.IGNORECASE)
_REQUEST_LINE = re.compile(rb"^[!#$%&'*+.^_`|~0-9a-z-]+ [!-~]+ HTTP/1\.[01]\r\n", re.IGNORECASE)
LINGER_SECONDS = 5
MOST_AHEAD = 16


class HeadProtocol(HttpToolsProtocol):
    """uvicorn's HTTP/1.1, hardened for untrusted clients."""

    _timer: asyncio.TimerHandle | None = None
    _current: RequestResponseCycle | None = None  # the request being answered; `cycle` is the last one read
    _final_response: bytes | None = None  # sent after the last response; once set, nothing more is read
    _is_ending = False
    _is_last_request = False
    _eof = False
    _release: Release | None = None  # ends the counting of this connection

    def __init__(self, *arguments: Any, connections: OpenConnections, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._limits = HeadLimits()
        self._open_connections = connections

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Starts to wait for a head, or refuses the connection above a limit."""
        super().connection_made(transport)
        self._response_transport = _ResponseTransport(transport, self.loop, close=self.end)
        try:
            self._release = self._open_connections.acquire(self.client)
        except TooManyConnections as refusal:
            self._release = self._open_connections.acquire_refused()
            if self._release is None:
                transport.write(refusal.response())
                transport.close()
            else:
                self._refuse(refusal)
        else:
            self._start_head_timer()

    def connection_lost(self, exc: Exception | None) -> None:
        """Stops waiting, and disconnects the request being answered: uvicorn disconnects only the last one read."""
        self._cancel_timer()
        if self._release is not None:
            self._release()
        if self._current is not None and not self._current.response_complete:
            _disconnect(self._current)
        super().connection_lost(exc)
        self._response_transport.release()

    def eof_received(self) -> bool:  # type: ignore[override]  # uvicorn's always closes
        """Returns whether the connection stays open: a client that closes its sending side still waits for responses.

        It counts as disconnected in the middle of the request being answered, or during an endless stream.
        """
        self._eof = True
        current = self._current
        if current is None or not self._is_answering or current.chunked_encoding:
            return False
        if self.cycle.more_body and self.cycle is current:
            return False
        if self.cycle.more_body:
            self.pipeline.popleft()
        if self._final_response is None:
            self._last_pending(current).keep_alive = False
        return True

    def shutdown(self) -> None:
        """Closes the connection after its response. One without any request yet is given a moment to send its first.

        A proxy that has just connected may have sent it already, and could not send it again if this were closed.
        """
        self._is_last_request = True
        self.flush_response()
        if self._current is None:
            self.loop.call_later(LAST_HEAD_SECONDS, self._close_unused)
        else:
            super().shutdown()

    def data_received(self, data: bytes) -> None:
        """Handles bytes that the event loop has read."""
        self._unset_keepalive_if_required()
        if self._is_ending or self._final_response is not None:
            return
        if self._timer is None and not self._is_answering:
            self._start_head_timer()
        try:
            self._parse(data)
            self._limits.count_read(len(data))
        except RequestRefusal as refusal:
            self._refuse(refusal)

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._limits.begin()

    def on_header(self, name: bytes, value: bytes) -> None:
        """Adds a field of the head; trailer fields are counted and dropped."""
        if not self._limits.in_head:
            self._limits.count_trailer()
        elif len(self.headers) >= MOST_FIELDS:
            raise HeadTooLong
        else:
            super().on_header(name, value)

    def on_headers_complete(self) -> None:
        """Starts the request, unless it is parsed again without its upgrade."""
        if self.offers_upgrade:
            return
        self._check_head()
        self._check_target()
        super().on_headers_complete()
        if self.cycle.scope is self.scope:
            self.scope.setdefault("extensions", {})[EXTENSION] = {"responses": InterimResponses(self.cycle)}
        self.cycle.transport = self._response_transport  # type: ignore[assignment]  # the part of it that a response needs
        if self._is_last_request:
            self.cycle.keep_alive = False
        self._cancel_timer()
        self._limits.begin_body()

    def on_body(self, body: bytes) -> None:
        self._limits.body_bytes += len(body)
        super().on_body(body)

    def on_message_complete(self) -> None:
        """Ends the request, unless it is parsed again without its upgrade."""
        if not self.offers_upgrade:
            super().on_message_complete()
            self._limits.end()

    def on_response_complete(self) -> None:
        """Starts the next pipelined response; after the last, a connection with a final response ends."""
        self.flush_response()  # a head without a body: before the next turn the connection may be closed
        if self._is_ending:
            return
        super().on_response_complete()
        if self._final_response is not None and not self._is_answering:
            self.end()

    def end(self) -> None:
        """Sends the final response, and drops further input: closing with unread input would reset the connection."""
        if self._is_ending or self.transport.is_closing():
            return
        self._is_ending = True
        self._unset_keepalive_if_required()
        self.connections.discard(self)
        self.flush_response()
        self.transport.write(self._final_response or b"")
        if self._eof:
            self.transport.close()
            return
        with suppress(OSError):
            self.transport.write_eof()
        self.flow.resume_reading()
        self._timer = self.loop.call_later(LINGER_SECONDS, self.transport.close)

    def flush_response(self) -> None:
        """Passes all that was written of the response on to the transport."""
        self._response_transport.flush()

    @property
    def offers_upgrade(self) -> bool:
        """Whether the request offers an upgrade to another protocol; then it is parsed again without it."""
        return self.parser.should_upgrade() and self.parser.get_method() != b"CONNECT"

    def _check_target(self) -> None:
        """An absolute target (RFC 9112, 3.2.2) must have the host of the Host header. Raises Refusal."""
        absolute = _ABSOLUTE.match(self.url)
        if absolute and [value.lower() for name, value in self.headers if name == b"host"] != [absolute[1].lower()]:
            raise RequestMalformed

    @property
    def _is_answering(self) -> bool:
        current = self._current
        return current is not None and not (current.response_complete or current.disconnected)

    def _check_head(self) -> None:
        """Raises Refusal."""
        size_bytes, codings = len(self.url), list[bytes]()
        for name, value in self.headers:
            size_bytes += len(name) + len(value)
            if name == b"transfer-encoding":
                codings.append(value)
        if size_bytes > LONGEST_HEAD_BYTES:
            raise HeadTooLong
        if b"," in b",".join(codings):  # the parser refuses a single one that isn't chunked
            raise TransferCodingUnknown
        if len(self.pipeline) >= MOST_AHEAD:
            raise TooManyAhead

    def _last_pending(self, current: RequestResponseCycle) -> RequestResponseCycle:
        return self.pipeline[0][0] if self.pipeline else current

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: ASGI3Application) -> None:
        self._current = cycle
        self._response_transport.begin()
        super()._start_asgi_task(cycle, app)

    def _parse(self, data: bytes) -> None:
        """Raises Refusal."""
        while data:
            last_read = self.cycle
            try:
                self.parser.feed_data(data)
            except httptools.HttpParserUpgrade as offer:
                data = self._without_upgrade(data[offer.args[0] :])
            except httptools.HttpParserInvalidMethodError:
                is_first = self.cycle is last_read  # what stands before it in `data` isn't another request
                raise (MethodUnknown if is_first and _REQUEST_LINE.match(data) else RequestMalformed) from None
            except httptools.HttpParserError as error:
                raise (
                    error.__context__ if isinstance(error.__context__, RequestRefusal) else RequestMalformed()
                ) from None
            else:
                return

    def _without_upgrade(self, rest: bytes) -> bytes:
        """The request without its upgrade, which a server may ignore (RFC 9110, 7.8), followed by `rest`."""
        if not self.offers_upgrade:
            raise RequestMalformed
        version = self.parser.get_http_version().encode()
        lines = [b"%b %b HTTP/%b" % (self.parser.get_method(), self.url, version)]
        lines += [b"%b: %b" % header for header in self.headers if header[0] != b"upgrade"]
        self._new_parser()
        return b"\r\n".join([*lines, b"", rest])

    def _new_parser(self) -> None:
        self.parser = httptools.HttpRequestParser(self)
        self.parser.set_dangerous_leniencies(lenient_data_after_close=True)

    def _refuse(self, refusal: RequestRefusal) -> None:
        """Stops reading, and sends the refusal after the pending responses."""
        self._cancel_timer()
        self._final_response = refusal.response()
        if not self._limits.in_head:
            self._break_off(self.cycle)
        current = self._current
        if current is None or not self._is_answering:
            self.end()
            return
        self.flow.pause_reading()
        if not self._last_pending(current).keep_alive:  # input after it is ignored
            self._final_response = b""

    def _break_off(self, broken: RequestResponseCycle) -> None:
        """Ends a request whose body is malformed: without a response, unless that has started."""
        if broken is not self._current:
            self.pipeline.popleft()
        elif broken.response_started:
            self._final_response = b""
            broken.more_body = False
            broken.message_event.set()
        else:
            _disconnect(broken)

    def _start_head_timer(self) -> None:
        self._timer = self.loop.call_later(HEAD_SECONDS, self._on_head_timeout)

    def _cancel_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _on_head_timeout(self) -> None:
        """Closes a connection that sends no head, unless a response is still being sent."""
        self._timer = None
        if not self._is_answering:
            self.transport.close()

    def _close_unused(self) -> None:
        if self._current is None:
            self.transport.close()


class _ResponseTransport:
    """The transport for responses, whose `close` doesn't lose a response while the client still sends.

    The first bytes of a response, its head, wait until the event loop's next turn: where the body follows at once, both
    go in one system call and arrive together.
    """

    def __init__(
        self, transport: asyncio.Transport, loop: asyncio.AbstractEventLoop, *, close: Callable[[], None]
    ) -> None:
        self._transport = transport
        self._loop = loop
        self._close = close
        self._head: bytes | None = None
        self._is_first = True
        self.is_closing = transport.is_closing

    def begin(self) -> None:
        """The next bytes are the first of a response."""
        self.flush()
        self._is_first = True

    def write(self, data: bytes) -> None:
        """Sends bytes, or keeps them as a head."""
        if self._is_first:
            self._is_first, self._head = False, data
            self._loop.call_soon(self.flush)
        elif self._head is None:
            self._transport.write(data)
        else:
            head, self._head = self._head, None
            self._transport.writelines((head, data))

    def flush(self) -> None:
        """Sends a head that waits."""
        if self._head is not None:
            head, self._head = self._head, None
            self._transport.write(head)

    def close(self) -> None:
        """Closes the connection as its protocol does."""
        self.flush()
        self._close()

    def release(self) -> None:
        """Breaks the reference cycle with the protocol."""
        self._close = self._transport.close


def _disconnect(request: RequestResponseCycle) -> None:
    """Marks a request's client as disconnected."""
    request.disconnected = True
    request.message_event.set()
