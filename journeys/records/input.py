"""A Kafka record from the events topic, as the engine receives it."""

from __future__ import annotations

from typing import NamedTuple

import msgspec


class Refusal(NamedTuple):
    """Why the reader of the log refuses a record, by checks that need I/O, a clock or a key.

    Attributes:
        reason: a fixed word, such as `unsigned`.
        detail: a sentence for people.
        replayable: whether the record becomes a dead letter, so that it can be replayed.
    """

    reason: str
    detail: str
    replayable: bool = False


class Input(msgspec.Struct, frozen=True, gc=False):
    """One record of the events topic.

    Attributes:
        arrival: the record's timestamp, ms, or None where the log has none.
        kind: the header `journeys-record`; None for an ordinary event.
        origin: the header `journeys-origin`: the first position of a rerouted event.
        refusal: why the record must not be applied, or None.
    """

    topic: str
    partition: int
    offset: int
    key: bytes | None
    value: bytes
    arrival: int | None = None
    kind: str | None = None
    origin: str | None = None
    refusal: Refusal | None = None


class ClockRecord(msgspec.Struct):
    """Advances the stream clock to a time, or to the `end`, at which all timers have fired.

    The time has the formats of an event's time.
    """

    time: str | int | float
