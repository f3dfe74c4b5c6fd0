"""The memory of the messageIds that a user's events had lately.

Law: it holds the last 64 and those of the last hour by partition time, and never more than 1,024.
It is one text of 14-byte entries, oldest first: 8 bytes of hash, 6 bytes of time (ms).
"""

from __future__ import annotations

from journeys.time import HOUR

ENTRY = 14
LEAST = 64
MOST = 1_024

_HASH = 8


def holds(seen: bytes, message: bytes, partition_time: int) -> bool:
    """Whether the 8-byte hash of a messageId is remembered at `partition_time` (ms)."""
    at = seen.find(message)
    while at >= 0:
        if at % ENTRY == 0:
            return len(seen) - at <= LEAST * ENTRY or _time(seen, at) >= partition_time - HOUR
        at = seen.find(message, at + 1)
    return False


def _time(seen: bytes, at: int) -> int:
    return int.from_bytes(seen[at + _HASH : at + ENTRY], "big")


def remember(seen: bytes, message: bytes, partition_time: int) -> bytes:
    """The memory with one more hash, seen at `partition_time` (ms), and without what is too old."""
    seen += message + partition_time.to_bytes(6, "big")
    surplus = len(seen) - LEAST * ENTRY
    if surplus <= 0:
        return seen
    drop = max(0, len(seen) - MOST * ENTRY)
    oldest = partition_time - HOUR
    while drop < surplus and _time(seen, drop) < oldest:
        drop += ENTRY
    return seen[drop:]
