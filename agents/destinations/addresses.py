"""Which addresses a destination may be at: the guard against documents that point inwards.

Law: what is connected to is the very address that was checked. A name is resolved once for a
connection, and no socket is made for an address that is neither public nor allowed, so neither a
name that changes its address between two look-ups nor an unusual spelling of one gets through.
"""

from __future__ import annotations

import asyncio
import ipaddress
import socket
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from agents.settings import SettingsError

VARIABLE = "JOURNEYS_ALLOW_HOSTS"

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Network = ipaddress.IPv4Network | ipaddress.IPv6Network
AddressInfo = tuple[Any, Any, int, str, tuple[Any, ...]]
"""An entry of what `socket.getaddrinfo` returns."""

_NAT64 = ipaddress.ip_network("64:ff9b::/96")
_LOCAL_NAT64 = ipaddress.ip_network("64:ff9b:1::/48")  # older Pythons take it for public
_IPV4_COMPATIBLE = ipaddress.ip_network("::/96")
_PLATFORM = ipaddress.ip_address("168.63.129.16")  # Azure's own services; formally a public address
_LOOK_UPS = 16
"""Threads that wait for the resolver; one name takes one of them however many calls want it."""


class AddressRefused(OSError):
    """A destination is at an address that is not called; says what would allow it."""


@dataclass(frozen=True, slots=True)
class Allowed:
    """What the operator lets destinations reach besides public addresses; a port of None is any."""

    names: frozenset[tuple[str, int | None]] = frozenset()
    networks: tuple[tuple[Network, int | None], ...] = ()

    @classmethod
    def from_env(cls, environment: Mapping[str, str]) -> Allowed:
        """Reads JOURNEYS_ALLOW_HOSTS: `host`, `host:port` or a CIDR, commas between.

        Raises:
            SettingsError: an entry is none of these.
        """
        names: set[tuple[str, int | None]] = set()
        networks: list[tuple[Network, int | None]] = []
        for entry in environment.get(VARIABLE, "").split(","):
            if not (text := entry.strip()):
                continue
            host, port = _host_and_port(text)
            try:
                networks.append((ipaddress.ip_network(host), port))
            except ValueError:
                if not host or any(character in host for character in "/:*@ "):
                    raise SettingsError(
                        f"{VARIABLE} has {text!r}; it must be a host, host:port or a CIDR such as "
                        "10.0.0.0/8, several with commas between."
                    ) from None
                names.add((host.lower().rstrip("."), port))
        return cls(frozenset(names), tuple(networks))

    def name(self, host: str, port: int) -> bool:
        """Whether a host is allowed by its name, wherever that leads."""
        host = host.lower().rstrip(".")
        return (host, port) in self.names or (host, None) in self.names

    def address(self, address: Address, port: int) -> bool:
        """Whether an address is in one of the allowed networks."""
        return any(address in network and where in (None, port) for network, where in self.networks)


def _host_and_port(text: str) -> tuple[str, int | None]:
    if text.startswith("[") and "]" in text:
        host, _, rest = text[1:].partition("]")
    elif text.count(":") == 1:
        host, _, rest = text.partition(":")
        rest = f":{rest}"
    else:
        return text, None
    if not rest:
        return host, None
    port = rest[1:]
    if rest[0] != ":" or not (port.isascii() and port.isdecimal() and 0 < int(port) < 65_536):
        raise SettingsError(f"{VARIABLE} has {text!r}; its port must be 1 to 65535.")
    return host, int(port)


def not_public(address: Address) -> str | None:
    """What an address is that makes it none of the public Internet's; None for a public one.

    An IPv6 address that carries an IPv4 one (mapped, compatible, 6to4, NAT64, Teredo) is what that
    is, if that is not public.
    """
    if isinstance(address, ipaddress.IPv6Address):
        for inside in _carried(address):
            kind = not_public(inside)
            if kind is not None:
                return kind
        if address.ipv4_mapped or address in _NAT64:
            return None
        if address.is_site_local or address in _LOCAL_NAT64:
            return "private"
    if address.is_unspecified:
        return "unspecified"
    if address.is_loopback:
        return "loopback"
    if address.is_link_local:
        return "link-local"
    if address.is_multicast:
        return "multicast"
    if address == _PLATFORM:
        return "platform"
    if not address.is_global or address.is_private or address.is_reserved:
        return "private"
    return None


def _carried(address: ipaddress.IPv6Address) -> list[ipaddress.IPv4Address]:
    low = ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
    if address.ipv4_mapped is not None:
        return [address.ipv4_mapped]
    if address.sixtofour is not None:
        return [address.sixtofour]
    if address.teredo is not None:
        return list(address.teredo)
    if address in _NAT64 or (address in _IPV4_COMPATIBLE and int(address) > 1):
        return [low]
    return []


class Guard:
    """Says which addresses of a host may be connected to."""

    def __init__(
        self,
        allowed: Allowed,
        resolve: Callable[..., list[AddressInfo]] = socket.getaddrinfo,
    ) -> None:
        """resolve: as `socket.getaddrinfo`; called in a thread."""
        self._allowed = allowed
        self._resolve = resolve
        self._threads = ThreadPoolExecutor(_LOOK_UPS, thread_name_prefix="resolve")

    async def addresses(self, host: str, port: int) -> list[str]:
        """The addresses of `host`, a name or an address in any spelling, that may be called.

        Raises:
            AddressRefused: there are none.
            OSError: the name is not known.
        """
        with suppress(ValueError):
            literal = ipaddress.ip_address(host)
            if not self._allowed.name(host, port):
                self._check(str(literal), port, None)
            return [str(literal)]
        found = await asyncio.get_running_loop().run_in_executor(
            self._threads,
            lambda: self._resolve(
                host, port, socket.AF_UNSPEC, socket.SOCK_STREAM, 0, socket.AI_ADDRCONFIG
            ),
        )
        results: list[str] = []
        refused: AddressRefused | None = None
        for *_, where in found:
            address = str(where[0])
            try:
                if not self._allowed.name(host, port):
                    self._check(address, port, host)
            except AddressRefused as error:
                refused = error
            else:
                results.append(address)
        if refused is not None and not results:
            raise refused
        return results

    def _check(self, text: str, port: int, host: str | None) -> None:
        try:
            address = ipaddress.ip_address(text.partition("%")[0])
        except ValueError:
            raise AddressRefused(f"{text!r} is not an address in its usual form") from None
        if self._allowed.address(address, port):
            return
        kind = not_public(address)
        if kind is not None:
            at = text if host is None else f"{host} is at {text}, which"
            raise AddressRefused(
                f"{at} is a {kind} address; {VARIABLE} must name {host or text}:{port} to allow it"
            )

    async def close(self) -> None:
        self._threads.shutdown(wait=False, cancel_futures=True)
