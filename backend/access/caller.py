"""The authenticated caller of a request, and whose recordings it may see."""

from dataclasses import dataclass
from functools import lru_cache
from ipaddress import IPv6Address, ip_address, ip_network
from uuid import UUID

IPV6_HOUSEHOLD_BITS = 64  # a provider assigns at least a /64 to one customer


@dataclass(frozen=True, kw_only=True)
class Caller:
    """The sender of a request, by its token; without one it is ANONYMOUS, which may do everything on an open server."""

    user_id: str | None = None
    admin: bool = False
    token_id: UUID | None = None

    @property
    def owner(self) -> str | None:
        """The user whose recordings the caller is restricted to; None for everybody's."""
        return None if self.admin else self.user_id

    def owner_filter(self, user_id: str | None) -> str | None:
        """The user to filter by when a request names `user_id`: a user's token always selects that user alone."""
        return self.owner or user_id

    def new_owner(self, user_id: str | None) -> str | None:
        """The owner of a new recording whose form names `user_id`."""
        return self.owner or user_id or self.user_id

    def rate_limit_key(self, address: str) -> str:
        """The key under which the caller's requests from an address are counted together."""
        if self.user_id is not None:
            return f"user {self.user_id}"
        return f"token {self.token_id}" if self.token_id is not None else f"address {_network(address)}"


ANONYMOUS = Caller()


@lru_cache(maxsize=1024)
def _network(address: str) -> str:
    try:
        parsed = ip_address(address)
    except ValueError:
        return address
    return str(ip_network((parsed, IPV6_HOUSEHOLD_BITS), strict=False)) if isinstance(parsed, IPv6Address) else address
