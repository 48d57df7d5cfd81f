"""Conditional and ranged requests for bytes that never change: RFC 9110, sections 13 and 14."""

import re
from dataclasses import dataclass

from starlette.datastructures import Headers

from core.errors import PegasusError

MOST_DIGITS = 18
_RANGE = re.compile(r"bytes\s*=\s*(\d*)-(\d*)", re.IGNORECASE | re.ASCII)


class RangeNotSatisfiable(PegasusError):
    """The range that was asked for lies behind the end of the bytes."""

    def __init__(self, *, size_bytes: int) -> None:
        super().__init__(f"The range lies outside of the recording's {size_bytes} bytes.")
        self.size_bytes = size_bytes


@dataclass(frozen=True)
class Span:
    """Bytes from `start` up to but without `stop`."""

    start: int
    stop: int


def is_current(headers: Headers, *, etag: str) -> bool:
    """Whether the client's copy is good: If-None-Match names the entity tag, compared weakly (RFC 9110, 13.1.2)."""
    given = [tag.strip().removeprefix("W/") for tag in ",".join(headers.getlist("if-none-match")).split(",")]
    return etag in given or "*" in given


def asked_span(headers: Headers, *, etag: str, size_bytes: int) -> Span | None:
    """The single range that is asked for; None when all bytes are to be sent.

    A range that can't be understood, one of several, and one whose If-Range names other bytes are ignored, as
    RFC 9110, 14.2 and 13.1.5, say. Raises RangeNotSatisfiable.
    """
    found = _RANGE.fullmatch(headers.get("range", "").strip())
    if found is None or headers.get("if-range", etag) != etag:
        return None
    first, last = found.groups()
    if not first and not last:
        return None
    if first and last and _position(last) < _position(first):
        return None
    start = _position(first) if first else max(0, size_bytes - _position(last))
    stop = min(_position(last) + 1, size_bytes) if first and last else size_bytes
    if start >= stop:
        raise RangeNotSatisfiable(size_bytes=size_bytes)
    return Span(start, stop)


def _position(digits: str) -> int:
    """The number; one with more digits than any position has is a position behind every end."""
    significant = digits.lstrip("0")
    return int(significant or "0") if len(significant) <= MOST_DIGITS else 10**MOST_DIGITS
