"""Which IP addresses are public: those that a server of a configured name may have."""

from ipaddress import IPv4Address, IPv4Network, IPv6Network, ip_address

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


def is_public(address: str) -> bool:
    """Whether an IP address is public, and embeds no IPv4 address that isn't."""
    parsed = ip_address(address)
    if isinstance(parsed, IPv4Address):
        return not any(parsed in block for block in _SPECIAL)
    inner = IPv4Address(int(parsed) & 0xFFFFFFFF) if parsed in _TRANSLATED else parsed.ipv4_mapped
    if inner is not None:
        return is_public(str(inner))
    return parsed in _UNICAST and not any(parsed in block for block in _SPECIAL_UNICAST)
