"""What a step is given: an event, where and when it came, and how time goes on.

Law: these are values; what judges bytes and makes events of them is `events.admit`.
"""

from __future__ import annotations

from typing import Any

import msgspec


class Wire(msgspec.Struct, gc=False):
    """An event as producers write it. Fields that are not named here stay in the log."""

    event: str | None = None
    userId: str | None = None
    anonymousId: str | None = None
    sessionId: str | None = None
    messageId: str | None = None
    timestamp: str | int | None = None
    receivedAt: str | int | None = None
    type: str | None = None
    backfill: bool | None = None
    properties: dict[str, Any] | None = None
    context: dict[str, Any] | None = None
    traits: dict[str, Any] | None = None


class Event(msgspec.Struct, frozen=True, gc=False):
    """An admitted event of one user.

    Attributes:
        name: its `event`; empty for an identify call that has none, which no journey can name.
        user_id: `userId`, or `anonymousId` where that is all there is.
        message_id: `messageId`, or the one its place in the log gives it.
        timestamp: ms, or None where the event has none.
        received_at: ms, or None.
        size: bytes on the wire.
    """

    wire: Wire
    name: str
    user_id: str
    message_id: str
    timestamp: int | None
    received_at: int | None
    size: int

    @classmethod
    def emitted(cls, name: str, user_id: str, message_id: str, properties: dict[str, Any]) -> Event:
        """An event that a node emits. It has no timestamp: its time is that of its step."""
        wire = Wire(event=name, userId=user_id, messageId=message_id, properties=properties)
        return cls(wire, name, user_id, message_id, None, None, 0)

    @property
    def backfill(self) -> bool:
        return self.wire.backfill is True

    def facts(self, time: int) -> dict[str, Any]:
        """The event as expressions see it, under the wire's names, at its event time (ms)."""
        wire = self.wire
        facts: dict[str, Any] = {
            "event": self.name,
            "timestamp": time,
            "messageId": self.message_id,
            "properties": wire.properties or {},
            "context": wire.context or {},
            "traits": wire.traits or {},
        }
        if wire.userId is not None:
            facts["userId"] = wire.userId
        if wire.anonymousId is not None:
            facts["anonymousId"] = wire.anonymousId
        if wire.sessionId is not None:
            facts["sessionId"] = wire.sessionId
        return facts


class Rejection(msgspec.Struct, frozen=True):
    """Why some bytes are not an event: a word for machines and a sentence for people."""

    reason: str
    detail: str
    user_id: str | None = None


class Arrived(msgspec.Struct, frozen=True, gc=False):
    """Where and when an event came.

    Attributes:
        time: the event time, ms.
        arrival: ms; the partition time where nothing says when it arrived.
        partition_time: the largest event time seen on the partition, this event's included, ms.
        wall: whether timers follow the wall clock.
        emitted: the messageId of an event that a node emitted; its place is that of the input in
            whose step it did, and of no meaning in a timer's step.
    """

    topic: str
    partition: int
    offset: int
    time: int
    arrival: int
    partition_time: int
    wall: bool
    emitted: str | None = None


class Clock(msgspec.Struct, frozen=True, gc=False):
    """How time goes on.

    Attributes:
        wall: whether timers follow the wall clock.
        partition_time: the largest event time seen on the partition, ms.
    """

    wall: bool
    partition_time: int


class Emitted(msgspec.Struct, frozen=True):
    """An event that a node emitted; `hop` counts those that led to it, itself included."""

    event: Event
    arrived: Arrived
    hop: int
