"""Reading topics to their present end, and beyond.

Law: a reader sees only committed records, all of them, in the order of each partition. It joins no
group and stores no position: its caller says where it starts.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from confluent_kafka import Consumer, KafkaError, Message, TopicPartition

from agents.errors import BrokerUnavailable
from agents.kafka.broker import committed_ends, log_ends, partition_counts
from agents.kafka.client import Admin, base_config
from tables.admin_queries import AdminQueries

Partition = tuple[str, int]

STALL_SECONDS = 75.0
"""Reading is given up after this long without progress: longer than a worker's transaction can stay
open."""

_REFUSED = (
    KafkaError.TOPIC_AUTHORIZATION_FAILED,
    KafkaError.GROUP_AUTHORIZATION_FAILED,
    KafkaError._AUTHENTICATION,
)


def read_to_end(
    broker: str, topics: Iterable[str], *, wait_for_transactions: bool = False
) -> Iterator[list[Message]]:
    """Yields all committed records of some topics up to their ends at the time of the call.

    Args:
        broker: bootstrap servers.
        wait_for_transactions: records after an open transaction can't be read until it ends. True:
            wait for the transactions that are open now. False: stop before them.

    Raises:
        TopicError: a topic does not exist.
        BrokerUnavailable: the broker doesn't answer, refuses, or nothing came for STALL_SECONDS.
    """
    counts = partition_counts(broker, topics)
    reader = Reader(base_config(broker))
    try:
        for topic, count in counts.items():
            reader.start(topic, dict.fromkeys(range(count), 0))
        yield from reader.read_until(reader.ends(committed=not wait_for_transactions))
    finally:
        reader.close()


class Reader:
    """Reads partitions, each from an offset on. For one thread at a time."""

    def __init__(self, client: Mapping[str, Any]) -> None:
        """client: the options of librdkafka, from `base_config`."""
        self._client = {**client, "log_level": 0}
        self._consumer = Consumer(
            self._client
            | {
                "group.id": "journeys-reader",  # required by librdkafka; it is never joined
                "enable.auto.commit": False,
                "isolation.level": "read_committed",
                "enable.partition.eof": True,
                # If the next records were deleted, the oldest remaining one comes next.
                "auto.offset.reset": "earliest",
                "fetch.wait.max.ms": 50,
            }
        )
        self._queries = AdminQueries(lambda: Admin(self._client))
        self._next: dict[Partition, int] = {}

    def start(self, topic: str, offsets: Mapping[int, int]) -> None:
        """Reads more partitions: those of `offsets`, each from its offset on."""
        places = [TopicPartition(topic, number, offset) for number, offset in offsets.items()]
        self._consumer.incremental_assign(places)
        self._next |= {(topic, number): offset for number, offset in offsets.items()}

    def start_at_end(self, topic: str, partitions: Iterable[int]) -> None:
        """Reads more partitions, from their present ends on."""
        places = [TopicPartition(topic, number) for number in partitions]
        self.start(topic, committed_ends(self._queries, places))

    def batch(self, seconds: float, most: int = 2_000) -> list[Message]:
        """The next records, as soon as there are any; empty if none arrived within `seconds`.

        An unavailable broker may come back: the caller decides how long to wait.

        Raises:
            BrokerUnavailable: the broker refuses to let us read.
        """
        first = self._consumer.poll(seconds)
        if first is None:
            return []
        # `consume` alone would wait the whole time for a full batch.
        messages = [first, *self._consumer.consume(most - 1, 0)]
        return [message for message in messages if self._is_record(message)]

    def read_until(self, ends: Mapping[Partition, int]) -> Iterator[list[Message]]:
        """Yields batches until `ends` are reached; the last may contain records beyond them.

        Raises:
            BrokerUnavailable: the broker refuses, or nothing came for STALL_SECONDS.
        """
        progressed = time.monotonic()
        while not self.has_reached(ends):
            before = dict(self._next)
            if messages := self.batch(0.2):
                yield messages
            if messages or self._next != before:
                progressed = time.monotonic()
            elif time.monotonic() - progressed > STALL_SECONDS:
                topics = ", ".join(sorted({topic for topic, _ in ends}))
                raise BrokerUnavailable(
                    f"{topics} could not be read to the end: nothing came for "
                    f"{STALL_SECONDS:.0f} s."
                )

    def ends(self, *, committed: bool = True) -> dict[Partition, int]:
        """The present ends of the partitions: the offset after the last record.

        Args:
            committed: True: of the records that are visible now. False: including open transactions
                and the records after them.

        Raises:
            BrokerUnavailable: the broker doesn't answer.
        """
        ask, found = committed_ends if committed else log_ends, {}
        for topic in {topic for topic, _ in self._next}:
            places = [TopicPartition(*one) for one in self._next if one[0] == topic]
            for number, end in ask(self._queries, places).items():
                found[topic, number] = end
        return found

    def has_reached(self, ends: Mapping[Partition, int]) -> bool:
        """Whether everything before these offsets has been read."""
        return all(self._next[partition] >= end for partition, end in ends.items())

    def reads(self, topic: str, number: int) -> bool:
        """Whether this partition is read."""
        return (topic, number) in self._next

    def close(self) -> None:
        self._consumer.close()

    def _is_record(self, message: Message) -> bool:
        """Notes how far the partition is read; the end of a partition arrives as an error with an
        offset."""
        error = message.error()
        if error is None:
            self._next[message.topic(), message.partition()] = message.offset() + 1
        elif error.code() == KafkaError._PARTITION_EOF:
            self._next[message.topic(), message.partition()] = message.offset()
        elif error.code() in _REFUSED:
            raise BrokerUnavailable(f"The broker refuses to let us read: {error.str()}.")
        return error is None
