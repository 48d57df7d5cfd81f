"""Conditional and range requests (RFC 9110, 13 and 14) for bytes that never change."""

import re
from dataclasses import dataclass

from starlette.datastructures import Headers

from core.errors import PegasusError

MOST_DIGITS = 18
_RANGE = re.compile(r"bytes\s*=\s*(\d*)-(\d*)", re.IGNORECASE | re.ASCII)


class PreconditionFailed(PegasusError):
    message = "The recording's bytes aren't those that If-Match names."


class RangeNotSatisfiable(PegasusError):
    def __init__(self, *, size_bytes: int) -> None:
        super().__init__(f"The range lies outside of the recording's {size_bytes} bytes.")
        self.size_bytes = size_bytes


@dataclass(frozen=True)
class Span:
    """Bytes from `start` to `stop`, exclusive."""

    start: int
    stop: int


def check_if_match(headers: Headers, *, etag: str) -> None:
    """Raises PreconditionFailed, by strong comparison (RFC 9110, 13.1.1)."""
    values = headers.getlist("if-match")
    tags = [tag.strip() for tag in ",".join(values).split(",")]
    if values and etag not in tags and "*" not in tags:
        raise PreconditionFailed


def is_current(headers: Headers, *, etag: str) -> bool:
    """Whether If-None-Match has the entity tag, by weak comparison (RFC 9110, 13.1.2)."""
    tags = [tag.strip().removeprefix("W/") for tag in ",".join(headers.getlist("if-none-match")).split(",")]
    return etag in tags or "*" in tags


def requested_span(headers: Headers, *, etag: str, size_bytes: int) -> Span | None:
    """The requested range; None when all bytes are to be sent.

    A malformed range, several ranges, and one whose If-Range doesn't match are ignored (RFC 9110, 14.2 and 13.1.5).
    Raises RangeNotSatisfiable.
    """
    match = _RANGE.fullmatch(headers.get("range", "").strip())
    if match is None or headers.get("if-range", etag) != etag:
        return None
    first, last = match.groups()
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
    """The number; one with more digits than any size has becomes a position after every end."""
    significant = digits.lstrip("0")
    return int(significant or "0") if len(significant) <= MOST_DIGITS else 10**MOST_DIGITS
