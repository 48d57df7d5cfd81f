"""Which requests may come in, by the host that they are addressed to and the page that sent them.

Any web page can make a browser post to a port of this machine, and by DNS rebinding even read from it: its own name
then leads here, and stands in Host. So a server that asks for no token answers to its own names alone, and every server
refuses what pages of other sites send. Both are checked before the body is read. Tokens come on top.
"""

import re
import socket
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address, ip_address

from starlette.datastructures import Headers

from core.errors import PegasusError
from core.settings import Settings

FORWARDED = ("forwarded", "via", "x-real-ip")
FORWARDED_PREFIX = "x-forwarded-"
_AUTHORITY = re.compile(r"(\[[0-9A-Fa-f]*:[0-9A-Fa-f:.]{1,44}\]|[A-Za-z0-9._-]{1,255})(?::[0-9]{0,5})?")


class RequestRefused(PegasusError):
    """A request that didn't come from where requests may come from."""


class NotForThisMachine(RequestRefused):
    """What a server without tokens refuses, and one with tokens doesn't."""


class HostMalformed(RequestRefused):
    """The request doesn't name the one host that it is addressed to."""

    def __init__(self) -> None:
        super().__init__("A request has one header Host, with a name or an address and perhaps a port.")


class ForeignHost(NotForThisMachine):
    """The request is addressed to a name that isn't this server's."""

    def __init__(self) -> None:
        super().__init__("Without tokens this server answers only to its machine's own names and to ALLOWED_HOSTS.")


class ForeignOrigin(RequestRefused):
    """The request was sent by a page of another site."""

    def __init__(self) -> None:
        super().__init__("Requests from pages of other sites are refused.")


class ProxiedRequest(NotForThisMachine):
    """The request came through a proxy to a server that is open to this machine only."""

    def __init__(self) -> None:
        super().__init__("This server is open to its own machine only, and the request came through a proxy.")


@dataclass(frozen=True)
class OwnHosts:
    """The names under which a server without tokens answers; loopback addresses are always among them."""

    names: frozenset[str]

    def __contains__(self, host: str) -> bool:
        if host in self.names:
            return True
        address = _address(host)
        return address is not None and address.is_loopback


def own_hosts(settings: Settings) -> OwnHosts:
    """This machine's names, the address that it listens on, and those of ALLOWED_HOSTS."""
    names = {"localhost", socket.gethostname(), settings.host, *settings.allowed_host_names}
    return OwnHosts(frozenset(map(_canonical, names)))


def check_origin(headers: Headers, *, http_version: str) -> None:
    """Returns when a request names one host, and no page of another one has sent it.

    Raises HostMalformed or ForeignOrigin.
    """
    hosts = headers.getlist("host")
    if len(hosts) > 1 or (not hosts and http_version != "1.0") or not all(map(_AUTHORITY.fullmatch, hosts)):
        raise HostMalformed
    own = {host.lower() for host in hosts}
    if any(_authority(origin) not in own for origin in headers.getlist("origin")):
        raise ForeignOrigin


def check_host(headers: Headers, own: OwnHosts, *, arrived_at: str | None) -> None:
    """Returns when a request that `check_origin` let pass is addressed to this server.

    `arrived_at` is the address at this end of its connection: whoever names that one means this machine.
    Raises ForeignHost.
    """
    authority = _AUTHORITY.fullmatch(headers.get("host", ""))
    host = _canonical(authority[1].strip("[]")) if authority else ""
    if host not in own and (_address(host) is None or host != _canonical(arrived_at or "")):
        raise ForeignHost


def check_unproxied(headers: Headers) -> None:
    """Returns when no proxy has passed the request on. Raises ProxiedRequest."""
    if any(name in FORWARDED or name.startswith(FORWARDED_PREFIX) for name in headers):
        raise ProxiedRequest


def _canonical(host: str) -> str:
    """A host in the one spelling in which it is compared."""
    name = host.lower().removesuffix(".")
    address = _address(name)
    return name if address is None else str(address)


def _address(host: str) -> IPv4Address | IPv6Address | None:
    try:
        address = ip_address(host.partition("%")[0])
    except ValueError:
        return None
    return getattr(address, "ipv4_mapped", None) or address


def _authority(origin: str) -> str | None:
    """Host and port of an origin, spelt as the Host header spells them: without the scheme's own port."""
    return origin.lower().partition("://")[2] or None
