"""What the server itself refuses, before there is a request that the application could answer."""

import json

from uvicorn.protocols.http.httptools_impl import STATUS_LINE

RETRY_SECONDS = 5


class Refusal(Exception):
    """The connection ends, and says why: whatever else it brings isn't read."""

    status: int
    slug: str
    title: str
    headers: bytes = b""

    def __init__(self) -> None:
        super().__init__(self.title)

    def answer(self) -> bytes:
        """The whole answer, in problem+json."""
        problem = {
            "type": f"urn:pegasus:problem:{self.slug}",
            "title": self.title,
            "status": self.status,
            "detail": f"{self.title}.",
        }
        body = json.dumps(problem).encode()
        head = b"content-type: application/problem+json\r\ncontent-length: %d\r\nconnection: close\r\n" % len(body)
        return STATUS_LINE[self.status] + head + self.headers + b"\r\n" + body


class RequestMalformed(Refusal):
    """It isn't HTTP/1.1, or says two things of how long its body is."""

    status, slug, title = 400, "request-malformed", "The request can't be read"


class FramingTooLong(Refusal):
    """A chunked body is little body and much of what surrounds its chunks."""

    status, slug, title = 400, "framing-too-long", "The chunks of the body have too much around them"


class TooManyAhead(Refusal):
    """Requests were sent ahead of the answers to those before them, and too many."""

    status, slug, title = 429, "too-many-ahead", "Too many requests were sent ahead"


class HeadTooLong(Refusal):
    """The head, with the trailer fields behind the body, is too long or has too many fields."""

    status, slug, title = 431, "head-too-long", "The head is too long"


class TransferCodingUnknown(Refusal):
    """The body comes in a transfer coding besides chunked (RFC 9112, 6.1)."""

    status, slug, title = 501, "transfer-coding-unknown", "The body's transfer coding isn't known"


class TooManyConnections(Refusal):
    """As many connections are open as may be."""

    status, slug, title = 503, "too-many-connections", "Too many connections are open"
    headers = b"retry-after: %d\r\n" % RETRY_SECONDS


REFUSALS = (RequestMalformed, FramingTooLong, TooManyAhead, HeadTooLong, TransferCodingUnknown, TooManyConnections)
