"""Follows `journeys.catalog`: what is in force, as every worker sees it.

Law: a worker knows the catalog to its end before it starts, and up to a barrier before it applies
what comes after the barrier. It reads with a consumer of its own, without a group, so that every
worker sees everything (Faust's GlobalTable recovers behind the application's back).
"""

import asyncio
import time
from collections.abc import Callable, Mapping
from typing import Any

from confluent_kafka import Consumer, KafkaError, KafkaException, Message, TopicPartition

from agents.errors import UserError
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
        self._consumer = Consumer(
            {
                **client,
                "group.id": "journeys-catalog-reader",
                "enable.auto.commit": False,
                "isolation.level": "read_committed",
                "enable.partition.eof": True,
                "auto.offset.reset": "earliest",
                "fetch.wait.max.ms": 50,
            }
        )
        self._consumer.assign([TopicPartition(CATALOG, 0, 0)])
        self._at_end = False
        self._lock = asyncio.Lock()

    def load(self) -> Catalog:
        """Reads to the end, blocking: before a worker starts. Raises CatalogUnreachable."""
        self._read_until(lambda: self._at_end)
        return self.catalog

    async def read_past(self, config_offset: int) -> Catalog:
        """The catalog with every configuration record before `config_offset` (at least)."""
        if self.config_offset < config_offset:
            async with self._lock:
                await asyncio.to_thread(
                    self._read_until, lambda: self.config_offset >= config_offset
                )
        return self.catalog

    async def follow(self) -> None:
        """Keeps `catalog` current, for roles without barriers; never returns."""
        while True:
            async with self._lock:
                await asyncio.to_thread(self._read_once, _FOLLOW_SECONDS)

    def _read_until(self, reached: Callable[[], bool]) -> None:
        limit = time.monotonic() + _BARRIER_SECONDS
        while not reached():
            if time.monotonic() > limit:
                raise CatalogUnreachable(
                    f"{CATALOG} could not be read as far as needed within "
                    f"{_BARRIER_SECONDS:.0f} s; is the broker there, and the topic?"
                )
            self._read_once(0.1)

    def _read_once(self, seconds: float) -> None:
        for message in self._consumer.consume(1_000, seconds):
            error = message.error()
            if error is None:
                self._apply(message)
            elif error.code() == KafkaError._PARTITION_EOF:
                self._at_end = True
            elif error.fatal() or not error.retriable():
                raise KafkaException(error)

    def _apply(self, message: Message) -> None:
        if message.key() == POSITION_KEY:
            self.config_offset = Position.unpack(message.value()).source
        else:
            self.catalog = self.catalog.with_entry(message.key().decode(), message.value())
