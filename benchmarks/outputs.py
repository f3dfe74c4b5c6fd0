"""Reads what a contender brings about, while it does, as any reader of its topics would.

Law: a contender is measured by what a read_committed reader can see, and by nothing it says itself.
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
    id: what tells it from all others
    sent: when its event was sent, ms since the epoch; 0: before the measurement
    partition: where it was read, which for actions is the partition of the event
    """

    at: float
    id: str
    sent: float
    partition: int


def toy_output(message: Message) -> tuple[str, float]:
    """Id and time of sending of a toy's output."""
    found = _toy(message.value())
    return found.id, found.sent


def action(message: Message) -> tuple[str, float]:
    """Id and time of sending of an action."""
    found = _action(message.value())
    return found.action_id, found.payload.sent


@dataclass
class Progress:
    """How far a contender has come through the input, by what is readable of it.

    Attributes:
        places: of the inputs that bring an output about, by the output's id.
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
        """Inputs up to the latest output of each partition, from `starts` on."""
        begun = starts or {}
        return sum(
            offset + 1 - begun.get(partition, 0) for partition, offset in self._reached.items()
        )


class SourceReader:
    """A thread with a consumer at the end of some topics; a context manager.

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
        self._consumer.consume(1, 0.5)  # so that it has found the partitions' brokers
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
        except Exception as error:  # noqa: BLE001 - told by whoever waits for the outputs
            self.error = error
