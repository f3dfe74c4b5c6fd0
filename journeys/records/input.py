"""One record of the events' log, as the engine is given it."""

from __future__ import annotations

import msgspec


class Input(msgspec.Struct, frozen=True, gc=False):
    """One record of the events' log.

    Attributes:
        arrival: when it arrived, ms, where the log says so.
        kind: the header `journeys-record`; None for a plain event.
        origin: the header `journeys-origin`: where a rerouted event stood first.
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
    """Moves a stream's clock on: to a time, or to its `end`."""

    time: str | int
