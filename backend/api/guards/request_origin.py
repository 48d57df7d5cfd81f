"""Checks a request's Host and Origin, against cross-site requests and DNS rebinding.

Any web page can make a browser post to a port of this machine, and by DNS rebinding even read from it: its own name
then resolves to this machine, and is in Host. So a server without tokens answers only to its own names, and every
server refuses requests from pages of other sites. Both are checked before the body is read, in addition to tokens.
"""

import re
import socket
from collections.abc import Collection
from dataclasses import dataclass
from functools import lru_cache
from ipaddress import IPv4Address, IPv6Address, ip_address

from starlette.datastructures import Headers

from core.errors import PegasusError
from core.settings import Settings

FORWARDED = ("forwarded", "via", "x-real-ip")
REMEMBERED_HOSTS = 256  # each request has one, and nearly all the same
FORWARDED_PREFIX = "x-forwarded-"
_AUTHORITY = re.compile(r"(\[[0-9A-Fa-f]*:[0-9A-Fa-f:.]{1,44}\]|[A-Za-z0-9._-]{1,255})(?::[0-9]{0,5})?")


class RequestRefused(PegasusError):
    """The request's host or origin isn't allowed."""


class NotForThisMachine(RequestRefused):
    """Refused by a server without tokens only."""


class HostMalformed(RequestRefused):
    message = "A request has one header Host, with a name or an address and perhaps a port."


class ForeignHost(NotForThisMachine):
    message = "Without tokens this server answers only to its machine's own names and to ALLOWED_HOSTS."


class ForeignOrigin(RequestRefused):
    message = "Requests from pages of other sites are refused."


class ProxiedRequest(NotForThisMachine):
    message = "This server is open to its own machine only, and the request came through a proxy."


class AccessUndecided(NotForThisMachine):
    message = (
        "Nobody has said who may use this server from other machines: set AUTH=tokens to ask for a token, or AUTH=open."
    )


@dataclass(frozen=True)
class OwnHosts:
    """The host names to which a server without tokens answers; loopback addresses are always among them."""

    names: frozenset[str]

    def __contains__(self, host: str) -> bool:
        if host in self.names:
            return True
        address = _address(host)
        return address is not None and address.is_loopback


def own_hosts(settings: Settings) -> OwnHosts:
    """This machine's names, the address that it listens on, and ALLOWED_HOSTS."""
    names = {"localhost", socket.gethostname(), settings.host, *settings.allowed_host_names}
    return OwnHosts(frozenset(map(_canonical, names)))


def check_origin(headers: Headers, *, http_version: str, allowed: Collection[str] = ()) -> None:
    """Checks that a request names one host, and has no other origin but those that are allowed.

    Raises HostMalformed or ForeignOrigin.
    """
    hosts = headers.getlist("host")
    if len(hosts) > 1 or (not hosts and http_version != "1.0") or not all(map(_AUTHORITY.fullmatch, hosts)):
        raise HostMalformed
    if not is_own_origin(headers) and headers.getlist("origin") not in ([origin] for origin in allowed):
        raise ForeignOrigin


def is_own_origin(headers: Headers) -> bool:
    """Whether a request comes from a page of this server, as far as it says where it comes from."""
    if "origin" not in headers:
        return True
    own = {host.lower() for host in headers.getlist("host")}
    return all(_authority(origin) in own for origin in headers.getlist("origin"))


def check_host(headers: Headers, own: OwnHosts, *, arrived_at: str | None) -> None:
    """Checks that a request, after `check_origin`, is addressed to this server. Raises ForeignHost.

    `arrived_at` is the connection's local address, which is one of this machine's names, too.
    """
    authority = _AUTHORITY.fullmatch(headers.get("host", ""))
    host = _canonical(authority[1].strip("[]")) if authority else ""
    if host not in own and (_address(host) is None or host != _canonical(arrived_at or "")):
        raise ForeignHost


def check_loopback(arrived_at: str | None) -> None:
    """Checks that a request came in at a loopback address, or at no address at all. Raises AccessUndecided."""
    address = _address(arrived_at or "")
    if address is not None and not address.is_loopback:
        raise AccessUndecided


def check_unproxied(headers: Headers) -> None:
    """Checks that no proxy has forwarded the request. Raises ProxiedRequest."""
    if is_proxied(headers):
        raise ProxiedRequest


def is_proxied(headers: Headers) -> bool:
    """Whether a proxy says that it has forwarded the request."""
    return any(name in FORWARDED or name.startswith(FORWARDED_PREFIX) for name in headers)


@lru_cache(maxsize=REMEMBERED_HOSTS)
def _canonical(host: str) -> str:
    """The host in the form in which hosts are compared."""
    name = host.lower().removesuffix(".")
    address = _address(name)
    return name if address is None else str(address)


@lru_cache(maxsize=REMEMBERED_HOSTS)
def _address(host: str) -> IPv4Address | IPv6Address | None:
    try:
        address = ip_address(host.partition("%")[0])
    except ValueError:
        return None
    return getattr(address, "ipv4_mapped", None) or address


def _authority(origin: str) -> str | None:
    """An origin's host and port, as in the Host header: without the scheme's default port."""
    return origin.lower().partition("://")[2] or None
