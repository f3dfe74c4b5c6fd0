"""The record of a user: everything the engine keeps about one user, and its binary format.

Law: a record is an immutable value; it is replaced, never changed. Equal records have equal bytes.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable
from typing import Any

import msgspec
from msgspec.structs import replace

from journeys.records.event_counts import ring_of

VERSION = 6

MAX_RECORD = 1024 * 1024
"""Largest record of one user, bytes."""

MAX_INSTANCES = 1_000
"""Live instances of one user."""

MAX_KEY = 1024
"""Longest key of an instance, bytes of UTF-8: every outcome of the instance has it."""

MAX_GOALS = 2_000
"""Goals watched for one user; beyond that the oldest are dropped."""


CLAIMED = "entry_claimed"
"""In an instance's context, if a node of the instance or of its branches has claimed the event that
started it; absent otherwise."""


class Wait(msgspec.Struct, frozen=True, array_like=True):
    """The wait of an instance at its current node.

    Attributes:
        due: the deadline in logical time, ms; None: no deadline. Of a branch that an event or a
            response moved in a pause: when that was.
        fire_at: when a clock may fire the timer, ms; None: never, as when there is no deadline or
            the journey is paused.
    """

    due: int | None = None
    fire_at: int | None = None


class Held(msgspec.Struct, frozen=True, array_like=True):
    """What an instance does once its paused journey resumes.

    Attributes:
        decided: an event or a response already moved it, and it continues at `to`; otherwise its
            timer decides.
        to: the next node; None: past the last one.
        event: the event that moved it, cut to the paths that the journey reads; None: a response
            or a timer.
        mute: whether its actions up to the next blocking node are skipped.
    """

    decided: bool = False
    to: str | None = None
    event: dict[str, Any] | None = None
    mute: bool = False


class Branch(msgspec.Struct, frozen=True, array_like=True):
    """What makes an instance a branch of another one.

    Attributes:
        parent: the id of the instance that started it.
        name: of the branch.
        at: the parallel node that started it.
        visit: the number of nodes that the parent had reached there.
    """

    parent: str
    name: str
    at: str
    visit: int


class Instance(msgspec.Struct, frozen=True, array_like=True):
    """One user's run through one version of one journey, waiting at a node.

    Attributes:
        started: logical time of the entry, ms.
        node: the node at which it waits.
        visit: the number of nodes it has reached.
        context: `entry`, `steps` and `attr`, cut to the paths that later nodes read; CLAIMED; and
            `reached`, the logical time at which it reached the node, ms, if a change can move its
            deadline.
        lifecycle_seen: the last lifecycle change of its journey that was applied to it, see
            `catalog.running.LifecycleHistory`.
        held: what it does once its paused journey resumes; None: it is not held.
        branch: if it is a branch of another instance; None: it entered by an event.
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
    branch: Branch | None = None


class Goal(msgspec.Struct, frozen=True, array_like=True):
    """The goal of one instance, watched until it is reached or its window ends.

    Attributes:
        instance: the instance's id; the instance itself may have ended.
        started: logical time of the entry, ms.
        until: the end of the window, ms; None: as long as the instance is live.
        entry: the event that started the instance, cut to the paths that the goal reads.
    """

    instance: str
    journey: str
    version: str
    key: str | None
    started: int
    until: int | None
    entry: dict[str, Any]


class UserRecord(msgspec.Struct, frozen=True, array_like=True):
    """Everything kept about one user.

    Attributes:
        traits: the profile.
        message_ids: the deduplication window, see `message_ids.py`.
        instances: the live instances, oldest first.
        past: for each journey that the user ever entered, when an instance last ended (ms; 0: none
            has).
        event_counts: the times of recent events by event name, see `event_counts.py`.
        goals: the watched goals that are not reached yet, oldest first.
        deadline: the earliest `due` of all instances, ms. An event before it fires no timer, so
            the instances need not be searched.
        size: an upper bound of the encoded bytes, without `message_ids`. It is not encoded, as it
            depends on the steps that led to the record and not only on its content.
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
        """The same record with another deduplication window."""
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
        """Whether the other record was made from this one by `with_message_ids`."""
        return (
            self.instances is other.instances
            and self.traits is other.traits
            and self.past is other.past
            and self.event_counts is other.event_counts
            and self.goals is other.goals
        )


EMPTY = UserRecord()


def deadline_of(instances: Iterable[Instance]) -> int | None:
    """The earliest deadline of the instances, ms; None if none has one."""
    earliest = None
    for one in instances:
        due = one.wait.due
        if due is not None and (earliest is None or due < earliest):
            earliest = due
    return earliest


_PREFIX = bytes([VERSION])
_OLD = frozenset({b"\x01", b"\x02", b"\x03", b"\x04", b"\x05"})
"""Older versions lack trailing fields: 1 has no `event_counts`; 2 no `goals`, `lifecycle_seen` and
`held`; 3 no `deadline`; 5 no `branch`. Missing fields are read as empty, and the deadline is
computed. Up to 4, the rings of `event_counts` hold times of 8 bytes in the order of the log.
Records are always written in the newest version."""
_RINGS_OF_TIMES = frozenset({b"\x01", b"\x02", b"\x03", b"\x04"})
_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(UserRecord)


class UnknownRecordVersion(Exception):
    """The record's version byte is unknown: another version of the engine wrote it."""


def packed_size(parts: list[Any]) -> int:
    """Bytes that parts of a record take; may be a few too many.

    Raises:
        OverflowError: a number in it needs more than 64 bits.
    """
    return len(_encoder.encode(parts))


def encode(record: UserRecord) -> bytes:
    """The record's bytes: the version, then msgpack.

    Raises:
        OverflowError: a number in it needs more than 64 bits.
    """
    return _PREFIX + _encoder.encode(_kept(record, record.message_ids))


def encode_rest(record: UserRecord) -> bytes:
    """The same without the deduplication window, which is stored separately."""
    return _PREFIX + _encoder.encode(_kept(record, b""))


def _kept(record: UserRecord, message_ids: bytes) -> tuple[Any, ...]:
    """The encoded fields, in their order."""
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
    """Decode a record.

    Raises:
        UnknownRecordVersion: there is no version byte, or an unknown one.
        msgspec.DecodeError: the bytes are corrupt.
    """
    version = data[:1]
    if version != _PREFIX and version not in _OLD:
        found = f"version {data[0]}" if data else "nothing"
        raise UnknownRecordVersion(f"a user's record: found {found}, expected at most {VERSION}")
    record = replace(_decoder.decode(memoryview(data)[1:]), size=len(data))
    if version == _PREFIX:
        return record
    return replace(
        record,
        deadline=deadline_of(record.instances),
        event_counts=(
            {name: _new_ring(ring) for name, ring in record.event_counts.items()}
            if version in _RINGS_OF_TIMES
            else record.event_counts
        ),
    )


def _new_ring(old: bytes) -> bytes:
    return ring_of(struct.unpack(f">{len(old) // 8}q", old))
