"""The rules for addresses that destinations may not have, in one place.

Law: link-local addresses and those of metadata services are never called, whatever an operator
allows and however they are written. The checks of documents and the guard of connections both use
these rules.
"""

from __future__ import annotations

import ipaddress
import re

Address = ipaddress.IPv4Address | ipaddress.IPv6Address

METADATA_NAMES = frozenset(
    {
        "metadata",
        "metadata.google.internal",
        "metadata.goog",
        "metadata.azure.internal",
        "metadata.tencentyun.com",
        "metadata.platformequinix.com",
        "instance-data",
        "instance-data.ec2.internal",
    }
)
"""Host names of metadata services, in lower case."""
_METADATA = frozenset(
    ipaddress.ip_address(address)
    for address in (
        *("fd00:ec2::254", "fd00:ec2::23", "fd00:ec2::253"),  # AWS: IMDS, EKS Pod Identity, DNS
        "fd20:ce::254",  # Google Cloud
        "fd00:42::42",  # Scaleway
        "100.100.100.200",  # Alibaba Cloud
        "192.0.0.192",  # Oracle Cloud
        "168.63.129.16",  # Azure's own services; formally a public address
    )
)
"""Metadata services at addresses that are not link-local."""

_KINDS: dict[str, tuple[str, ...]] = {
    "link-local": ("169.254.0.0/16", "fe80::/10"),
    "loopback": ("127.0.0.0/8", "::1/128"),
    "multicast": ("224.0.0.0/4", "ff00::/8"),
    "unspecified": ("0.0.0.0/32", "::/128"),
    "private": (
        *("0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "172.16.0.0/12", "192.168.0.0/16"),
        *("fc00::/7", "fec0::/10", "64:ff9b:1::/48"),
    ),
    "special-purpose": (
        "192.0.0.0/24",  # protocol assignments, anycast of PCP and TURN among them
        *("192.0.2.0/24", "198.51.100.0/24", "203.0.113.0/24"),  # documentation
        *("192.31.196.0/24", "192.175.48.0/24", "192.52.193.0/24"),  # AS112, AMT
        "192.88.99.0/24",  # relays of 6to4, deprecated
        "198.18.0.0/15",  # benchmarks
        "240.0.0.0/4",  # reserved, and the broadcast
        *("100::/64", "100:0:0:1::/64"),  # discard, dummy prefix
        "2001::/23",  # protocol assignments: benchmarks, ORCHID, AMT, AS112 and others
        *("2001:db8::/32", "3fff::/20"),  # documentation
        "2620:4f:8000::/48",  # AS112
        "5f00::/16",  # segment routing
    ),
}
"""IANA's special-purpose registries for IPv4 and IPv6, with multicast and deprecated ranges. They
include ranges that are formally reachable from everywhere but where no destination can be."""
_SPECIAL = tuple(
    (ipaddress.ip_network(network), kind)
    for kind, networks in _KINDS.items()
    for network in networks
)
_GLOBAL = ipaddress.ip_network("2000::/3")
"""The only part of IPv6 that is assigned to hosts of the public Internet."""

_NAT64 = ipaddress.ip_network("64:ff9b::/96")
_LOCAL_NAT64 = ipaddress.ip_network("64:ff9b:1::/48")
_IPV4_COMPATIBLE = ipaddress.ip_network("::/96")
_IPV4_TRANSLATED = ipaddress.ip_network("::ffff:0:0:0/96")
_ISATAP = (0x00005EFE, 0x02005EFE)


def never_called(host: str) -> bool:
    """Whether the host of a URL is link-local or a metadata service, however it is spelt.

    A name isn't resolved here: `forbidden` checks the address once a resolver has found it.
    """
    host = host.lower().rstrip(".")
    address = address_of(host)
    return host in METADATA_NAMES or (address is not None and forbidden(address) is not None)


def forbidden(address: Address) -> str | None:
    """`link-local` or `metadata` if no setting can allow the address; None for any other.

    An IPv6 address that embeds an IPv4 one (mapped, translated, compatible, 6to4, NAT64, Teredo,
    ISATAP) is treated as that one, too.
    """
    for inside in _carried(address):
        if (kind := forbidden(inside)) is not None:
            return kind
    if address in _METADATA:
        return "metadata"
    return "link-local" if _kind(address) == "link-local" else None


def not_public(address: Address) -> str | None:
    """Why an address is not a public Internet address; None if it is one."""
    if (kind := forbidden(address)) is not None:
        return kind
    if (kind := _kind(address)) is not None:
        return kind
    carried = _carried(address)
    for inside in carried:
        if (kind := not_public(inside)) is not None:
            return kind
    if isinstance(address, ipaddress.IPv6Address) and address not in _GLOBAL and not carried:
        return "reserved"
    return None


def _kind(address: Address) -> str | None:
    return next((kind for network, kind in _SPECIAL if address in network), None)


def _carried(address: Address) -> list[ipaddress.IPv4Address]:
    """The IPv4 addresses that an IPv6 address may embed."""
    if isinstance(address, ipaddress.IPv4Address):
        return []
    if address.ipv4_mapped is not None:
        return [address.ipv4_mapped]
    if address.sixtofour is not None:
        return [address.sixtofour]
    if address.teredo is not None:
        return list(address.teredo)
    packed = address.packed
    if address in _LOCAL_NAT64:  # RFC 6052, 2.2: a prefix of 48 bits, or a longer one inside it
        places = ((6, 7, 9, 10), (7, 9, 10, 11), (9, 10, 11, 12), (12, 13, 14, 15))
        return [ipaddress.IPv4Address(bytes(packed[at] for at in place)) for place in places]
    low = int(address) & 0xFFFFFFFF
    if (
        address in _NAT64
        or address in _IPV4_TRANSLATED
        or (address in _IPV4_COMPATIBLE and int(address) > 1)
        or int.from_bytes(packed[8:12], "big") in _ISATAP
    ):
        return [ipaddress.IPv4Address(low)]
    return []


def address_of(host: str) -> Address | None:
    """The host as an address, in any notation that resolvers accept; None if it is a name."""
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
