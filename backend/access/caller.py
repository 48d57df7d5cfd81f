"""Caller: who asks, as far as a token tells, and what that lets them see."""

from dataclasses import dataclass
from ipaddress import IPv6Address, ip_address, ip_network
from uuid import UUID

IPV6_HOUSEHOLD_BITS = 64  # what a provider hands to one customer


@dataclass(frozen=True, kw_only=True)
class Caller:
    """Whoever sent a request; without a token it is nobody, who on an open server may do everything."""

    user_id: str | None = None
    admin: bool = False
    token_id: UUID | None = None

    @property
    def owner(self) -> str | None:
        """Whose recordings the caller is held to; None where that is everybody's."""
        return None if self.admin else self.user_id

    def asking_for(self, user_id: str | None) -> str | None:
        """Whose recordings are meant by a request that names `user_id`: a user's token means that user's alone."""
        return self.owner or user_id

    def writing_for(self, user_id: str | None) -> str | None:
        """Whose a new recording is, where its form names `user_id`."""
        return self.owner or user_id or self.user_id

    def counted_as(self, address: str) -> str:
        """The name under which the caller's requests from an address are counted together."""
        if self.user_id is not None:
            return f"user {self.user_id}"
        return f"token {self.token_id}" if self.token_id is not None else f"address {_household(address)}"


NOBODY = Caller()


def _household(address: str) -> str:
    try:
        parsed = ip_address(address)
    except ValueError:
        return address
    return str(ip_network((parsed, IPV6_HOUSEHOLD_BITS), strict=False)) if isinstance(parsed, IPv6Address) else address
