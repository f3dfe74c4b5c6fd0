"""Reads the outputs of a contender while it runs, as any consumer of its topics would.

Law: a contender is measured only by what a read_committed consumer can read.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Self

import msgspec
from confluent_kafka import Message, TopicPartition

from benchmarks.cluster import Cluster

Place = tuple[int, int]
"""Partition and offset of an input."""


class _ToyOutput(msgspec.Struct):
    id: str
    sent: float = 0.0


class _Payload(msgspec.Struct):
    sent: float = 0.0


class _Action(msgspec.Struct):
    action_id: str
    payload: _Payload


_toy = msgspec.json.Decoder(_ToyOutput).decode
_action = msgspec.json.Decoder(_Action).decode


@dataclass(frozen=True, slots=True)
class Output:
    """One output as it became readable.

    at: when, ms since the epoch
    id: its unique id
    sent: when its event was sent, ms since the epoch; 0: before the measurement
    partition: where it was read, which for actions is the partition of the event
    """

    at: float
    id: str
    sent: float
    partition: int


def toy_output(message: Message) -> tuple[str, float]:
    """The id of a toy step's output and the time at which its event was sent."""
    found = _toy(message.value())
    return found.id, found.sent


def action(message: Message) -> tuple[str, float]:
    """The id of an action and the time at which its event was sent."""
    found = _action(message.value())
    return found.action_id, found.payload.sent


@dataclass
class Progress:
    """How much of the input a contender has processed, judged by its readable outputs.

    Attributes:
        places: for each output, by its id, the position of its input.
        seen: ids of the outputs so far.
    """

    places: Mapping[str, Place]
    seen: set[str] = field(default_factory=set)
    _reached: dict[int, int] = field(default_factory=dict)

    def add(self, outputs: Sequence[Output]) -> None:
        for output in outputs:
            place = self.places.get(output.id)
            if place is not None:
                self.seen.add(output.id)
                partition, offset = place
                if offset > self._reached.get(partition, -1):
                    self._reached[partition] = offset

    @property
    def complete(self) -> bool:
        return len(self.seen) == len(self.places)

    def events(self, starts: Mapping[int, int] | None = None) -> int:
        """The number of inputs from `starts` up to the latest output of each partition."""
        begun = starts or {}
        return sum(
            offset + 1 - begun.get(partition, 0) for partition, offset in self._reached.items()
        )


class SourceReader:
    """A thread that consumes some topics from their end; a context manager.

    Args:
        cluster: where.
        topics: which; they exist.
        read: gives an output's id and time of sending.
        took: called with every slice of outputs as soon as it could be read, on the thread.
    """

    def __init__(
        self,
        cluster: Cluster,
        topics: Sequence[str],
        read: Callable[[Message], tuple[str, float]],
        took: Callable[[list[Output]], Any],
    ) -> None:
        self._read = read
        self._took = took
        self._consumer = cluster.consumer()
        self._consumer.assign(
            [
                TopicPartition(topic, partition, end)
                for topic in topics
                for partition, end in cluster.ends(topic).items()
            ]
        )
        self._consumer.consume(1, 0.5)  # so that it knows the partitions' brokers
        self._ended = threading.Event()
        self.error: Exception | None = None
        self._thread = threading.Thread(target=self._run, name="outputs", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *exc: object) -> None:
        self._ended.set()
        self._thread.join()
        self._consumer.close()

    def _run(self) -> None:
        consume, read = self._consumer.consume, self._read
        try:
            while not self._ended.is_set():
                messages = consume(1, 0.1)
                if not messages:
                    continue
                messages += consume(5_000, 0)
                now = time.time() * 1_000
                self._took(
                    [
                        Output(now, *read(message), message.partition())
                        for message in messages
                        if message.error() is None
                    ]
                )
        except Exception as error:  # noqa: BLE001 - raised again where the outputs are awaited
            self.error = error
