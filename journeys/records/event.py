"""The inputs of a step: an event, where and when it arrived, and the state of the clock.

Law: these are plain values. Only `admission.admit` makes an event from bytes.
"""

from __future__ import annotations

from operator import is_
from typing import Any, Literal

import msgspec

IDENTIFY = "identify"
"""The name of an identify call that carries no event name."""


class Wire(msgspec.Struct, gc=False):
    """An event as producers write it. Other fields are ignored; they remain in the log.

    An id may be an integer, which is read as its decimal text; an empty id counts as absent.
    """

    event: str | None = None
    userId: str | int | None = None
    anonymousId: str | int | None = None
    sessionId: str | int | None = None
    messageId: str | int | None = None
    timestamp: str | int | float | None = None
    receivedAt: str | int | float | None = None
    type: str | None = None
    backfill: bool | Literal["overwrite"] | None = None
    properties: dict[str, Any] | None = None
    context: dict[str, Any] | None = None
    traits: dict[str, Any] | None = None
    traits_once: dict[str, Any] | None = None


class Event(msgspec.Struct, frozen=True, gc=False):
    """An admitted event of one user.

    Attributes:
        name: its `event`; `identify` for an identify call without one.
        user_id: `userId`, or `anonymousId` if there is no `userId`.
        message_id: `messageId`, or an id made from its position in the log.
        timestamp: ms, or None.
        received_at: ms, or None.
        size: bytes of its JSON.
        unread: the fields whose values could not be read and are null, in words.
    """

    wire: Wire
    name: str
    user_id: str
    message_id: str
    timestamp: int | None
    received_at: int | None
    size: int
    unread: tuple[str, ...] = ()

    @classmethod
    def emitted(
        cls,
        name: str,
        user_id: str,
        message_id: str,
        properties: dict[str, Any],
        traits: dict[str, Any] | None = None,
    ) -> Event:
        """An event that a node emits. It has no timestamp: its event time is that of its step."""
        wire = Wire(event=name, userId=user_id, messageId=message_id, properties=properties)
        wire.traits = traits
        return cls(wire, name, user_id, message_id, None, None, 0)

    @property
    def backfill(self) -> bool:
        """Whether it only changes the profile and counts."""
        return bool(self.wire.backfill)

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
        if wire.userId is not None and wire.userId != "":
            facts["userId"] = self.user_id
        if wire.anonymousId is not None and wire.anonymousId != "":
            facts["anonymousId"] = str(wire.anonymousId)
        if wire.sessionId is not None:
            facts["sessionId"] = str(wire.sessionId)
        if wire.traits_once:  # only if given: payloads may hold the whole event
            facts["traits_once"] = wire.traits_once
        return facts


_DATA = ("properties", "context", "traits", "traits_once")


def with_doubles(event: Event) -> Event | None:
    """The event with doubles in place of integers of more than 64 bits; None if it has none.

    Such an integer becomes the nearest double, or null beyond the range of a double. Unreadable
    fields of the event have already been reported.
    """
    wire = event.wire
    parts = {name: _shortened(getattr(wire, name)) for name in _DATA}
    if all(part is getattr(wire, name) for name, part in parts.items()):
        return None
    return msgspec.structs.replace(event, wire=msgspec.structs.replace(wire, **parts), unread=())


def _shortened(value: Any) -> Any:
    """Returns the value itself if it holds no such integer. Its depth is bounded by admission."""
    if isinstance(value, dict):
        changed = {name: _shortened(part) for name, part in value.items()}
        return value if all(changed[name] is value[name] for name in value) else changed
    if isinstance(value, list):
        items = [_shortened(part) for part in value]
        return value if all(map(is_, items, value)) else items
    if isinstance(value, int) and not -(2**63) <= value < 2**64:
        try:
            return float(value)
        except OverflowError:
            return None
    return value


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
        changes: the signals of the traits that a node has changed; the event is then only these.
        before: the user's traits before that change; None: nothing has changed.
        after: the same right after it.
    """

    event: Event
    arrived: Arrived
    hop: int
    changes: tuple[str, ...] = ()
    before: dict[str, Any] | None = None
    after: dict[str, Any] | None = None
