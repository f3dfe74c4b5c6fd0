"""The rules for addresses that destinations may not be at, said once.

Law: link-local addresses and those of metadata services are never called, whatever an operator
allows and however they are written; a check of a document and the guard of a connection ask here.
"""

from __future__ import annotations

import ipaddress
import re

Address = ipaddress.IPv4Address | ipaddress.IPv6Address

METADATA_NAMES = frozenset(
    {"metadata", "metadata.google.internal", "metadata.goog", "instance-data"}
)
"""Host names of metadata services, in lower case."""
_METADATA = frozenset(
    ipaddress.ip_address(address)
    for address in (
        "fd00:ec2::254",  # AWS
        "100.100.100.200",  # Alibaba Cloud
        "192.0.0.192",  # Oracle Cloud
        "168.63.129.16",  # Azure's own services; formally a public address
    )
)
"""Metadata services at addresses that are not link-local."""

_NAT64 = ipaddress.ip_network("64:ff9b::/96")
_LOCAL_NAT64 = ipaddress.ip_network("64:ff9b:1::/48")  # older Pythons take it for public
_IPV4_COMPATIBLE = ipaddress.ip_network("::/96")


def never_called(host: str) -> bool:
    """Whether a host of a URL is link-local or a metadata service, in any spelling of either.

    A name says nothing of the address that a resolver finds for it: `forbidden` is asked then.
    """
    host = host.lower().rstrip(".")
    address = address_of(host)
    return host in METADATA_NAMES or (address is not None and forbidden(address) is not None)


def forbidden(address: Address) -> str | None:
    """`link-local` or `metadata` for an address that nobody can allow; None for any other.

    An IPv6 address that carries an IPv4 one (mapped, compatible, 6to4, NAT64, Teredo) is that one,
    too.
    """
    for inside in _carried(address):
        if (kind := forbidden(inside)) is not None:
            return kind
    if address in _METADATA:
        return "metadata"
    return "link-local" if address.is_link_local else None


def not_public(address: Address) -> str | None:
    """What keeps an address from being one of the public Internet's; None for a public one."""
    if (kind := forbidden(address)) is not None:
        return kind
    for inside in _carried(address):
        if (kind := not_public(inside)) is not None:
            return kind
    if isinstance(address, ipaddress.IPv6Address):
        if address.ipv4_mapped or address in _NAT64:
            return None
        if address.is_site_local or address in _LOCAL_NAT64:
            return "private"
    if address.is_unspecified:
        return "unspecified"
    if address.is_loopback:
        return "loopback"
    if address.is_multicast:
        return "multicast"
    if not address.is_global or address.is_private or address.is_reserved:
        return "private"
    return None


def _carried(address: Address) -> list[ipaddress.IPv4Address]:
    if isinstance(address, ipaddress.IPv4Address):
        return []
    if address.ipv4_mapped is not None:
        return [address.ipv4_mapped]
    if address.sixtofour is not None:
        return [address.sixtofour]
    if address.teredo is not None:
        return list(address.teredo)
    if (
        address in _NAT64
        or address in _LOCAL_NAT64
        or (address in _IPV4_COMPATIBLE and int(address) > 1)
    ):
        return [ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)]
    return []


def address_of(host: str) -> Address | None:
    """The address that a host is, in any of the forms that resolvers read as one; None: a name."""
    try:
        return ipaddress.ip_address(host.split("%")[0])
    except ValueError:
        pass
    numbers = host.split(".")
    if not 1 <= len(numbers) <= 4:
        return None
    values = []
    for number in numbers:
        if not re.fullmatch(r"0[xX][0-9a-fA-F]*|[0-9]+", number) or len(number) > 20:
            return None
        base = 16 if number[:2].lower() == "0x" else 8 if number[0] == "0" else 10
        try:
            values.append(int(number[2:] or "0", 16) if base == 16 else int(number, base))
        except ValueError:
            return None
    *leading, last = values
    if any(value > 255 for value in leading) or last >= 256 ** (4 - len(leading)):
        return None
    packed = sum(value << 24 - 8 * index for index, value in enumerate(leading)) + last
    return ipaddress.IPv4Address(packed)
