"""The effects of a batch as one Kafka transaction.

Law: the outputs, changed records and applied source position of a batch become visible together or
not at all, and only the newest owner of a partition can write them: the broker fences every older
producer with the same transactional id.

Answers Faust's `exactly_once` (sends outside transactions, not flushed, not atomic over partitions)
and its table writes (changelog, offsets and outputs in separate requests). The protocol is Kafka
Streams' first exactly-once one: a producer per source partition.
"""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from operator import attrgetter, itemgetter
from typing import Any

from confluent_kafka import (
    TIMESTAMP_LOG_APPEND_TIME,
    KafkaError,
    KafkaException,
    Message,
    Producer,
)

from agents.metrics import PartitionCounts
from agents.runtime.broker_clock import BrokerClock
from tables.changelog import POSITION_KEY, Position
from tables.store import Change

_TRANSACTION_TIMEOUT_MS = 60_000
"""A shorter one aborted three of four commits in a broker outage of 36 s. A takeover ends an open
transaction at once, so the length only matters if nobody takes over."""
_COMMIT_ATTEMPT_SECONDS = 10.0
_COMMIT_LIMIT_SECONDS = 120.0
_FENCE_LIMIT_SECONDS = 60.0
MAX_MESSAGE_BYTES = 16_000_000

Headers = list[tuple[str, bytes]]


class TransactionError(RuntimeError):
    """The transaction's outcome is not known, or one of its messages was refused."""


@dataclass(slots=True)
class Outputs:
    """The messages of a batch, by topic and partition; partition None: Kafka's partitioner chooses
    by the key."""

    plain: dict[tuple[str, int | None], list[dict[str, Any]]]
    with_headers: list[tuple[str, int | None, bytes | None, bytes, Headers]]

    @classmethod
    def none(cls) -> "Outputs":
        return cls({}, [])

    def add(
        self,
        topic: str,
        partition: int | None,
        key: bytes | None,
        value: bytes,
        headers: Headers | None = None,
    ) -> None:
        if headers:
            self.with_headers.append((topic, partition, key, value, headers))
        else:
            # librdkafka accepts whole batches only of messages without headers.
            where = topic, partition
            messages = self.plain.get(where)
            if messages is None:
                messages = self.plain[where] = []
            messages.append({"key": key, "value": value})

    def sizes(self) -> Iterator[tuple[str, int, int]]:
        """(topic, records, bytes of their values); a topic may come several times."""
        for (topic, _), messages in self.plain.items():
            yield topic, len(messages), sum(map(len, map(itemgetter("value"), messages)))
        for topic, _, _, value, _ in self.with_headers:
            yield topic, 1, len(value)

    def __bool__(self) -> bool:
        return bool(self.plain or self.with_headers)


def count_sent(
    counts: PartitionCounts, outputs: Outputs, changelog: str, changes: Sequence[Change]
) -> None:
    """Counts the records of one committed transaction, except that of its position."""
    counts.changed += len(changes)
    for topic, records, size in outputs.sizes():
        counts.add_sent(topic, records, size)
    size = sum(map(len, filter(None, map(attrgetter("value"), changes))))
    counts.add_sent(changelog, len(changes), size)


class TransactionalProducer:
    """The producer of one owned source partition. Its methods block: call them in a thread."""

    def __init__(
        self,
        client: Mapping[str, Any],
        transactional_id: str,
        changelog: str,
        partition: int,
        clock: BrokerClock,
    ) -> None:
        """client: librdkafka's base configuration. changelog, partition: where records go.
        clock: observes the broker's time at every commit."""
        self.changelog = changelog
        self.partition = partition
        self._clock = clock
        self._producer = Producer(
            {
                **client,
                "transactional.id": transactional_id,
                "transaction.timeout.ms": _TRANSACTION_TIMEOUT_MS,
                "enable.idempotence": True,
                "acks": "all",
                "linger.ms": 1,
                "compression.type": "lz4",
                "batch.size": 1 << 20,
                "message.max.bytes": MAX_MESSAGE_BYTES,
                "queue.buffering.max.messages": 1_000_000,
                "partitioner": "murmur2_random",
                "socket.nagle.disable": True,
            }
        )

    def fence(self) -> None:
        """Makes the broker end the open transactions of all older owners and refuse their writes
        from now on.

        Returns only when the older transactions' markers are written. Raises KafkaException.
        """
        _retried(lambda: self._producer.init_transactions(30), _FENCE_LIMIT_SECONDS)

    def commit(self, outputs: Outputs, changes: Sequence[Change], position: Position) -> int:
        """Writes one transaction, and returns the changelog offset after it.

        Raises KafkaException when this producer is fenced or the transaction can't be completed,
        TransactionError if it isn't known whether everything arrived. Both end the process.
        """
        delivered: list[int | KafkaError] = []
        sent = self._clock.steady()

        def on_position(error: KafkaError | None, message: Message) -> None:
            delivered.append(error if error is not None else message.offset())
            kind, stamp = message.timestamp()
            if error is None and kind == TIMESTAMP_LOG_APPEND_TIME:
                self._clock.observe(stamp, sent, self._clock.steady())

        self.begin()
        for (topic, partition), messages in outputs.plain.items():
            self._produce(topic, partition, messages)
        for topic, partition, key, value, headers in outputs.with_headers:
            self._produce_one(topic, partition, key, value, headers)
        records: list[dict[str, Any]] = [{"key": c.key, "value": c.value} for c in changes]
        records.append(
            {"key": POSITION_KEY, "value": position.pack(), "callback": on_position},
        )
        self._produce(self.changelog, self.partition, records)
        self.end()
        if not delivered or not isinstance(delivered[0], int):
            raise TransactionError(f"{self.changelog}: no offset for the position: {delivered}")
        return delivered[0] + 1

    def begin(self) -> None:
        self._producer.begin_transaction()

    def end(self) -> None:
        """Commits. A retriable failure is retried, as the broker accepts the same commit twice."""
        _retried(
            lambda: self._producer.commit_transaction(_COMMIT_ATTEMPT_SECONDS),
            _COMMIT_LIMIT_SECONDS,
        )

    def _produce(self, topic: str, partition: int | None, messages: list[dict[str, Any]]) -> None:
        while messages:
            if partition is None:
                accepted = self._producer.produce_batch(topic, messages)
            else:
                accepted = self._producer.produce_batch(topic, messages, partition)
            if accepted == len(messages):
                return
            refused = [m for m in messages if m.get("_error") is not None]
            for message in refused:
                error = message.pop("_error")
                if error.code() != KafkaError._QUEUE_FULL:
                    raise KafkaException(error)
            messages = refused
            self._producer.poll(0.05)

    def _produce_one(
        self, topic: str, partition: int | None, key: bytes | None, value: bytes, headers: Headers
    ) -> None:
        where = {} if partition is None else {"partition": partition}
        while True:
            try:
                self._producer.produce(topic, value=value, key=key, headers=headers, **where)
                return
            except BufferError:
                self._producer.poll(0.05)


def _retried(call: Callable[[], None], limit: float) -> None:
    """Repeats `call` while Kafka says the error is retriable, for at most `limit` seconds."""
    end = time.monotonic() + limit
    while True:
        try:
            return call()
        except KafkaException as error:
            if not error.args[0].retriable() or time.monotonic() > end:
                raise
            time.sleep(0.05)
