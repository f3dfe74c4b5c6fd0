"""The inputs of a step: an event, where and when it arrived, and the state of the clock.

Law: these are plain values. Only `admission.admit` makes an event from bytes.
"""

from __future__ import annotations

from typing import Any

import msgspec


class Wire(msgspec.Struct, gc=False):
    """An event as producers write it. Other fields are ignored; they remain in the log."""

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
        name: its `event`; empty for an identify call without one, which no journey can refer to.
        user_id: `userId`, or `anonymousId` if there is no `userId`.
        message_id: `messageId`, or an id made from its position in the log.
        timestamp: ms, or None.
        received_at: ms, or None.
        size: bytes of its JSON.
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
        """An event that a node emits. It has no timestamp: its event time is that of its step."""
        wire = Wire(event=name, userId=user_id, messageId=message_id, properties=properties)
        return cls(wire, name, user_id, message_id, None, None, 0)

    @property
    def backfill(self) -> bool:
        return self.wire.backfill is True

    def facts(self, time: int) -> dict[str, Any]:
        """The event as expressions see it, with its JSON field names.

        Args:
            time: the event time, ms.
        """
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
    """Why an event was rejected.

    Attributes:
        reason: a fixed word, such as `malformed`.
        detail: a sentence for people.
        user_id: the user, if the event names one.
    """

    reason: str
    detail: str
    user_id: str | None = None


class Arrived(msgspec.Struct, frozen=True, gc=False):
    """Where and when an event arrived.

    Attributes:
        time: the event time, ms.
        arrival: when it arrived, ms; the partition time if that is unknown.
        partition_time: the largest event time seen on the partition, including this event, ms.
        wall: whether timers follow the wall clock.
        emitted: the messageId, if a node emitted the event. Its topic, partition and offset are
            then those of the input in whose step it was emitted; in a timer's step they mean
            nothing.
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
    """The state of the clock.

    Attributes:
        wall: whether timers follow the wall clock.
        partition_time: the largest event time seen on the partition, ms.
    """

    wall: bool
    partition_time: int


class Emitted(msgspec.Struct, frozen=True):
    """An event that a node emitted.

    Attributes:
        hop: its position in a chain of emitted events, from 1.
    """

    event: Event
    arrived: Arrived
    hop: int
