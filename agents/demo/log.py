"""How the demo writes its history to Kafka, at its pace, and follows topics in the background.

Law: an event counts as sent when Kafka has acknowledged it.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace

from confluent_kafka import KafkaException, Message

from agents.client.send import advance_clock
from agents.demo.history import Event
from agents.kafka.broker import partition_counts
from agents.kafka.client import base_config
from agents.kafka.installation import signatures
from agents.kafka.produce import Producer
from agents.kafka.read_to_end import Reader
from agents.kafka.topics import EVENTS
from agents.settings import Settings

_STOP_SECONDS = 30.0
_AHEAD_SECONDS = 0.01


class Player(threading.Thread):
    """Sends the events in their order, and moves the stream clock to its end after the last one.

    Args:
        events: in order of time.
        seconds: how long to take; the events keep their relative distances in time. 0: no pauses.
        partitions: of the events topic; each gets a clock record.

    Attributes:
        acknowledged: events that Kafka has.
        began: monotonic time of the first event, s.
        at: time of the last event sent, ms.
        failed: why it stopped; None while all is well.
    """

    def __init__(
        self, broker: str, events: Sequence[Event], seconds: float, partitions: int
    ) -> None:
        super().__init__(name="player", daemon=True)
        self._events = events
        self._seconds = seconds
        self._settings = replace(Settings.from_env(), broker=broker)
        self._partitions = partitions
        self._stop_asked = threading.Event()
        self._producer = Producer(broker)
        self.total = len(events)
        self.first, self.last = events[0].time, events[-1].time
        self.at = self.first
        self.failed: str | None = None
        self.began = time.monotonic()

    @property
    def acknowledged(self) -> int:
        return min(self._producer.acknowledged, self.total)  # clock records come after all events

    def stop(self) -> None:
        self._stop_asked.set()
        if self.ident is not None:
            self.join(_STOP_SECONDS)

    def run(self) -> None:
        try:
            self._play()
        except KafkaException as error:
            self.failed = str(error)
        else:
            self.failed = self._producer.error

    def _play(self) -> None:
        self.began = time.monotonic()
        for event in self._events:
            self._wait_for(event)
            if self._stop_asked.is_set() or not self._producer.send(EVENTS, event.line, event.user):
                return
            self._producer.poll()
            self.at = event.time
        self._producer.flush()
        advance_clock(self._producer, self._partitions, "end", signatures(self._settings))
        self._producer.flush()

    def _wait_for(self, event: Event) -> None:
        """Waits until it is the event's turn; counts acknowledgements meanwhile."""
        share = (event.time - self.first) / max(1, self.last - self.first)
        ahead = share * self._seconds - (time.monotonic() - self.began)
        while ahead > _AHEAD_SECONDS and not self._stop_asked.is_set():
            self._producer.poll(min(ahead, 0.1))
            ahead = share * self._seconds - (time.monotonic() - self.began)


class Follower(threading.Thread):
    """Calls `take` with every committed record of some topics, in batches, from the start on."""

    def __init__(
        self, broker: str, topics: Iterable[str], take: Callable[[Sequence[Message]], None]
    ) -> None:
        super().__init__(name="follower", daemon=True)
        self._take = take
        self._stop_asked = threading.Event()
        self._reader = Reader(base_config(broker))
        for topic, partitions in partition_counts(broker, topics).items():
            self._reader.start(topic, dict.fromkeys(range(partitions), 0))

    def stop(self) -> None:
        self._stop_asked.set()
        if self.ident is not None:
            self.join(_STOP_SECONDS)

    def run(self) -> None:
        try:
            while not self._stop_asked.is_set():
                self._take(self._reader.batch(0.1))
        finally:
            self._reader.close()
