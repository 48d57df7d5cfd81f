"""Outbound requests to configured addresses, whose IP address is checked when connecting.

A name may resolve to another address each time, so exactly the address that was checked is connected to. No redirect is
followed, no proxy of the environment used, and only a response's status is read.
"""

import asyncio
import socket
from collections.abc import Iterable, Mapping
from ipaddress import IPv4Address, IPv4Network, IPv6Network, ip_address

import httpcore

from core.errors import PegasusError

ANSWER_SECONDS = 15
_TRANSLATED = IPv6Network("64:ff9b::/96")  # RFC 6052: the last 32 bits are an IPv4 address
# IANA's registries of special-purpose addresses; Python's own list differs by version.
_SPECIAL = [
    IPv4Network(block)
    for block in (
        "0.0.0.0/8",  # this network
        "10.0.0.0/8",
        "100.64.0.0/10",  # between a provider and its customers
        "127.0.0.0/8",
        "169.254.0.0/16",
        "172.16.0.0/12",
        "192.0.0.0/24",  # protocols of the IETF
        "192.0.2.0/24",  # documentation
        "192.88.99.0/24",  # relays to IPv6, given up
        "192.168.0.0/16",
        "198.18.0.0/15",  # benchmarks
        "198.51.100.0/24",  # documentation
        "203.0.113.0/24",  # documentation
        "224.0.0.0/3",  # multicast, and what is reserved
    )
]
_UNICAST = IPv6Network("2000::/3")  # all of IPv6 that has been handed out
_SPECIAL_UNICAST = [
    IPv6Network(block)
    for block in (
        "2001::/23",  # protocols of the IETF, Teredo among them
        "2001:db8::/32",  # documentation
        "2002::/16",  # 6to4: any IPv4 address
        "3fff::/20",  # documentation
    )
]


class NotReached(PegasusError):
    """`reason` is a clause without the address."""

    def __init__(self, reason: str) -> None:
        super().__init__(f"The request got no answer: {reason}.")
        self.reason = reason


class AddressRefused(NotReached):
    def __init__(self) -> None:
        super().__init__("the name leads to no public address")


def is_public(address: str) -> bool:
    """Whether an IP address is public, and embeds no IPv4 address that isn't."""
    parsed = ip_address(address)
    if isinstance(parsed, IPv4Address):
        return not any(parsed in block for block in _SPECIAL)
    inner = IPv4Address(int(parsed) & 0xFFFFFFFF) if parsed in _TRANSLATED else parsed.ipv4_mapped
    if inner is not None:
        return is_public(str(inner))
    return parsed in _UNICAST and not any(parsed in block for block in _SPECIAL_UNICAST)


class OutboundHttp:
    """Sends requests; to addresses that aren't public only where `allow_private` is set."""

    def __init__(self, *, allow_private: bool) -> None:
        self._pool = httpcore.AsyncConnectionPool(network_backend=_PublicBackend(allow_private=allow_private))

    async def post(self, url: str, content: bytes, *, headers: Mapping[str, str]) -> int:
        """The response's status. Raises NotReached."""
        encoded = [(name.encode(), value.encode()) for name, value in headers.items()]
        try:
            async with (
                asyncio.timeout(ANSWER_SECONDS),
                self._pool.stream("POST", url, headers=encoded, content=content) as response,
            ):
                return response.status
        except (TimeoutError, httpcore.TimeoutException):
            raise NotReached(f"none came within {ANSWER_SECONDS} seconds") from None
        except (httpcore.NetworkError, httpcore.ProtocolError) as error:
            raise NotReached(type(error).__name__) from None

    async def close(self) -> None:
        await self._pool.aclose()


class _PublicBackend(httpcore.AsyncNetworkBackend):
    def __init__(self, *, allow_private: bool) -> None:
        self._inner = httpcore.AnyIOBackend()
        self._allow_private = allow_private

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,  # noqa: ASYNC109 - the contract's own
        local_address: str | None = None,
        socket_options: Iterable[httpcore.SOCKET_OPTION] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        """Connects to the first allowed address of a host that answers."""
        problem: Exception = AddressRefused()
        for address in await _addresses(host, port):
            if self._allow_private or is_public(address):
                try:
                    return await self._inner.connect_tcp(address, port, timeout, local_address, socket_options)
                except (httpcore.ConnectError, httpcore.ConnectTimeout) as error:
                    problem = error
        raise problem

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)


async def _addresses(host: str, port: int) -> Iterable[str]:
    try:
        results = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        raise httpcore.ConnectError(str(error)) from None
    return dict.fromkeys(str(item[4][0]) for item in results)
