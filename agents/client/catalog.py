"""Follows `journeys.catalog`: the active documents, as every worker sees them.

Law: a worker knows the catalog to its end before it starts, and up to a barrier before it applies
what comes after the barrier. It reads without a group, so every worker sees everything (Faust's
GlobalTable recovers without the application knowing how far).
"""

import asyncio
import time
from collections.abc import Iterable, Mapping
from typing import Any

from confluent_kafka import Message

from agents.errors import UserError
from agents.kafka.read_to_end import Reader
from agents.kafka.topics import CATALOG
from agents.kinds import KINDS
from journeys.catalog.catalog import Catalog
from tables.changelog import POSITION_KEY, Position

_BARRIER_SECONDS = 60.0
_FOLLOW_SECONDS = 0.5


class CatalogUnreachable(UserError):
    """The catalog could not be read as far as was needed."""


class CatalogReader:
    """Reads the catalog; its methods are awaited one at a time."""

    def __init__(self, client: Mapping[str, Any]) -> None:
        self.catalog = Catalog(KINDS)
        self.config_offset = 0
        """Every record of `journeys.config` before this offset is in `catalog`."""
        self._reader = Reader(client)
        self._reader.start(CATALOG, {0: 0})
        self._lock = asyncio.Lock()

    def load(self) -> Catalog:
        """Reads to the end, blocking: before a worker starts. Raises BrokerUnavailable."""
        for messages in self._reader.read_until(self._reader.ends()):
            self._apply(messages)
        return self.catalog

    async def read_past(self, config_offset: int) -> Catalog:
        """The catalog with at least every record of `journeys.config` before this offset.

        Raises:
            CatalogUnreachable: it could not be read so far within 60 s.
        """
        if self.config_offset < config_offset:
            async with self._lock:
                await asyncio.to_thread(self._read_past, config_offset)
        return self.catalog

    async def follow(self) -> None:
        """Keeps `catalog` current, for roles without barriers; never returns."""
        while True:
            async with self._lock:
                await asyncio.to_thread(self._read_once, _FOLLOW_SECONDS)

    def _read_past(self, config_offset: int) -> None:
        deadline = time.monotonic() + _BARRIER_SECONDS
        while self.config_offset < config_offset:
            if time.monotonic() > deadline:
                raise CatalogUnreachable(
                    f"{CATALOG} could not be read as far as needed within "
                    f"{_BARRIER_SECONDS:.0f} s; is the broker there, and the topic?"
                )
            self._read_once(0.1)

    def _read_once(self, seconds: float) -> None:
        self._apply(self._reader.batch(seconds))

    def _apply(self, messages: Iterable[Message]) -> None:
        for message in messages:
            if message.key() == POSITION_KEY:
                self.config_offset = Position.unpack(message.value()).source
            else:
                self.catalog = self.catalog.with_entry(message.key().decode(), message.value())
