"""A Kafka record from the events topic, as the engine receives it."""

from __future__ import annotations

import msgspec


class Input(msgspec.Struct, frozen=True, gc=False):
    """One record of the events topic.

    Attributes:
        arrival: the record's timestamp, ms, or None where the log has none.
        kind: the header `journeys-record`; None for an ordinary event.
        origin: the header `journeys-origin`: the first position of a rerouted event.
    """

    topic: str
    partition: int
    offset: int
    key: bytes | None
    value: bytes
    arrival: int | None = None
    kind: str | None = None
    origin: str | None = None


class ClockRecord(msgspec.Struct):
    """Advances the stream clock to a time, or to the `end`, when all timers have fired."""

    time: str | int
