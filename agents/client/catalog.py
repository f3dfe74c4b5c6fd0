"""Follows `journeys.catalog`: the active documents, as every worker sees them.

Law: a worker has read the catalog to its end before it starts, and up to a barrier before it
applies the records after the barrier. It reads without a group, so every worker sees everything
(Faust's GlobalTable doesn't report to the application how far it has recovered).
"""

import asyncio
from collections.abc import Iterable, Mapping
from typing import Any

from confluent_kafka import Message

from agents.errors import BrokerUnavailable
from agents.kafka.read_to_end import Reader
from agents.kafka.topics import CATALOG
from agents.kinds import KINDS
from agents.runtime.exits import last_line
from journeys.catalog.catalog import Catalog
from tables.changelog import POSITION_KEY, RESERVED, Position

_FOLLOW_SECONDS = 0.5


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

        If the catalog doesn't reach that offset yet, all of it is returned, and `config_offset` is
        where it ends. Waits until the broker has returned the end of the catalog.
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
        # The entries that a barrier names are in the catalog's log before the barrier can be read,
        # but the end of their transaction may not be: so the end includes uncommitted records.
        end: dict[tuple[str, int], int] | None = None
        while self.config_offset < config_offset:
            if end is None:
                end = self._end()
            elif self._reader.has_reached(end):
                return
            self._read_once(0.1)

    def _end(self) -> dict[tuple[str, int], int] | None:
        """The end of the catalog, uncommitted records included; None if the broker doesn't
        answer."""
        try:
            return self._reader.ends(committed=False)
        except BrokerUnavailable as error:
            last_line(f"waiting at a barrier for the end of {CATALOG}: {error}")
            return None

    def _read_once(self, seconds: float) -> None:
        self._apply(self._reader.batch(seconds))

    def _apply(self, messages: Iterable[Message]) -> None:
        entries: list[tuple[str, bytes | None]] = []
        offset = self.config_offset
        for message in messages:
            if message.key() == POSITION_KEY:
                offset = Position.unpack(message.value()).source
            elif not message.key().startswith(RESERVED):
                entries.append((message.key().decode(), message.value()))
        if entries:
            self.catalog = self.catalog.with_entries(entries)
        self.config_offset = offset
