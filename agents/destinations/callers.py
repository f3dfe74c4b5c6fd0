"""The callers of a process, one for each type of destination.

Law: a caller is created when its type is first needed, and all are closed together.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable

from agents.destinations.base import Caller, DestinationType, Parts
from agents.destinations.call_result import CallResult
from agents.destinations.secrets import Secrets
from journeys.documents.destination import Destination
from tables.deliveries import Received


class Callers:
    """Hands each destination to the caller of its type."""

    def __init__(self, types: Iterable[DestinationType], parts: Parts) -> None:
        self._types = {one.name: one for one in types}
        self._parts = parts
        self._open: dict[str, Caller] = {}

    @property
    def secrets(self) -> Secrets:
        return self._parts.secrets

    def of(self, destination: Destination) -> Caller:
        """The caller of the destination's type."""
        name = destination.type
        if name not in self._open:
            self._open[name] = self._types[name].connect(self._parts)
        return self._open[name]

    async def call(
        self,
        destination: Destination,
        action: Received,
        value: bytes,
        confirm: Callable[[], Awaitable[None]],
    ) -> CallResult:
        """One attempt: `Caller.call`."""
        return await self.of(destination).call(destination, action, value, confirm)

    async def close(self) -> None:
        """Closes all connections at once."""
        await asyncio.gather(*(caller.close() for caller in self._open.values()))
        await self._parts.guard.close()
