"""Which addresses a destination may have: the guard against documents that point to internal hosts.

Law: a connection goes to exactly the address that was checked. A name is resolved once per
connection, and no socket is created for an address that is neither public nor allowed. So neither a
name that changes its address between two lookups nor an unusual spelling of an address gets
through.
"""

from __future__ import annotations

import asyncio
import ipaddress
import socket
import threading
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from agents.settings import SettingsError
from journeys.addresses import Address, forbidden, never_called, not_public

VARIABLE = "JOURNEYS_ALLOW_HOSTS"

Network = ipaddress.IPv4Network | ipaddress.IPv6Network
AddressInfo = tuple[Any, Any, int, str, tuple[Any, ...]]
"""An entry of what `socket.getaddrinfo` returns."""

_LOOK_UPS = 64
_LOOK_UPS_OF_A_NAME = 2
"""The most threads that wait for the resolver, in all and per name: a call joins a running lookup
of its name."""
_SLOW_SECONDS = 5.0
"""A lookup that has run longer than this is no longer joined, if another of its name may begin."""


class AddressRefused(OSError):
    """A destination has an address that is not called; the message says what would allow it, if
    anything."""


@dataclass(frozen=True, slots=True)
class Allowed:
    """What destinations may reach besides public addresses, as set by the operator; port None:
    any."""

    names: frozenset[tuple[str, int | None]] = frozenset()
    networks: tuple[tuple[Network, int | None], ...] = ()

    @classmethod
    def from_env(cls, environment: Mapping[str, str]) -> Allowed:
        """Reads JOURNEYS_ALLOW_HOSTS: `host`, `host:port` or a CIDR, separated by commas.

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
        """Whether a host is allowed by its name, whatever its addresses are."""
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


@dataclass(frozen=True, slots=True, eq=False)
class _LookUp:
    """A running lookup of a name; began: by the event loop's clock."""

    found: asyncio.Future[list[AddressInfo]]
    began: float


class Guard:
    """Says which addresses of a host may be connected to."""

    def __init__(
        self,
        allowed: Allowed,
        resolve: Callable[..., list[AddressInfo]] = socket.getaddrinfo,
    ) -> None:
        """resolve: like `socket.getaddrinfo`; called in a thread."""
        self._allowed = allowed
        self._resolve = resolve
        self._look_ups: dict[tuple[str, int], list[_LookUp]] = {}

    async def addresses(self, host: str, port: int) -> list[str]:
        """The addresses of `host`, a name or an address in any spelling, that may be called.

        Raises:
            AddressRefused: there are none.
            OSError: the name is unknown.
        """
        if never_called(host):
            raise AddressRefused(
                f"{host} is a link-local or metadata address, which is never called"
            )
        with suppress(ValueError):
            literal = ipaddress.ip_address(host)
            self._check(str(literal), port, None)
            return [str(literal)]
        found = await asyncio.shield(self._look_up(host, port))
        results: list[str] = []
        refused: AddressRefused | None = None
        for *_, where in found:
            address = str(where[0])
            try:
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
        at = text if host is None else f"{host} is at {text}, which"
        if (kind := forbidden(address)) is not None:  # checked first, as no setting can allow it
            raise AddressRefused(f"{at} is a {kind} address, which is never called")
        if self._allowed.name(host or text, port) or self._allowed.address(address, port):
            return
        kind = not_public(address)
        if kind is not None:
            raise AddressRefused(
                f"{at} is a {kind} address; {VARIABLE} must name {host or text}:{port} to allow it"
            )

    def _look_up(self, host: str, port: int) -> asyncio.Future[list[AddressInfo]]:
        """The resolver's answer for a name, shared by concurrent calls."""
        loop, name = asyncio.get_running_loop(), (host.lower(), port)
        running = self._look_ups.setdefault(name, [])
        full = len(running) >= _LOOK_UPS_OF_A_NAME
        if running and (full or loop.time() - running[-1].began < _SLOW_SECONDS):
            return running[-1].found
        if sum(map(len, self._look_ups.values())) >= _LOOK_UPS:
            raise OSError(f"{_LOOK_UPS} name lookups are in progress: the resolver is too slow")
        one = _LookUp(loop.create_future(), loop.time())
        running.append(one)

        def tell(found: list[AddressInfo] | BaseException) -> None:
            running.remove(one)
            if not running and self._look_ups.get(name) is running:
                del self._look_ups[name]
            if one.found.done():
                return
            if isinstance(found, BaseException):
                one.found.set_exception(found)
                one.found.exception()  # the caller may be gone
            else:
                one.found.set_result(found)

        def ask() -> None:
            result: list[AddressInfo] | BaseException
            try:
                result = self._resolve(
                    host, port, socket.AF_UNSPEC, socket.SOCK_STREAM, 0, socket.AI_ADDRCONFIG
                )
            except BaseException as error:  # noqa: BLE001 - raised where it is waited for
                result = error
            with suppress(RuntimeError):  # the loop has ended in the meantime
                loop.call_soon_threadsafe(tell, result)

        # A daemon, so that a hanging resolver doesn't delay the end of the process.
        try:
            threading.Thread(target=ask, name=f"resolve {host}", daemon=True).start()
        except RuntimeError as error:
            tell(OSError(f"no thread for a lookup: {error}"))
        return one.found

    async def close(self) -> None:
        """Gives up all lookups; their threads end by themselves."""
        for running in self._look_ups.values():
            for one in running:
                if not one.found.done():
                    one.found.set_exception(OSError("given up"))
                    one.found.exception()  # the caller may be gone
        self._look_ups.clear()
