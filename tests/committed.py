"""Follows topics of a Kafka, as a reader of what is committed sees them.

Law: what was read is not read again; a test that waits for something looks at what is new.
"""

from __future__ import annotations

import time
import uuid

from confluent_kafka import Consumer, KafkaError, Message, TopicPartition

from agents.errors import BrokerUnavailable
from agents.kafka.broker import committed_ends
from agents.kafka.client import admin_queries, base_config


class CommittedLog:
    """A topic from its beginning, or from where it ends now."""

    def __init__(
        self, broker: str, topic: str, partitions: int, *, from_now_on: bool = False
    ) -> None:
        self._queries = admin_queries(broker)
        self._consumer = Consumer(
            {
                **base_config(broker),
                "group.id": uuid.uuid4().hex,
                "enable.auto.commit": False,
                "isolation.level": "read_committed",
                "enable.partition.eof": True,
                "fetch.wait.max.ms": 100,
            }
        )
        self._partitions = [TopicPartition(topic, number, 0) for number in range(partitions)]
        self._reached: dict[int, int] = dict.fromkeys(range(partitions), 0)
        if from_now_on:
            self._reached = self._ends(time.monotonic())
        self._consumer.assign(
            [TopicPartition(topic, number, offset) for number, offset in self._reached.items()]
        )
        self.messages: list[Message] = []

    def new(self, seconds: float = 60, wait: float = 0.05) -> list[Message]:
        """What was committed since the last look, up to where the log ends now. A broker that is
        away is waited for. wait: for so many seconds for a first message, where none is there."""
        limit = time.monotonic() + seconds
        some, found = self._consumer.consume(1, wait), []
        ends = self._ends(limit)
        while True:
            for message in [*some, *self._consumer.consume(1_000, 0.05)]:
                error = message.error()
                if error is None:
                    found.append(message)
                    self._reached[message.partition()] = message.offset() + 1
                elif error.code() == KafkaError._PARTITION_EOF:
                    self._reached[message.partition()] = message.offset()
            some = []
            if all(self._reached[partition] >= end for partition, end in ends.items()):
                self.messages += found
                return found
            assert time.monotonic() < limit, f"{self._reached}, not {ends}"

    def to_the_end(self) -> list[Message]:
        """All that was committed, up to where the log ends now."""
        self.new()
        return self.messages

    def close(self) -> None:
        self._consumer.close()

    def _ends(self, limit: float) -> dict[int, int]:
        while True:
            try:
                return committed_ends(self._queries, self._partitions)
            except BrokerUnavailable:
                if time.monotonic() > limit:
                    raise
