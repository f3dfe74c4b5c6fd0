"""Following one kind of record over all partitions, new topics included."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import suppress
from enum import StrEnum
from typing import TYPE_CHECKING

from agents.errors import BrokerUnavailable

if TYPE_CHECKING:
    from confluent_kafka import Message

_BATCH_SECONDS = 0.2
_NEW_TOPICS_SECONDS = 1.0  # between two searches for new topics


class Stream(StrEnum):
    """The kinds of records that can be followed."""

    outcomes = "outcomes"
    actions = "actions"
    dead = "dead"


class Follower:
    """Reads all partitions of one topic, or of the actions topics of all destinations."""

    def __init__(self, broker: str, stream: Stream, from_start: bool) -> None:
        """from_start: also existing records, not only new ones.

        Raises:
            BrokerUnavailable, TopicError
        """
        from agents.kafka.broker import reach
        from agents.kafka.client import base_config
        from agents.kafka.read_to_end import Reader

        self._broker = broker
        self._stream = stream
        self._check()
        self._reader = Reader(base_config(broker))
        self._start(reach(broker), from_start)

    def batches(self, exit_idle: float | None) -> Iterator[list[Message]]:
        """Yields records as they arrive; ends when none arrived for `exit_idle` seconds.

        Raises:
            BrokerUnavailable: the broker refuses to let us read.
        """
        idle_since = searched = time.monotonic()
        while True:
            messages = self._reader.batch(_BATCH_SECONDS)
            now = time.monotonic()
            if messages:
                yield messages
                idle_since = time.monotonic()
            elif exit_idle is not None and now - idle_since >= exit_idle:
                if self._reader.has_reached(self._reader.ends()):
                    return
                idle_since = now
            if self._stream is Stream.actions and now - searched > _NEW_TOPICS_SECONDS:
                self._start_new_topics()
                searched = time.monotonic()

    def _check(self) -> None:
        from agents.kafka.broker import partitions_of
        from agents.kafka.topics import EVENTS

        # Without a destination there is no topic of actions; that is not an error.
        partitions_of(self._broker, EVENTS if self._stream is Stream.actions else self._topic())

    def _start_new_topics(self) -> None:
        from agents.kafka.broker import reach

        with suppress(BrokerUnavailable):  # it may come back
            self._start(reach(self._broker), from_start=True)

    def _start(self, found: dict[str, int], from_start: bool) -> None:
        """Starts reading the partitions that aren't read yet."""
        for topic in filter(self._is_followed, sorted(found)):
            new = [n for n in range(found[topic]) if not self._reader.reads(topic, n)]
            if new and from_start:
                self._reader.start(topic, dict.fromkeys(new, 0))
            elif new:
                self._reader.start_at_end(topic, new)

    def _is_followed(self, topic: str) -> bool:
        from agents.kafka.topics import actions

        if self._stream is Stream.actions:
            return topic.startswith(actions(""))
        return topic == self._topic()

    def _topic(self) -> str:
        from agents.kafka.topics import physical

        return physical(f"journeys.{self._stream}")
