"""Who may talk to a server without tokens: this machine's own programs and pages, and not what other sites send.

Any web page can make a browser post to a port on loopback, and by DNS rebinding even read from it. So the host that
a request is addressed to and the origin it comes from are checked before its body is read. Tokens come on top.
"""

from functools import lru_cache
from ipaddress import ip_address
from urllib.parse import urlsplit

from starlette.datastructures import Headers

from core.errors import PegasusError

FORWARDED = ("forwarded", "via", "x-real-ip")
FORWARDED_PREFIX = "x-forwarded-"


class RequestRefused(PegasusError):
    """A request that didn't come from where requests may come from."""


class NotForThisMachine(RequestRefused):
    """What a server for its own machine alone refuses, and one with tokens doesn't."""


class ForeignHost(NotForThisMachine):
    """The request is addressed to a name that isn't this server's."""

    def __init__(self) -> None:
        super().__init__("This server answers only to a loopback address or its configured host.")


class ForeignOrigin(RequestRefused):
    """The request was sent by a page of another site."""

    def __init__(self) -> None:
        super().__init__("Requests from pages of other sites are refused.")


class ProxiedRequest(NotForThisMachine):
    """The request came through a proxy to a server that is open to this machine only."""

    def __init__(self) -> None:
        super().__init__("This server is open to its own machine only, and the request came through a proxy.")


def check_origin(headers: Headers, *, host: str, open_to_all: bool) -> None:
    """Returns when a request with these headers may come in.

    `host` is the configured one; `open_to_all` lifts everything but the check of the origin.
    Raises ForeignHost, ProxiedRequest or ForeignOrigin.
    """
    hosts, origins = headers.getlist("host"), headers.getlist("origin")
    if not open_to_all:
        if len(hosts) != 1 or not _is_own(hosts[0], configured=host):
            raise ForeignHost
        if any(name in FORWARDED or name.startswith(FORWARDED_PREFIX) for name in headers):
            raise ProxiedRequest
    own = {host.lower() for host in hosts}
    if any(_authority(origin) not in own for origin in origins):
        raise ForeignOrigin


@lru_cache(maxsize=256)  # whoever sends one request sends more
def _is_own(authority: str, *, configured: str) -> bool:
    try:
        name = urlsplit(f"//{authority}").hostname or ""
        return name in {"localhost", configured.lower()} or ip_address(name).is_loopback
    except ValueError:
        return False


def _authority(origin: str) -> str | None:
    """Host and port of an origin, spelt as the Host header spells them: without the scheme's own port."""
    return origin.lower().partition("://")[2] or None
