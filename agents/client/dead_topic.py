"""Reads `journeys.dead` for `journeys dead`, and writes marks and replayed records.

Law: a writer first fences every other command and then reads the topic to its very end, so it sees
every mark of other commands; a replayed record and its mark are one transaction.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Iterable
from typing import TYPE_CHECKING

from agents.errors import UserError

if TYPE_CHECKING:
    from confluent_kafka import KafkaError

    from agents.client.dead_letters import Letters, Record

_WAIT_SECONDS = 30.0


class Overtaken(UserError):
    """A later `journeys dead` has fenced this one; exit code 3."""


def read(broker: str, *, wait_for_transactions: bool = False) -> Letters:
    """Reads the topic to where it ends now.

    Args:
        wait_for_transactions: also read the records after transactions that are open now.

    Raises:
        BrokerUnavailable, TopicError
    """
    from agents.client.dead_letters import Letters
    from agents.kafka.read_to_end import read_to_end
    from agents.kafka.topics import DEAD

    letters = Letters()
    for messages in read_to_end(broker, [DEAD], wait_for_transactions=wait_for_transactions):
        for message in messages:
            letters.read(message)
    return letters


class Writer:
    """Writes transactions; only the `journeys dead` that started last can."""

    def __init__(self, broker: str) -> None:
        """Fences older commands and aborts their open transactions. Raises UserError."""
        from confluent_kafka import KafkaException, Producer

        from agents.kafka.client import base_config
        from agents.kafka.topics import application

        self._producer = Producer(
            base_config(broker)
            | {
                "transactional.id": application("dead"),
                "message.max.bytes": 16_000_000,
                "compression.type": "lz4",
                "log_level": 0,
            },
            logger=_silent_logger(),
        )
        try:
            self._producer.init_transactions(_WAIT_SECONDS)
        except KafkaException as error:
            raise _user_error(error.args[0]) from None

    def write(self, records: Iterable[Record]) -> None:
        """Writes all of the records or none, in one transaction.

        Raises:
            Overtaken: none was written; another command has started.
            UserError: none was written, or it isn't known whether any was; the message says which.
        """
        from confluent_kafka import KafkaException

        try:
            self._producer.begin_transaction()
            for one in records:
                self._produce(one)
            self._commit()
        except KafkaException as error:
            raise _user_error(self._abort(error.args[0])) from None

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

    def _abort(self, reason: KafkaError) -> KafkaError:
        """Aborts the transaction and returns why it failed: `reason`, or the error of the abort if
        `reason` only says that the producer is unusable."""
        from confluent_kafka import KafkaError, KafkaException

        try:
            self._producer.abort_transaction(_WAIT_SECONDS)
        except KafkaException as error:  # the broker aborts it after its timeout
            if reason.code() == KafkaError._FATAL:
                failed: KafkaError = error.args[0]
                return failed
        return reason


def _silent_logger() -> logging.Logger:
    """For librdkafka, which logs at every level that it was fenced."""
    logger = logging.Logger("journeys-dead")
    logger.addHandler(logging.NullHandler())
    return logger


def _user_error(error: KafkaError) -> UserError:
    from confluent_kafka import KafkaError

    fenced = (
        KafkaError._FENCED,
        KafkaError.PRODUCER_FENCED,
        KafkaError.INVALID_PRODUCER_EPOCH,
    )
    if error.code() in fenced:
        return Overtaken("Another `journeys dead` has started meanwhile; this one has stopped.")
    return UserError(f"Nothing was written: {error.str()}.")
