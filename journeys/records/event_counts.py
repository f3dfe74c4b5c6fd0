"""The times of a user's recent events, from which `count('event', '10m')` is computed.

Law: for each event name that some journey counts, at most the last 1,000 event times are kept, in
log order, and only those within the longest window. So a count depends on the log alone.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping

MOST = 1_000
"""Times kept per event name; no count is larger."""

_TIME_BYTES = 8


def add(ring: bytes, time: int, longest: int) -> bytes:
    """Append one event time and drop the times that no window reaches any more.

    Args:
        ring: the kept times, 8 bytes each, in log order.
        time: the new event time, ms. It is kept even when it is too old, so that the step that
            adds it counts it.
        longest: the longest window, ms; times that far before the newest one are dropped.
    """
    times = _times(ring)
    oldest = max(time, *times) - longest if times else time
    kept = [one for one in times if one > oldest][-(MOST - 1) :]
    return struct.pack(f">{len(kept) + 1}q", *kept, time)


def count(ring: bytes, now: int, window: int) -> int:
    """The number of kept times in the interval (`now - window`, `now`]; all in ms."""
    return sum(now - window < time <= now for time in _times(ring))


def record_event(
    rings: Mapping[str, bytes], event: str, time: int, counted: Mapping[str, int]
) -> dict[str, bytes]:
    """Record one event that some journey counts, and drop the names that none counts any more.

    Args:
        rings: the kept times by event name.
        event: the event's name; a key of `counted`.
        time: the event time, ms.
        counted: the longest window, ms, by the name of each event that some journey counts.
    """
    kept = {name: ring for name, ring in rings.items() if name in counted}
    return {**kept, event: add(rings.get(event, b""), time, counted[event])}


def _times(ring: bytes) -> tuple[int, ...]:
    return struct.unpack(f">{len(ring) // _TIME_BYTES}q", ring)
