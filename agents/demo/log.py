"""How the demo writes to Kafka and reads from it: pushes, the history at its pace, and followers.

Law: an event counts as sent when Kafka has acknowledged it, and whoever reads sees only what is
committed.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

from confluent_kafka import Consumer, KafkaError, KafkaException, Message, Producer, TopicPartition

from agents.demo.history import Event
from agents.errors import UserError
from agents.kafka.client import admin_client, base_config, cluster_metadata
from agents.kafka.topics import CONFIG, EVENTS

_PATIENCE_SECONDS = 30.0
_AHEAD_SECONDS = 0.01
CLOCK_HEADERS: list[tuple[str, str | bytes | None]] = [("journeys-record", b"clock")]


class Player(threading.Thread):
    """Sends the events in their order, and moves the stream's clock to its end after the last one.

    Args:
        events: in order of time.
        seconds: how long to take; the events keep their distances in time. 0: no pauses.
        partitions: of the events topic; each gets a clock record.

    acknowledged: events that Kafka has. began: of the clock that is monotonic. at: ms, the time of
    the last event sent. failed: why it stopped.
    """

    def __init__(
        self, broker: str, events: Sequence[Event], seconds: float, partitions: int
    ) -> None:
        super().__init__(name="player", daemon=True)
        self._events = events
        self._seconds = seconds
        self._partitions = partitions
        self._stop_asked = threading.Event()
        self._producer = _producer(broker)
        self.total = len(events)
        self.first, self.last = events[0].time, events[-1].time
        self.acknowledged = 0
        self.at = self.first
        self.failed: str | None = None
        self.began = time.monotonic()

    def stop(self) -> None:
        self._stop_asked.set()
        if self.ident is not None:
            self.join(_PATIENCE_SECONDS)

    def run(self) -> None:
        try:
            self._play()
        except (KafkaException, BufferError) as error:
            self.failed = str(error)

    def _play(self) -> None:
        self.began = time.monotonic()
        for event in self._events:
            self._wait_for(event)
            if self._stop_asked.is_set():
                return
            self._produce(value=event.line, key=event.user, on_delivery=self._told)
            self.at = event.time
        self._flush()
        for partition in range(self._partitions):
            end = {"value": b'{"time": "end"}', "headers": CLOCK_HEADERS}
            self._produce(partition=partition, **end)
        self._flush()

    def _wait_for(self, event: Event) -> None:
        """Until the event's turn; what Kafka says meanwhile is heard."""
        share = (event.time - self.first) / max(1, self.last - self.first)
        ahead = share * self._seconds - (time.monotonic() - self.began)
        while ahead > _AHEAD_SECONDS and not self._stop_asked.is_set():
            self._producer.poll(min(ahead, 0.1))
            ahead = share * self._seconds - (time.monotonic() - self.began)

    def _produce(self, **record: Any) -> None:
        while not self._stop_asked.is_set():
            try:
                self._producer.produce(EVENTS, **record)
            except BufferError:
                self._producer.poll(0.05)
            else:
                self._producer.poll(0)
                return

    def _flush(self) -> None:
        left = self._producer.flush(_PATIENCE_SECONDS)
        if left and self.failed is None:
            self.failed = f"{left} records were not acknowledged in time"

    def _told(self, error: KafkaError | None, message: Message) -> None:
        if error is None:
            self.acknowledged += 1
        else:
            self.failed = error.str()


class Follower(threading.Thread):
    """Hands every committed record of some topics on, as they come, in batches."""

    def __init__(
        self, broker: str, topics: Iterable[str], take: Callable[[Sequence[Message]], None]
    ) -> None:
        super().__init__(name="follower", daemon=True)
        self._take = take
        self._stop_asked = threading.Event()
        self._consumer = _consumer(broker)
        self._consumer.assign(_from_the_start(broker, topics))
        self.failed: BaseException | None = None

    def stop(self) -> None:
        self._stop_asked.set()
        if self.ident is not None:
            self.join(_PATIENCE_SECONDS)

    def run(self) -> None:
        try:
            while not self._stop_asked.is_set():
                messages = self._consumer.consume(2_000, 0.1)
                self._take([message for message in messages if _is_record(message)])
        except Exception as error:  # noqa: BLE001 - whoever waits for what we read is told
            self.failed = error
        finally:
            self._consumer.close()


def read_all(broker: str, topics: Iterable[str]) -> Iterator[Message]:
    """Every committed record of the topics, from the start to where they end now.

    Raises:
        UserError: the topics' ends were not reached in time.
    """
    where = _from_the_start(broker, topics)
    consumer = _consumer(broker)
    consumer.assign(where)
    reading = {(one.topic, one.partition) for one in where}
    deadline = time.monotonic() + _PATIENCE_SECONDS
    try:
        while reading:
            if time.monotonic() > deadline:
                raise UserError(f"The ends of these were not reached: {sorted(reading)}.")
            for message in consumer.consume(5_000, 0.1):
                if _is_record(message):
                    yield message
                else:
                    reading.discard((message.topic(), message.partition()))
    finally:
        consumer.close()


def push(broker: str, text: str) -> int:
    """Writes documents to the configuration's topic; returns the record's offset."""
    producer = _producer(broker)
    told: list[tuple[KafkaError | None, Message]] = []
    producer.produce(CONFIG, text.encode(), on_delivery=lambda *what: told.append(what))
    producer.flush(_PATIENCE_SECONDS)
    if not told or told[0][0] is not None:
        raise UserError(f"The push was not written to {CONFIG}.")
    offset: int = told[0][1].offset()
    return offset


def _producer(broker: str) -> Producer:
    settings = {
        "enable.idempotence": True,
        "acks": "all",
        "partitioner": "murmur2_random",  # Kafka's own; the engine agrees with it
        "linger.ms": 5,
        "queue.buffering.max.messages": 100_000,
    }
    return Producer(base_config(broker) | settings)


def _consumer(broker: str) -> Consumer:
    settings = {
        "group.id": "journeys-demo",  # never joined: partitions are assigned
        "enable.auto.commit": False,
        "isolation.level": "read_committed",
        "enable.partition.eof": True,
        "fetch.wait.max.ms": 50,
    }
    return Consumer(base_config(broker) | settings)


def _from_the_start(broker: str, topics: Iterable[str]) -> list[TopicPartition]:
    known = cluster_metadata(admin_client(broker), broker).topics
    return [
        TopicPartition(topic, partition, 0)
        for topic in topics
        for partition in known[topic].partitions
    ]


def _is_record(message: Message) -> bool:
    error = message.error()
    if error is not None and error.code() != KafkaError._PARTITION_EOF:
        raise KafkaException(error)
    return error is None
