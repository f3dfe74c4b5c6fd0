"""Following topics: from where, how far, and in which order records come."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import suppress
from enum import StrEnum
from typing import TYPE_CHECKING

from agents.errors import BrokerUnavailable

if TYPE_CHECKING:
    from confluent_kafka import Message

_BATCH = 2_000
_WAIT_SECONDS = 0.2
_LOOK_SECONDS = 1.0  # for topics that are new


class Stream(StrEnum):
    """What can be followed."""

    outcomes = "outcomes"
    actions = "actions"
    dead = "dead"


class Follower:
    """Reads all partitions of one topic, or of all topics of actions."""

    def __init__(self, broker: str, stream: Stream, from_start: bool) -> None:
        from confluent_kafka import Consumer

        from agents.kafka.broker import reach
        from agents.kafka.client import admin_client, base_config

        self._broker = broker
        self._stream = stream
        found = reach(broker)
        self._check(found)
        self._admin = admin_client(broker)
        self._consumer = Consumer(
            base_config(broker)
            | {
                "group.id": "journeys-tail",  # never joined
                "enable.auto.commit": False,
                "isolation.level": "read_committed",
                "enable.partition.eof": True,
                "fetch.wait.max.ms": 100,
                "log_level": 0,
            }
        )
        self._next: dict[tuple[str, int], int] = {}
        self._take_on(found, from_start)

    def batches(self, exit_idle: float | None) -> Iterator[list[Message]]:
        """Records as they come; ends when there were none for `exit_idle` seconds."""
        idle_since = looked = time.monotonic()
        while True:
            messages = []
            for message in self._consumer.consume(_BATCH, _WAIT_SECONDS):
                self._note(message)
                if message.error() is None:
                    messages.append(message)
            now = time.monotonic()
            if messages:
                yield messages
                idle_since = time.monotonic()
            elif exit_idle is not None and now - idle_since >= exit_idle:
                if self._at_end():
                    return
                idle_since = now
            if self._stream is Stream.actions and now - looked > _LOOK_SECONDS:
                self._look_for_new_topics()
                looked = time.monotonic()

    def _check(self, found: dict[str, int]) -> None:
        from agents.kafka.broker import partitions_of
        from agents.kafka.topics import EVENTS

        topic = EVENTS if self._stream is Stream.actions else f"journeys.{self._stream}"
        if topic not in found:
            partitions_of(self._broker, topic)  # raises, with what to do

    def _take_on(self, found: dict[str, int], from_start: bool) -> bool:
        """Begins to read those partitions that aren't read yet; says whether there were any."""
        from confluent_kafka import TopicPartition

        from agents.kafka.broker import committed_ends
        from agents.kafka.topics import actions

        wanted = [
            name
            for name in sorted(found)
            if (
                name.startswith(actions(""))
                if self._stream is Stream.actions
                else name == f"journeys.{self._stream}"
            )
        ]
        new = [
            (name, number)
            for name in wanted
            for number in range(found[name])
            if (name, number) not in self._next
        ]
        for name in {name for name, _ in new}:
            places = [TopicPartition(*one) for one in new if one[0] == name]
            ends = {} if from_start else committed_ends(self._admin, places)
            starts = [TopicPartition(name, p.partition, ends.get(p.partition, 0)) for p in places]
            self._consumer.incremental_assign(starts)
            self._next |= {(name, one.partition): one.offset for one in starts}
        return bool(new)

    def _look_for_new_topics(self) -> None:
        from agents.kafka.broker import reach

        with suppress(BrokerUnavailable):  # it may come back
            self._take_on(reach(self._broker), from_start=True)

    def _note(self, message: Message) -> None:
        """Keeps how far each partition is read; its end is told as an error with its offset."""
        from confluent_kafka import KafkaError

        error = message.error()
        if error is None:
            self._next[message.topic(), message.partition()] = message.offset() + 1
        elif error.code() == KafkaError._PARTITION_EOF:
            self._next[message.topic(), message.partition()] = message.offset()
        elif error.code() in (KafkaError.TOPIC_AUTHORIZATION_FAILED, KafkaError._AUTHENTICATION):
            raise BrokerUnavailable(f"The broker refuses to let us read: {error.str()}.")

    def _at_end(self) -> bool:
        """Whether all that is committed now is read, as the broker itself says."""
        from confluent_kafka import TopicPartition

        from agents.kafka.broker import committed_ends

        for name in {topic for topic, _ in self._next}:
            places = [TopicPartition(*one) for one in self._next if one[0] == name]
            ends = committed_ends(self._admin, places)
            if any(self._next[name, number] < end for number, end in ends.items()):
                return False
        return True
