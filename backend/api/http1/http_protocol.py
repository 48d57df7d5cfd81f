"""The connection below requests: what comes in is bounded in bytes and in time, and what can't be read is refused.

uvicorn sets no limit to heads, trailer fields or requests sent ahead. It loses the body of a request that offers
another protocol (as `curl --http2` does), the answers owed before something unreadable, and those to a client that has
closed its sending side.
"""

import asyncio
import re
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import httptools
from uvicorn._types import ASGI3Application
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

from api.http1.connection_limits import Leave, OpenConnections
from api.http1.head_limits import LONGEST_HEAD_BYTES, MOST_FIELDS, HeadLimits
from api.http1.refusals import (
    HeadTooLong,
    Refusal,
    RequestMalformed,
    TooManyAhead,
    TooManyConnections,
    TransferCodingUnknown,
)

HEAD_SECONDS = 30
_ABSOLUTE = re.compile(rb"[a-z][a-z0-9+.-]*://([^/?#]*)", re.IGNORECASE)
LINGER_SECONDS = 5
MOST_AHEAD = 16


class HeadProtocol(HttpToolsProtocol):
    """uvicorn's HTTP/1.1 for clients that are not to be trusted."""

    _patience: asyncio.TimerHandle | None = None
    _running: RequestResponseCycle | None = None  # the request that is being answered; `cycle` is the last one read
    _last_words: bytes | None = None  # what is sent behind the last answer; from then on nothing more is read
    _is_ending = False
    _eof = False
    _leave: Leave | None = None  # what counts this connection no more

    def __init__(self, *arguments: Any, connections: OpenConnections, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._limits = HeadLimits()
        self._open_connections = connections

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begins to wait for a head, or refuses a connection that is one too many."""
        super().connection_made(transport)
        self._answers_transport = _AnswersTransport(transport, close=self.end)
        try:
            self._leave = self._open_connections.enter(self.client)
        except TooManyConnections as refusal:
            self._leave = self._open_connections.enter_refused()
            if self._leave is None:
                transport.write(refusal.answer())
                transport.close()
            else:
                self._refuse(refusal)
        else:
            self._wait()

    def connection_lost(self, exc: Exception | None) -> None:
        """Waits no more, and lets the request that is being answered know: uvicorn tells the last one read alone."""
        self._wait_no_more()
        if self._leave is not None:
            self._leave()
        if self._running is not None and not self._running.response_complete:
            _disconnect(self._running)
        super().connection_lost(exc)
        self._answers_transport.close = self.transport.close  # lest it and we keep each other in memory

    def eof_received(self) -> bool:  # type: ignore[override]  # uvicorn's always closes
        """Says whether the connection stays: a client that closes its sending side waits for what it asked for.

        It has gone when it breaks off in the request that is being answered, or when that is a stream without an end.
        """
        self._eof = True
        running = self._running
        if running is None or not self._is_answering or running.chunked_encoding:
            return False
        if self.cycle.more_body and self.cycle is running:
            return False
        if self.cycle.more_body:
            self.pipeline.popleft()
        if self._last_words is None:
            self._last_owed(running).keep_alive = False
        return True

    def data_received(self, data: bytes) -> None:
        """Takes in what the event loop has read."""
        self._unset_keepalive_if_required()
        if self._is_ending or self._last_words is not None:
            return
        if self._patience is None and not self._is_answering:
            self._wait()
        try:
            self._parse(data)
            self._limits.count_read(len(data))
        except Refusal as refusal:
            self._refuse(refusal)

    def on_message_begin(self) -> None:
        """Begins a head."""
        super().on_message_begin()
        self._limits.begin()

    def on_header(self, name: bytes, value: bytes) -> None:
        """Takes in a field of the head. One behind the body is thrown away."""
        if not self._limits.in_head:
            self._limits.count_trailer()
        elif len(self.headers) >= MOST_FIELDS:
            raise HeadTooLong
        else:
            super().on_header(name, value)

    def on_headers_complete(self) -> None:
        """Ends the head; the request begins unless it is to be read again."""
        if self.offers_upgrade:
            return
        self._check_head()
        self._check_target()
        super().on_headers_complete()
        self.cycle.transport = self._answers_transport  # type: ignore[assignment]  # all of it that an answer needs
        self._wait_no_more()
        self._limits.begin_body()

    def on_body(self, body: bytes) -> None:
        """Takes in what has been read of a body."""
        self._limits.body_bytes += len(body)
        super().on_body(body)

    def on_message_complete(self) -> None:
        """Ends the request, unless it is to be read again."""
        if not self.offers_upgrade:
            super().on_message_complete()
            self._limits.end()

    def on_response_complete(self) -> None:
        """Begins the next answer that is owed. Behind the last, a connection that reads nothing more ends."""
        if self._is_ending:
            return
        super().on_response_complete()
        if self._last_words is not None and not self._is_answering:
            self.end()

    def end(self) -> None:
        """Sends the last words, and throws away what still comes: closed on it, a connection takes them with it."""
        if self._is_ending or self.transport.is_closing():
            return
        self._is_ending = True
        self._unset_keepalive_if_required()
        self.connections.discard(self)
        self.transport.write(self._last_words or b"")
        if self._eof:
            self.transport.close()
            return
        with suppress(OSError):
            self.transport.write_eof()
        self.flow.resume_reading()
        self._patience = self.loop.call_later(LINGER_SECONDS, self.transport.close)

    @property
    def offers_upgrade(self) -> bool:
        """Whether the request would rather go on in another protocol; then it is read again, as if it wouldn't."""
        return self.parser.should_upgrade() and self.parser.get_method() != b"CONNECT"

    def _check_target(self) -> None:
        """A target that names a host (RFC 9112, 3.2.2) names that of Host: else the request is for two.

        Raises Refusal.
        """
        absolute = _ABSOLUTE.match(self.url)
        if absolute and [value.lower() for name, value in self.headers if name == b"host"] != [absolute[1].lower()]:
            raise RequestMalformed

    @property
    def _is_answering(self) -> bool:
        running = self._running
        return running is not None and not (running.response_complete or running.disconnected)

    def _check_head(self) -> None:
        """Raises Refusal."""
        size_bytes, codings = len(self.url), list[bytes]()
        for name, value in self.headers:
            size_bytes += len(name) + len(value)
            if name == b"transfer-encoding":
                codings.append(value)
        if size_bytes > LONGEST_HEAD_BYTES:
            raise HeadTooLong
        if b"," in b",".join(codings):  # one alone that isn't chunked is refused by the parser
            raise TransferCodingUnknown
        if len(self.pipeline) >= MOST_AHEAD:
            raise TooManyAhead

    def _last_owed(self, running: RequestResponseCycle) -> RequestResponseCycle:
        return self.pipeline[0][0] if self.pipeline else running

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: ASGI3Application) -> None:
        self._running = cycle
        super()._start_asgi_task(cycle, app)

    def _parse(self, data: bytes) -> None:
        """Raises Refusal."""
        while data:
            try:
                self.parser.feed_data(data)
            except httptools.HttpParserUpgrade as offer:
                data = self._without_upgrade(data[offer.args[0] :])
            except httptools.HttpParserError as error:
                raise error.__context__ if isinstance(error.__context__, Refusal) else RequestMalformed() from None
            else:
                return

    def _without_upgrade(self, rest: bytes) -> bytes:
        """A request as if it offered no other protocol, which a server may ignore (RFC 9110, 7.8), and what follows."""
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

    def _refuse(self, refusal: Refusal) -> None:
        """Reads nothing more, and says why: behind the answers to what came before it."""
        self._wait_no_more()
        self._last_words = refusal.answer()
        if not self._limits.in_head:
            self._break_off(self.cycle)
        running = self._running
        if running is None or not self._is_answering:
            self.end()
            return
        self.flow.pause_reading()
        if not self._last_owed(running).keep_alive:  # what comes behind it is none of our business
            self._last_words = b""

    def _break_off(self, broken: RequestResponseCycle) -> None:
        """Ends a request whose body can't be read: unanswered, unless its answer has begun."""
        if broken is not self._running:
            self.pipeline.popleft()
        elif broken.response_started:
            self._last_words = b""
            broken.more_body = False
            broken.message_event.set()
        else:
            _disconnect(broken)

    def _wait(self) -> None:
        self._patience = self.loop.call_later(HEAD_SECONDS, self._end_waiting)

    def _wait_no_more(self) -> None:
        if self._patience is not None:
            self._patience.cancel()
            self._patience = None

    def _end_waiting(self) -> None:
        """A head that doesn't come holds no connection; one that is being answered meanwhile is left in peace."""
        self._patience = None
        if not self._is_answering:
            self.transport.close()


class _AnswersTransport:
    """A connection as answers have it: closed behind one, what its client still sends doesn't take the answer away."""

    def __init__(self, transport: asyncio.Transport, *, close: Callable[[], None]) -> None:
        self.write = transport.write
        self.is_closing = transport.is_closing
        self.close = close


def _disconnect(request: RequestResponseCycle) -> None:
    """Lets a request know that nobody waits for its answer."""
    request.disconnected = True
    request.message_event.set()
