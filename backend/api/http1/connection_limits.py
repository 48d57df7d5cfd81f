"""Limits the open connections of a server process, in all and per client address."""

import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import lru_cache, partial
from ipaddress import ip_address

import structlog

from access.caller import ANONYMOUS
from api.http1.listener import BACKLOG
from api.http1.refusals import TooManyConnections
from core.observability.metrics import HTTP_CONNECTIONS, HTTP_CONNECTIONS_REFUSED

RESERVED_DESCRIPTORS = 256  # for the database, storage, processing, and refused connections
DESCRIPTORS_EACH = 3  # during a transfer: the connection's own, its duplicate, and a file's
REFUSED_AT_ONCE = 32
REPORT_SECONDS = 10

log = structlog.get_logger("pegasus")
Release = Callable[[], None]


@dataclass(frozen=True, kw_only=True)
class ConnectionLimits:
    """The most open connections of one server process, in all and per address; 0 per address sets no limit."""

    in_all: int = 2000
    per_address: int = 200

    def within(self, descriptors: int) -> "ConnectionLimits":
        """The limits reduced to what so many file descriptors allow, if every connection transfers at once."""
        reserved = min(RESERVED_DESCRIPTORS, descriptors // 4) + backlog_within(descriptors)
        return replace(self, in_all=max(1, min(self.in_all, (descriptors - reserved) // DESCRIPTORS_EACH)))


def backlog_within(descriptors: int) -> int:
    """The listen backlog: the event loop accepts all of it before a connection can be refused."""
    return min(BACKLOG, descriptors // 4)


class OpenConnections:
    """Counts the open connections of this process.

    Loopback connections count only in all: a reverse proxy's clients all come from one address.
    """

    def __init__(self, limits: ConnectionLimits) -> None:
        self._limits = limits
        self._total = 0
        self._per_address = Counter[str | None]()
        self._refused = 0
        self._unreported = 0
        self._report_at = 0.0

    def acquire(self, client: tuple[str, int] | None) -> Release:
        """Counts a connection until the returned function is called. Raises TooManyConnections."""
        address = _rate_limit_key(client[0]) if client is not None else None
        if self._total >= self._limits.in_all:
            self._report("all", open=self._total)
            raise TooManyConnections
        if address is not None and 0 < self._limits.per_address <= self._per_address[address]:
            self._report("address", of=address, open=self._per_address[address])
            raise TooManyConnections
        self._total += 1
        self._per_address[address] += 1
        HTTP_CONNECTIONS.inc()
        return partial(self._release, address)

    def acquire_refused(self) -> Release | None:
        """Counts a refused connection while its client reads the reason; None when there are too many."""
        if self._refused >= REFUSED_AT_ONCE:
            return None
        self._refused += 1
        return self._release_refused

    def report_exhaustion(self) -> None:
        """Reports that no connection can be accepted, as no file descriptor is left."""
        self._report("descriptors", open=self._total)

    def _release(self, address: str | None) -> None:
        HTTP_CONNECTIONS.dec()
        self._total -= 1
        self._per_address[address] -= 1
        if not self._per_address[address]:
            del self._per_address[address]

    def _release_refused(self) -> None:
        self._refused -= 1

    def _report(self, limit: str, **more: object) -> None:
        """Counts a refusal, and logs at most one line in REPORT_SECONDS."""
        HTTP_CONNECTIONS_REFUSED[limit].inc()
        self._unreported += 1
        if time.monotonic() >= self._report_at:
            log.warning("connections are refused", limit=limit, refused=self._unreported, **more)
            self._unreported, self._report_at = 0, time.monotonic() + REPORT_SECONDS


@lru_cache(maxsize=1024)
def _rate_limit_key(address: str) -> str | None:
    """The key under which an address is counted; None for loopback."""
    return None if ip_address(address).is_loopback else ANONYMOUS.rate_limit_key(address)
