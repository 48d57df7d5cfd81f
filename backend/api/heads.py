"""The head of a request, before anybody answers it: what can't be read is refused, what never ends is ended.

uvicorn sets no limit to either, and loses the body of a request that offers another protocol (as `curl --http2` does).
"""

import asyncio
import json
import re
from http import HTTPStatus

import httptools
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol, RequestResponseCycle

LONGEST_HEAD_BYTES = 64 * 1024
HEAD_SECONDS = 30
UNREADABLE = ("request-malformed", "The request can't be read")
_ABSOLUTE = re.compile(rb"[a-z][a-z0-9+.-]*://([^/?#]*)", re.IGNORECASE)
HEAD_TOO_LONG = ("head-too-long", "The head is too long")


class HeadProtocol(HttpToolsProtocol):
    """uvicorn's HTTP/1.1 for clients that are not to be trusted."""

    _head_bytes: int | None = 0  # None while no head is being read
    _patience: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begins to wait for a head."""
        super().connection_made(transport)
        self._wait()

    def connection_lost(self, exc: Exception | None) -> None:
        """Waits no more."""
        self._wait_no_more()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Takes in what the event loop has read."""
        self._unset_keepalive_if_required()
        if self._patience is None and not self._is_answering:
            self._wait()
        try:
            self.parser.feed_data(data)
        except httptools.HttpParserUpgrade as offer:
            self._decline(data[offer.args[0] :])
        except httptools.HttpParserError:
            self._refuse(HTTPStatus.BAD_REQUEST, *UNREADABLE)
        else:
            self._measure(len(data))

    def on_message_begin(self) -> None:
        """Begins a head."""
        super().on_message_begin()
        self._head_bytes = 0

    def on_headers_complete(self) -> None:
        """Ends the head; the request begins unless it is to be read again."""
        self._wait_no_more()
        self._head_bytes = None
        if not self.offers_upgrade:
            self._check_target()
            super().on_headers_complete()

    def on_message_complete(self) -> None:
        """Ends the request, unless it is to be read again."""
        if not self.offers_upgrade:
            super().on_message_complete()

    @property
    def offers_upgrade(self) -> bool:
        """Whether the request would rather go on in another protocol; then it is read again, as if it wouldn't."""
        return self.parser.should_upgrade() and self.parser.get_method() != b"CONNECT"

    def _check_target(self) -> None:
        """A target that names a host (RFC 9112, 3.2.2) names that of Host: else the request is for two.

        Raises ValueError, which the parser takes for an unreadable head.
        """
        absolute = _ABSOLUTE.match(self.url)
        if absolute and [value.lower() for name, value in self.headers if name == b"host"] != [absolute[1].lower()]:
            raise ValueError(self.url)

    def _decline(self, rest: bytes) -> None:
        """Reads a request again as if it offered no other protocol, which a server may do (RFC 9110, 7.8)."""
        if not self.offers_upgrade:
            self._refuse(HTTPStatus.BAD_REQUEST, *UNREADABLE)
            return
        version = self.parser.get_http_version().encode()
        lines = [b"%b %b HTTP/%b" % (self.parser.get_method(), self.url, version)]
        lines += [b"%b: %b" % header for header in self.headers if header[0] != b"upgrade"]
        self.parser = httptools.HttpRequestParser(self)
        self.parser.set_dangerous_leniencies(lenient_data_after_close=True)
        HeadProtocol.data_received(self, b"\r\n".join([*lines, b"", rest]))

    def _measure(self, received: int) -> None:
        if self._head_bytes is None:
            return
        self._head_bytes += received
        if self._head_bytes > LONGEST_HEAD_BYTES:
            self._refuse(HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE, *HEAD_TOO_LONG)

    def _refuse(self, status: int, slug: str, title: str) -> None:
        """Answers what is no request, and ends the connection: where the next one begins isn't known."""
        problem = {"type": f"urn:pegasus:problem:{slug}", "title": title, "status": status, "detail": f"{title}."}
        body = json.dumps(problem).encode()
        head = b"content-type: application/problem+json\r\ncontent-length: %d\r\nconnection: close\r\n\r\n" % len(body)
        self.transport.write(STATUS_LINE[status] + head + body)
        self.transport.close()

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

    @property
    def _is_answering(self) -> bool:
        cycle: RequestResponseCycle | None = self.cycle  # until the first request
        return cycle is not None and not cycle.response_complete
