"""How `journeys dead` reads `journeys.dead`, and writes to it and to where letters came from.

Law: who writes has first fenced every other command and then read the topic to its very end, so no
mark of another one is missed; and what is put back and its mark are one transaction.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Iterable
from typing import TYPE_CHECKING

from agents.errors import BrokerUnavailable, UserError

if TYPE_CHECKING:
    from confluent_kafka import KafkaError

    from agents.client.dead_letters import Letters, Record

_TRANSACTIONAL_ID = "journeys-dead"
_WAIT_SECONDS = 30.0
_LIMIT_SECONDS = 75.0  # longer than a worker's transaction can stay open


class Overtaken(UserError):
    """Another command has begun since and writes now; exit code 3."""


def read(broker: str, *, to_the_very_end: bool = False) -> Letters:
    """Reads the topic.

    Args:
        to_the_very_end: waits for transactions that are open, behind which nothing can be seen.

    Raises:
        BrokerUnavailable, TopicError
    """
    from confluent_kafka import Consumer, KafkaError, TopicPartition

    from agents.client.dead_letters import Letters
    from agents.kafka.broker import committed_ends, log_ends, partitions_of
    from agents.kafka.client import admin_client, base_config
    from agents.kafka.topics import DEAD

    places = [TopicPartition(DEAD, number, 0) for number in range(partitions_of(broker, DEAD))]
    ends = (log_ends if to_the_very_end else committed_ends)(admin_client(broker), places)
    consumer = Consumer(
        base_config(broker)
        | {
            "group.id": "journeys-dead",  # never joined
            "enable.auto.commit": False,
            "isolation.level": "read_committed",
            "auto.offset.reset": "earliest",
            "enable.partition.eof": True,
            "fetch.wait.max.ms": 50,
            "log_level": 0,
        }
    )
    letters, reached, moved = Letters(), dict.fromkeys(ends, 0), time.monotonic()
    try:
        consumer.assign(places)
        while any(reached[number] < end for number, end in ends.items()):
            for message in consumer.consume(2_000, 0.2):
                error = message.error()
                if error is None:
                    letters.read(message)
                    reached[message.partition()] = message.offset() + 1
                    moved = time.monotonic()
                elif error.code() == KafkaError._PARTITION_EOF:
                    reached[message.partition()] = message.offset()
            if time.monotonic() - moved > _LIMIT_SECONDS:
                raise BrokerUnavailable(
                    f"{DEAD} could not be read to its end within {_LIMIT_SECONDS:.0f} s."
                )
        return letters
    finally:
        consumer.close()


class Writer:
    """Writes transactions, as the only `journeys dead` that can."""

    def __init__(self, broker: str) -> None:
        """Ends the transaction of an older command, if there is one, and fences it.

        Raises BrokerUnavailable."""
        from confluent_kafka import KafkaException, Producer

        from agents.kafka.client import base_config

        self._producer = Producer(
            base_config(broker)
            | {
                "transactional.id": _TRANSACTIONAL_ID,
                "message.max.bytes": 16_000_000,
                "compression.type": "lz4",
                "log_level": 0,
            },
            logger=_silent(),
        )
        try:
            self._producer.init_transactions(_WAIT_SECONDS)
        except KafkaException as error:
            raise _told(error.args[0]) from None

    def write(self, records: Iterable[Record]) -> None:
        """All of the records or none, in one transaction.

        Raises:
            Overtaken: none; another command has begun.
            UserError: none, or it isn't known; the message says which.
        """
        from confluent_kafka import KafkaException

        try:
            self._producer.begin_transaction()
            for one in records:
                self._produce(one)
            self._commit()
        except KafkaException as error:
            raise _told(self._given_up(error.args[0])) from None

    def _produce(self, record: Record) -> None:
        topic, partition, key, value, headers = record
        while True:
            try:
                self._producer.produce(topic, value, key, partition, headers=headers)
                return
            except BufferError:
                self._producer.poll(0.1)

    def _commit(self) -> None:
        from confluent_kafka import KafkaException

        deadline = time.monotonic() + _WAIT_SECONDS
        while True:
            try:
                self._producer.commit_transaction(_WAIT_SECONDS)
                return
            except KafkaException as error:
                if not error.args[0].retriable():
                    raise
                if time.monotonic() > deadline:
                    raise UserError(
                        "The broker does not answer: it is not known whether the last ones were "
                        "written. Run the command again: what was replayed is not replayed twice."
                    ) from None

    def _given_up(self, reason: KafkaError) -> KafkaError:
        """Ends the transaction. Returns why it failed, which `produce` doesn't tell when the
        producer is done for."""
        from confluent_kafka import KafkaError, KafkaException

        try:
            self._producer.abort_transaction(_WAIT_SECONDS)
        except KafkaException as error:  # the broker aborts it by itself, too
            if reason.code() == KafkaError._FATAL:
                failed: KafkaError = error.args[0]
                return failed
        return reason


def _silent() -> logging.Logger:
    """For librdkafka, which tells that it was fenced at any level."""
    logger = logging.Logger("journeys-dead")
    logger.addHandler(logging.NullHandler())
    return logger


def _told(error: KafkaError) -> UserError:
    from confluent_kafka import KafkaError

    fenced = (
        KafkaError._FENCED,
        KafkaError.PRODUCER_FENCED,
        KafkaError.INVALID_PRODUCER_EPOCH,
    )
    if error.code() in fenced:
        return Overtaken("Another `journeys dead` has begun meanwhile; this one has stopped.")
    return UserError(f"Nothing was written: {error.str()}.")
