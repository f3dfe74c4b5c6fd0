"""A whole installation on a real Kafka: the workers, what users push, and what they read."""

import gzip
import json
import os
import tempfile
import threading
import time
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Protocol

from confluent_kafka import Consumer, KafkaError, Message, Producer, TopicPartition

from agents.client.dead_letters import is_mark
from agents.kafka.creating import create_topics
from agents.kafka.topics import CATALOG, CONFIG, DEAD, EVENTS, OUTCOMES, USERS
from tables.changelog import POSITION_KEY, Position
from tests.committed import CommittedLog
from tests.loopback import no_journeys_topics
from tests.pipeline.workers import Workers

PARTITIONS = 4


class Kafka(Protocol):
    """One that runs: an embedded one, or several that are one cluster."""

    @property
    def bootstrap(self) -> str: ...


class Stack:
    """Workers of the given roles on one Kafka."""

    def __init__(self, kafka: Kafka, directory: Path, workers: Workers) -> None:
        self.kafka = kafka
        self.directory = directory
        self.workers = workers
        self.lines = workers.lines
        self._producer: Producer | None = None
        self._followed: dict[str, CommittedLog] = {}
        self._ends: dict[int, int] = {}
        self._positions: dict[int, int] = {}

    @property
    def producer(self) -> Producer:
        if self._producer is None:
            self._producer = Producer(
                {
                    "bootstrap.servers": self.kafka.bootstrap,
                    "partitioner": "murmur2_random",
                    "enable.idempotence": True,
                    "linger.ms": 5,
                    "message.max.bytes": 8_000_000,
                    "reconnect.backoff.max.ms": 1_000,
                    "log_level": 2,
                }
            )
        return self._producer

    # ---- what a user does
    def push(self, document: str | bytes) -> int:
        """Pushes a document as any producer would; returns the record's offset."""
        offsets: list[int] = []
        self.producer.produce(
            CONFIG, document, on_delivery=lambda error, message: offsets.append(message.offset())
        )
        assert self.producer.flush(30) == 0
        return offsets[0]

    def apply(self, document: str | bytes) -> list[dict[str, Any]]:
        """Pushes a document and waits for its verdict."""
        offset = self.push(document)

        def verdict() -> list[dict[str, Any]]:
            return [
                one
                for one in self.outcomes()
                if one["type"].startswith("config.") and one["cause"]["offset"] == offset
            ]

        return wait_until(verdict)

    def assert_still_works(self, user: str) -> None:
        """A user who signs up enters, and is sent to by the destination `mailer`."""
        self.send({"event": "signed_up", "userId": user})
        self.flush()
        wait_until(lambda: [a for a in self.actions("mailer") if a["user_id"] == user])

    def send(self, value: bytes | dict[str, Any], key: str | None = None) -> None:
        if isinstance(value, dict):
            key = key or value.get("userId")
            value = json.dumps(value).encode()
        self.producer.produce(EVENTS, value, None if key is None else key.encode())
        self.producer.poll(0)

    def send_file(self, path: Path, rate: float = 0) -> int:
        """Plays a log; rate: events per second, 0 for as fast as possible."""
        started, count = time.monotonic(), 0
        with gzip.open(path) as lines:
            for count, line in enumerate(lines, 1):
                self.send(line.strip(), json.loads(line)["userId"])
                if rate and (ahead := count / rate - (time.monotonic() - started)) > 0.005:
                    self.producer.poll(ahead)
        return count

    def send_file_beside(self, path: Path, rate: float) -> threading.Thread:
        thread = threading.Thread(target=self.send_file, args=(path, rate), daemon=True)
        thread.start()
        return thread

    def advance(self, time: str | int = "end") -> None:
        """Moves the stream clock of every partition on."""
        for partition in range(PARTITIONS):
            self.producer.produce(
                EVENTS,
                json.dumps({"time": time}),
                partition=partition,
                headers={"journeys-record": "clock"},
            )
        self.flush()

    def flush(self) -> None:
        assert self.producer.flush(120) == 0

    # ---- what a reader sees
    def read(self, *topics: str) -> list[Message]:
        """All committed records; each partition's in order."""
        consumer = Consumer(
            {
                "bootstrap.servers": self.kafka.bootstrap,
                "group.id": uuid.uuid4().hex,
                "enable.auto.commit": False,
                "isolation.level": "read_committed",
                "enable.partition.eof": True,
                "auto.offset.reset": "earliest",
                "fetch.wait.max.ms": 10,
                "log_level": 2,
            }
        )
        try:
            partitions = [
                TopicPartition(topic, partition, 0)
                for topic in topics
                for partition in range(1 if topic in (CONFIG, CATALOG) else PARTITIONS)
            ]
            consumer.assign(partitions)
            reading = {(p.topic, p.partition) for p in partitions}
            found, limit = [], time.monotonic() + 60
            while reading:
                assert time.monotonic() < limit, f"{reading} do not end"
                for message in consumer.consume(5_000, 0.1):
                    if message.error() is None:
                        found.append(message)
                    elif message.error().code() == KafkaError._PARTITION_EOF:
                        reading.discard((message.topic(), message.partition()))
            return found
        finally:
            consumer.close()

    def outcomes(self) -> list[dict[str, Any]]:
        return [json.loads(message.value()) for message in self.read(OUTCOMES)]

    def journey_outcomes(self) -> list[dict[str, Any]]:
        """The outcomes except the verdicts on pushes."""
        return [one for one in self.outcomes() if not one["type"].startswith("config.")]

    def actions(self, *destinations: str) -> list[dict[str, Any]]:
        topics = [f"journeys.actions.{destination}" for destination in destinations]
        return [json.loads(message.value()) for message in self.read(*topics)]

    def dead(self) -> list[dict[str, Any]]:
        """The dead letters, whatever their status."""
        return [json.loads(one.value()) for one in self.read(DEAD) if not is_mark(one)]

    def applied(self) -> bool:
        """Whether every record of the events so far is applied."""
        for message in self._follow(EVENTS):
            self._ends[message.partition()] = message.offset() + 1
        positions = self.positions()
        return all(positions.get(place, 0) >= end for place, end in self._ends.items())

    def positions(self) -> dict[int, int]:
        """The next event that is to be applied, by partition."""
        for message in self._follow(USERS):
            if message.key() == POSITION_KEY:
                self._positions[message.partition()] = Position.unpack(message.value()).source
        return self._positions

    def _follow(self, topic: str) -> list[Message]:
        """What is new in a topic since the last call."""
        if topic not in self._followed:
            self._followed[topic] = CommittedLog(self.kafka.bootstrap, topic, PARTITIONS)
        return self._followed[topic].new()

    def forget(self, topic: str) -> None:
        """A topic is recreated: what was read of it is no longer valid."""
        if log := self._followed.pop(topic, None):
            log.close()
        self._ends = {}
        if topic == EVENTS:
            self._positions = {}

    def close(self) -> None:
        for log in self._followed.values():
            log.close()

    def wait_applied(self, seconds: float = 120) -> None:
        wait_until(self.applied, seconds)


def wait_until(look: Any, seconds: float = 120) -> Any:
    """Looks until the answer is true, and returns it."""
    limit = time.monotonic() + seconds
    while not (found := look()):
        assert time.monotonic() < limit, f"not within {seconds:.0f} s: {look}"
        threading.Event().wait(0.2)
    return found


@contextmanager
def stack(
    kafka: Kafka,
    roles: dict[str, int],
    *arguments: str,
    ready: bool = True,
    **environment: str,
) -> Iterator[Stack]:
    """An installation that lasts as long as the block. arguments: of every worker."""
    with tempfile.TemporaryDirectory() as name, no_journeys_topics(kafka.bootstrap):
        directory = Path(name)
        create_topics(kafka.bootstrap, PARTITIONS)
        variables = {
            **os.environ,
            "JOURNEYS_BROKER": kafka.bootstrap,
            "JOURNEYS_STATE_DIR": str(directory),
            **environment,
        }
        workers = Workers(roles, arguments, variables)
        made = Stack(kafka, directory, workers)
        try:
            workers.start()
            if ready:
                workers.wait_ready(120)
            yield made
        except BaseException:
            print("\n".join(made.lines[-60:]))
            raise
        finally:
            made.close()
            workers.stop()


def events_of(name: str, users: Sequence[str]) -> list[dict[str, Any]]:
    return [{"event": name, "userId": user, "messageId": f"{name}-{user}"} for user in users]
