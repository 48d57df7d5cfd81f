"""Outbound requests to configured addresses, whose IP address is checked when connecting.

A name may resolve to another address each time, so exactly the address that was checked is connected to. No redirect is
followed, no proxy of the environment used, and only a response's status is read.
"""

import asyncio
import socket
from collections.abc import Iterable, Mapping

import httpcore

from core.errors import PegasusError
from core.public_addresses import is_public

ANSWER_SECONDS = 15


class NotReached(PegasusError):
    """`reason` is a clause without the address."""

    def __init__(self, reason: str) -> None:
        super().__init__(f"The request got no answer: {reason}.")
        self.reason = reason


class AddressRefused(NotReached):
    def __init__(self) -> None:
        super().__init__("the name leads to no public address")


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
