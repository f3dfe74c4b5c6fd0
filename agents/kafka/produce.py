"""Writing records outside the workers' transactions.

Law: a record counts as written when all in-sync replicas have it; retries neither repeat records
nor change their order.
"""

from __future__ import annotations

import confluent_kafka
from confluent_kafka import KafkaError, KafkaException, Message

from agents.errors import UserError
from agents.kafka.client import base_config

MAX_BYTES = 10 * 1024 * 1024
"""Largest record: what `journeys.events` and `journeys.config` take."""

Headers = list[tuple[str, bytes]]


class TooLarge(UserError):
    """A record is larger than MAX_BYTES; it was not written."""


class Producer:
    """Writes records to the partitions that Kafka's Java clients would choose, and counts the
    results.

    Attributes:
        acknowledged: records that Kafka has.
        failed: records that Kafka does not have.
        error: why the first of them failed. After that no record is accepted, so that there is no
            gap.
        offset: of the last acknowledged record.
        offsets: the same by topic and partition.
    """

    def __init__(self, broker: str, give_up_seconds: float = 30.0) -> None:
        """give_up_seconds: how long a record may take, unless JOURNEYS_KAFKA_MESSAGE_TIMEOUT_MS is
        set."""
        time_limit = {"message.timeout.ms": int(give_up_seconds * 1_000)}
        settings = {
            "enable.idempotence": True,
            "acks": "all",
            "partitioner": "murmur2",
            "linger.ms": 20,  # `flush` doesn't wait for it
            "compression.type": "lz4",
            "message.max.bytes": MAX_BYTES,
            "log_level": 0,
        }
        self._producer = confluent_kafka.Producer(time_limit | base_config(broker) | settings)
        self.acknowledged = 0
        self.failed = 0
        self.error: str | None = None
        self.offset: int | None = None
        self.offsets: dict[tuple[str, int], int] = {}

    def send(
        self,
        topic: str,
        value: bytes,
        key: bytes | None = None,
        *,
        partition: int = -1,
        headers: Headers | None = None,
    ) -> bool:
        """Queues a record, once there is room for it.

        Args:
            partition: -1: chosen by the key.

        Returns:
            Whether it was accepted; False after an earlier record failed.

        Raises:
            TooLarge: the record is too large; others can still be sent.
        """
        while self.error is None:
            try:
                self._producer.produce(
                    topic, value, key, partition, headers=headers, on_delivery=self._report
                )
            except BufferError:
                self.poll(0.1)
            except KafkaException as error:
                if error.args[0].code() == KafkaError.MSG_SIZE_TOO_LARGE:
                    raise TooLarge(
                        f"found a record of {len(value):,} bytes, expected at most {MAX_BYTES:,}"
                    ) from None
                self._report(error.args[0], None)
            else:
                return True
        return False

    def poll(self, seconds: float = 0.0) -> None:
        """Counts the results of records; waits up to `seconds` for one."""
        self._producer.poll(seconds)

    def flush(self) -> None:
        """Waits until every record was acknowledged or failed."""
        self._producer.flush()

    def _report(self, error: KafkaError | None, message: Message | None) -> None:
        if error is not None:
            self.failed += 1
            self.error = self.error or error.str()
        elif message is not None:
            self.acknowledged += 1
            self.offset = message.offset()
            self.offsets[message.topic(), message.partition()] = self.offset


def write(broker: str, topic: str, value: bytes) -> int:
    """Writes one record and returns its offset; gives up after 10 s.

    Raises:
        UserError: it was not written; the message says why.
    """
    producer = Producer(broker, give_up_seconds=10.0)
    try:
        producer.send(topic, value)
    except TooLarge as error:
        raise TooLarge(f"Nothing was written to {topic}: {error}.") from None
    producer.flush()
    if producer.offset is None:
        raise UserError(f"Nothing was written to {topic}: {producer.error}.")
    return producer.offset
