"""Refusals by the server itself, before there is a request for the application."""

import json

from uvicorn.protocols.http.httptools_impl import STATUS_LINE

RETRY_SECONDS = 5


class RequestRefusal(Exception):
    """Ends the connection with a problem; further input isn't read."""

    status: int
    slug: str
    title: str
    headers: bytes = b""

    def __init__(self) -> None:
        super().__init__(self.title)

    def response(self) -> bytes:
        """The complete HTTP response, in problem+json."""
        problem = {
            "type": f"urn:pegasus:problem:{self.slug}",
            "title": self.title,
            "status": self.status,
            "detail": f"{self.title}.",
        }
        body = json.dumps(problem).encode()
        head = b"content-type: application/problem+json\r\ncontent-length: %d\r\nconnection: close\r\n" % len(body)
        return STATUS_LINE[self.status] + head + self.headers + b"\r\n" + body


class RequestMalformed(RequestRefusal):
    """Not HTTP/1.1, or with contradicting lengths of the body."""

    status, slug, title = 400, "request-malformed", "The request can't be read"


class FramingTooLong(RequestRefusal):
    status, slug, title = 400, "framing-too-long", "The chunks of the body have too much around them"


class TooManyAhead(RequestRefusal):
    """Too many pipelined requests."""

    status, slug, title = 429, "too-many-ahead", "Too many requests were sent ahead"


class HeadTooLong(RequestRefusal):
    """Too many bytes or fields, the trailer fields included."""

    status, slug, title = 431, "head-too-long", "The head is too long"


class TransferCodingUnknown(RequestRefusal):
    """Another one besides chunked (RFC 9112, 6.1)."""

    status, slug, title = 501, "transfer-coding-unknown", "The body's transfer coding isn't known"


class MethodUnknown(RequestRefusal):
    """One that is in no registry, or in small letters (RFC 9110, 9.1).

    RFC 9110, 15.6.2 has 501 for it, but a scanner's requests mustn't look like a server that fails.
    """

    status, slug, title = 400, "method-unknown", "The request's method isn't known"


class TooManyConnections(RequestRefusal):
    status, slug, title = 503, "too-many-connections", "Too many connections are open"
    headers = b"retry-after: %d\r\n" % RETRY_SECONDS


REFUSALS = (
    RequestMalformed,
    FramingTooLong,
    TooManyAhead,
    HeadTooLong,
    TransferCodingUnknown,
    MethodUnknown,
    TooManyConnections,
)
