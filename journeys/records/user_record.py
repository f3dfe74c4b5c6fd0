"""What is kept of a user: one small record, in one version of one format.

Law: a record is a value. It is replaced and never changed, and equal records have equal bytes.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import msgspec
from msgspec.structs import replace

VERSION = 4

MAX_RECORD = 1024 * 1024
"""Bytes of one user's record."""

MAX_INSTANCES = 1_000
"""Live instances of one user."""

MAX_GOALS = 2_000
"""Goals that are watched for one user; the oldest give way."""


class Wait(msgspec.Struct, frozen=True, array_like=True):
    """Why an instance stays where it is.

    Attributes:
        due: the deadline in logical time, ms; None: it waits for ever.
        fire_at: when a clock may fire it, ms; None where no clock may, which is also so while
            the journey is paused.
    """

    due: int | None = None
    fire_at: int | None = None


class Held(msgspec.Struct, frozen=True, array_like=True):
    """How an instance goes on that its journey's pause has kept from it.

    Attributes:
        decided: an event or a response has moved it: it goes to `to`. Else its timer does.
        to: the next node; None: past the last one.
        event: what moved it, as far as the journey reads it; None: a response or a timer.
        mute: its actions up to the next blocking node are skipped.
    """

    decided: bool = False
    to: str | None = None
    event: dict[str, Any] | None = None
    mute: bool = False


class Instance(msgspec.Struct, frozen=True, array_like=True):
    """One user's way through one version of one journey, standing on a node.

    Attributes:
        started: logical time of the entry, ms.
        visit: how many nodes it has reached.
        context: what later nodes still read: `entry`, `steps` and `attr`, cut to those paths.
        judged: the last change of its journey's life that it has met, see `catalog.Life`.
        held: what a pause has kept from it.
    """

    id: str
    journey: str
    version: str
    key: str | None
    started: int
    node: str
    visit: int
    wait: Wait
    context: dict[str, Any]
    lifecycle_seen: int = 0
    held: Held | None = None


class Goal(msgspec.Struct, frozen=True, array_like=True):
    """The goal of one instance, watched until it is reached or its window is over.

    Attributes:
        instance: the id; the instance itself may have ended.
        started: logical time of the entry, ms.
        until: the end of the window, ms; None: as long as the instance lives.
        entry: of the event that started the instance, what the goal reads.
    """

    instance: str
    journey: str
    version: str
    key: str | None
    started: int
    until: int | None
    entry: dict[str, Any]


class UserRecord(msgspec.Struct, frozen=True, array_like=True):
    """One user.

    Attributes:
        traits: the profile.
        seen: the memory of messageIds, see `seen.py`.
        instances: the live ones, oldest first.
        past: per journey that the user ever entered, when an instance last ended (ms; 0: never).
        counts: the times of recent events, by the names that journeys count, see `counts.py`.
        goals: those not yet reached, oldest first.
        deadline: the earliest `due` of an instance; an event before it need not look at each.
        size: at most so many bytes are all of this, the memory aside. It is no part of the bytes,
            as it tells by which steps the record came about.
    """

    traits: dict[str, Any] = {}
    message_ids: bytes = b""
    instances: tuple[Instance, ...] = ()
    past: dict[str, int] = {}
    event_counts: dict[str, bytes] = {}
    goals: tuple[Goal, ...] = ()
    deadline: int | None = None
    size: int = 0

    def next_due(self) -> int | None:
        """The earliest time, ms, at which a clock may fire a timer of this user."""
        earliest = None
        for instance in self.instances:
            at = instance.wait.fire_at
            if at is not None and (earliest is None or at < earliest):
                earliest = at
        return earliest

    def with_message_ids(self, message_ids: bytes) -> UserRecord:
        """The same user, who has seen other messages."""
        return UserRecord(
            self.traits,
            message_ids,
            self.instances,
            self.past,
            self.event_counts,
            self.goals,
            self.deadline,
            self.size,
        )

    def same_but_message_ids(self, other: UserRecord) -> bool:
        """Whether the other one was made of this by `with_memory`."""
        return (
            self.instances is other.instances
            and self.traits is other.traits
            and self.past is other.past
            and self.event_counts is other.event_counts
            and self.goals is other.goals
        )


EMPTY = UserRecord()


def deadline_of(instances: Iterable[Instance]) -> int | None:
    """The earliest of their deadlines, ms; None where none has one."""
    earliest = None
    for one in instances:
        due = one.wait.due
        if due is not None and (earliest is None or due < earliest):
            earliest = due
    return earliest


_PREFIX = bytes([VERSION])
_OLD = frozenset({b"\x01", b"\x02", b"\x03"})
"""Version 1 has no `counts`, 2 no `goals`, `judged` and `held`, 3 no `deadline` at their ends: they
are read as none, the deadline as what it is, and written as the newest."""
_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(UserRecord)


class UnknownRecordVersion(Exception):
    """The record was written by a version of the engine that this one doesn't know."""


def packed_size(parts: list[Any]) -> int:
    """Bytes that parts of a record take, or a few more.

    Raises:
        OverflowError: a number in it needs more than 64 bits.
    """
    return len(_encoder.encode(parts))


def encode(record: UserRecord) -> bytes:
    """The record's bytes: the version in front, then msgpack.

    Raises:
        OverflowError: a number in it needs more than 64 bits.
    """
    return _PREFIX + _encoder.encode(_kept(record, record.message_ids))


def encode_rest(record: UserRecord) -> bytes:
    """The same without the memory, which is kept beside it."""
    return _PREFIX + _encoder.encode(_kept(record, b""))


def _kept(record: UserRecord, message_ids: bytes) -> tuple[Any, ...]:
    """The fields that are kept, in their order."""
    return (
        record.traits,
        message_ids,
        record.instances,
        record.past,
        record.event_counts,
        record.goals,
        record.deadline,
    )


def decode(data: bytes) -> UserRecord:
    """The record of some bytes.

    Raises:
        UnknownRecordVersion: the bytes are of another version, or of none.
        msgspec.DecodeError: they are damaged.
    """
    version = data[:1]
    if version != _PREFIX and version not in _OLD:
        found = f"version {data[0]}" if data else "nothing"
        raise UnknownRecordVersion(f"a user's record: found {found}, expected at most {VERSION}")
    record = replace(_decoder.decode(memoryview(data)[1:]), size=len(data))
    if version == _PREFIX:
        return record
    return replace(record, deadline=deadline_of(record.instances))
