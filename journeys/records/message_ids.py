"""The deduplication window: the messageIds of a user's recent events.

Law: it holds the last 64 ids and those of the last hour of partition time, never more than 1,024.
A repeated id moves to the newest end, so a producer that repeats one for hours is still recognised.
It is one byte string of 14-byte entries, oldest first: 8 bytes of hash, 6 bytes of time (ms).
"""

from __future__ import annotations

import struct

from journeys.time import HOUR

ENTRY = 14
LEAST = 64
MOST = 1_024

_HASH = 8
_LEAST = LEAST * ENTRY
_MOST = MOST * ENTRY
_pack = struct.Struct(">q").pack


def find(seen: bytes, message: bytes, partition_time: int) -> int:
    """The position of a messageId in the window, in bytes; -1 if it is absent.

    Args:
        seen: the window.
        message: the 8-byte hash of the messageId.
        partition_time: the largest event time seen on the partition, ms.
    """
    at = seen.find(message)
    while at >= 0:
        if at % ENTRY == 0:
            if len(seen) - at <= _LEAST:
                return at
            recent = seen[at + _HASH : at + ENTRY] >= _an_hour_before(partition_time)
            return at if recent else -1
        at = seen.find(message, at + 1)
    return -1


def refresh(seen: bytes, at: int, partition_time: int) -> bytes:
    """Make the entry that `find` found the newest one.

    Args:
        at: its position, in bytes.
        partition_time: the largest event time seen on the partition, ms.
    """
    rest = seen[:at] + seen[at + ENTRY :]
    return remember(rest, seen[at : at + _HASH], partition_time)


def remember(seen: bytes, message: bytes, partition_time: int) -> bytes:
    """Add a messageId to the window and drop the entries that are too old.

    Args:
        seen: the window.
        message: the 8-byte hash of the messageId.
        partition_time: the largest event time seen on the partition, ms.
    """
    seen += message + _pack(partition_time)[2:]
    surplus = len(seen) - _LEAST
    if surplus <= 0:
        return seen
    drop = max(0, len(seen) - _MOST)
    oldest = _an_hour_before(partition_time)
    while drop < surplus and seen[drop + _HASH : drop + ENTRY] < oldest:
        drop += ENTRY
    return seen[drop:]


def _an_hour_before(time: int) -> bytes:
    """One hour before a time (ms), encoded as in entries: the bytes compare as the times do."""
    return _pack(time - HOUR)[2:] if time > HOUR else b""
