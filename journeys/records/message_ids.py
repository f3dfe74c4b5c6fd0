"""The memory of the messageIds that a user's events had lately.

Law: it holds the last 64 and those of the last hour by partition time, and never more than 1,024.
It is one text of 14-byte entries, oldest first: 8 bytes of hash, 6 bytes of time (ms).
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


def holds(seen: bytes, message: bytes, partition_time: int) -> bool:
    """Whether the 8-byte hash of a messageId is remembered at `partition_time` (ms)."""
    at = seen.find(message)
    while at >= 0:
        if at % ENTRY == 0:
            if len(seen) - at <= _LEAST:
                return True
            return seen[at + _HASH : at + ENTRY] >= _an_hour_before(partition_time)
        at = seen.find(message, at + 1)
    return False


def remember(seen: bytes, message: bytes, partition_time: int) -> bytes:
    """The memory with one more hash, seen at `partition_time` (ms), and without what is too old."""
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
    """As times are kept, which is in the order of their bytes."""
    return _pack(time - HOUR)[2:] if time > HOUR else b""
