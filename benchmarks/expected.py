"""The expected results of an input, computed from the topic itself, independently of contenders."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import msgspec
from confluent_kafka import Message

from benchmarks.backtest import running
from benchmarks.contenders.toy import step
from benchmarks.input import Record
from benchmarks.outputs import Place
from journeys.engine.processor import PartitionProcessor
from journeys.records import headers
from journeys.records.effects import Effects
from journeys.records.input import Input
from journeys.simulation.backtest import MemoryRecords

_decode = msgspec.json.Decoder().decode


@dataclass
class Expected:
    """The results that must exist in the end.

    Attributes:
        places: for each expected output or action, by its id, the position of its input.
        outcomes: the ids of the expected outcomes of journeys.
        counts: the number of events per user, in the toy step's records.
        events: the number of inputs.
    """

    places: dict[str, Place] = field(default_factory=dict)
    outcomes: set[str] = field(default_factory=set)
    counts: Counter[str] = field(default_factory=Counter)
    events: int = 0


def of_toy(messages: Iterable[Message]) -> Expected:
    """The expected results of the toy step, computed by the toy step itself."""
    expected = Expected()
    records: dict[str, dict[str, Any]] = {}
    for message in messages:
        event = _decode(message.value())
        user = event["userId"]
        records[user], output = step(records.get(user), event)
        expected.events += 1
        if output is not None:
            expected.places[output["id"]] = (message.partition(), message.offset())
    expected.counts = Counter({user: record["count"] for user, record in records.items()})
    return expected


def of_journeys(
    inputs: Iterable[Input], documents: str, starts: Mapping[int, int] | None = None
) -> Expected:
    """The expected results of journeys, computed by the pure engine in memory.

    Args:
        inputs: the inputs of each partition, in order. Inputs of users without any input after
            `starts` may be missing, as users don't affect each other.
        documents: the journeys, as they were applied.
        starts: by partition, the offset from which results are expected.
    """
    catalog = running(documents)
    processors: dict[int, PartitionProcessor] = {}
    expected, begun = Expected(), starts or {}
    for one in inputs:
        processor = processors.get(one.partition)
        if processor is None:
            processor = processors[one.partition] = PartitionProcessor(
                MemoryRecords(), catalog, "wall"
            )
        effects = Effects()
        applied = processor.apply([one], effects)
        assert applied == 1
        assert not effects.dead, effects.dead
        if one.offset < begun.get(one.partition, 0):
            continue
        expected.events += 1
        for action in effects.actions:
            expected.places[action.action_id] = (one.partition, one.offset)
        expected.outcomes.update(outcome.outcome_id for outcome in effects.outcomes)
    return expected


def input_of(message: Message) -> Input:
    """A record of the log as the input that an evaluate worker makes of it."""
    kind = dict(message.headers() or ()).get(headers.RECORD)
    return Input(
        message.topic(),
        message.partition(),
        message.offset(),
        message.key(),
        message.value(),
        message.timestamp()[1],
        None if kind is None else kind.decode(),
    )


def foreseen(records: Iterable[Record], topic: str, starts: Mapping[int, int]) -> Iterator[Input]:
    """The records as they will be in the log; their arrival time doesn't affect ids."""
    now, offsets = int(time.time() * 1_000), Counter(starts)
    for partition, key, value in records:
        yield Input(topic, partition, offsets[partition], key, value, now)
        offsets[partition] += 1
