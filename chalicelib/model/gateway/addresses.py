"""Decides which IP addresses the gateway may connect to. Public addresses are an allowlist: a new notation is refused.

The networks are listed here, from IANA's special-purpose registries. `ipaddress.is_global` is not used: it has
changed between patch releases of Python.
"""

from collections.abc import Sequence
from functools import cache
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network


LOOPBACK = ("127.0.0.0/8", "::1/128")
# Refused even if `allow_private` has them: link-local networks, where AWS, GCP, Azure and ECS serve metadata; other
# metadata addresses (Alibaba, Azure's wire server, AWS and GCP over IPv6); unspecified, multicast, reserved,
# documentation and benchmark networks; IPv6 addresses that carry an IPv4 address to a relay (6to4, Teredo,
# local-use NAT64).
NEVER = (
    *("0.0.0.0/8", "169.254.0.0/16", "100.100.100.200/32", "168.63.129.16/32", "192.0.0.0/24"),
    *("192.0.2.0/24", "192.88.99.0/24", "198.18.0.0/15", "198.51.100.0/24", "203.0.113.0/24"),
    *("224.0.0.0/4", "240.0.0.0/4"),
    *("fd00:ec2::/32", "fd20:ce::/32", "2001::/23", "2001:db8::/32", "2002::/16", "3fff::/20"),
)
PRIVATE = ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10", "fc00::/7")
UNICAST_6 = ("2000::/3",)
NAT64 = ("64:ff9b::/96",)


def may_connect(text: str, *, allow_private: Sequence[Network] = (), allow_loopback: bool = False) -> bool:
    """Return whether the address `text`, as getaddrinfo spells it, is public, or else allowed.

    A private address must lie in one of the networks `allow_private`. A loopback address needs `allow_loopback`.
    """
    try:
        address = _unwrapped(ip_address(text))
    except ValueError:
        return False
    if _in(address, _networks(LOOPBACK)):
        return allow_loopback
    if _in(address, _networks(NEVER)) or _is_isatap(address):
        return False
    if _in(address, _networks(PRIVATE)):
        return _in(address, allow_private)
    return address.version == 4 or _in(address, _networks(UNICAST_6))


def _unwrapped(address: Address) -> Address:
    """Return the IPv4 address inside an IPv6 address, or the address itself if it holds none.

    IPv4 is taken out of ::ffff:0:0/96 and of NAT64's well-known prefix (RFC 6052), which DNS64 hands out. Raise
    ValueError for an address with a scope, as it belongs to one link.
    """
    if isinstance(address, IPv6Address):
        if address.scope_id is not None:
            raise ValueError("a link's own address")
        if address.ipv4_mapped is not None:
            return address.ipv4_mapped
        if _in(address, _networks(NAT64)):
            return IPv4Address(int(address) & 0xFFFFFFFF)
    return address


def _is_isatap(address: Address) -> bool:
    """Return whether the lower half is 0:5efe or 200:5efe and an IPv4 address (RFC 5214 6.1)."""
    return address.version == 6 and (int(address) >> 32) & 0xFDFFFFFF == 0x5EFE


def _in(address: Address, networks: Sequence[Network]) -> bool:
    return any(address in network for network in networks)


@cache
def _networks(texts: tuple[str, ...]) -> tuple[Network, ...]:
    """Return the networks. Made when they are first used, and kept: few processes connect to an address."""
    return tuple(ip_network(text) for text in texts)
