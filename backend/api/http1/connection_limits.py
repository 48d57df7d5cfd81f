"""How many connections a server process keeps open at once, in all and from one address."""

import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import lru_cache, partial
from ipaddress import ip_address

import structlog

from access.caller import ANONYMOUS
from api.http1.refusals import TooManyConnections
from core.observability.metrics import HTTP_CONNECTIONS, HTTP_CONNECTIONS_REFUSED

BACKLOG = 2048
RESERVED_DESCRIPTORS = 256  # for the database, storage, what is being processed, and connections that are refused
DESCRIPTORS_EACH = 3  # while bytes flow: the connection's own, the one that is lent, and a file's
REFUSED_AT_ONCE = 32
REPORT_SECONDS = 10

log = structlog.get_logger("pegasus")
Leave = Callable[[], None]


@dataclass(frozen=True, kw_only=True)
class ConnectionLimits:
    """The most connections of one server process, in all and from one address; 0 from one address sets no limit."""

    in_all: int = 2000
    per_address: int = 200

    def within(self, descriptors: int) -> "ConnectionLimits":
        """These, or as many as so many descriptors are enough for, whatever all of them do at once."""
        reserved = min(RESERVED_DESCRIPTORS, descriptors // 4) + backlog_within(descriptors)
        return replace(self, in_all=max(1, min(self.in_all, (descriptors - reserved) // DESCRIPTORS_EACH)))


def backlog_within(descriptors: int) -> int:
    """How many connections may wait to be accepted: the event loop accepts all of them before it lets us refuse one."""
    return min(BACKLOG, descriptors // 4)


class OpenConnections:
    """The open connections of this process.

    Those from this machine are bounded in all alone: a reverse proxy brings everybody's from one address.
    """

    def __init__(self, limits: ConnectionLimits) -> None:
        self._limits = limits
        self._in_all = 0
        self._of_address = Counter[str | None]()
        self._refused = 0
        self._unreported = 0
        self._report_at = 0.0

    def enter(self, client: tuple[str, int] | None) -> Leave:
        """Counts a connection until what is returned is called. Raises TooManyConnections."""
        address = _counted_as(client[0]) if client is not None else None
        if self._in_all >= self._limits.in_all:
            self._report("all", open=self._in_all)
            raise TooManyConnections
        if address is not None and 0 < self._limits.per_address <= self._of_address[address]:
            self._report("address", of=address, open=self._of_address[address])
            raise TooManyConnections
        self._in_all += 1
        self._of_address[address] += 1
        HTTP_CONNECTIONS.inc()
        return partial(self._leave, address)

    def enter_refused(self) -> Leave | None:
        """The same for one that stays until its client has read why it was refused; None when too many do."""
        if self._refused >= REFUSED_AT_ONCE:
            return None
        self._refused += 1
        return self._leave_refused

    def report_exhaustion(self) -> None:
        """Says that connections can't even be accepted, because no descriptor is left."""
        self._report("descriptors", open=self._in_all)

    def _leave(self, address: str | None) -> None:
        HTTP_CONNECTIONS.dec()
        self._in_all -= 1
        self._of_address[address] -= 1
        if not self._of_address[address]:
            del self._of_address[address]

    def _leave_refused(self) -> None:
        self._refused -= 1

    def _report(self, limit: str, **more: object) -> None:
        """Counts what was refused; the log has a line now and then, however many there are."""
        HTTP_CONNECTIONS_REFUSED[limit].inc()
        self._unreported += 1
        if time.monotonic() >= self._report_at:
            log.warning("connections are refused", limit=limit, refused=self._unreported, **more)
            self._unreported, self._report_at = 0, time.monotonic() + REPORT_SECONDS


@lru_cache(maxsize=1024)
def _counted_as(address: str) -> str | None:
    """Under which name an address is counted; None for this machine's own."""
    return None if ip_address(address).is_loopback else ANONYMOUS.rate_limit_key(address)
