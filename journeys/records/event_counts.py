"""How often a user's events came lately: what `count('event', '10m')` asks.

Law: of each event that some journey counts, the times of the last 1,000 are kept, in log order and
no longer than the longest window asks for; so a count follows from the log alone.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping

MOST = 1_000
"""Times that are kept of one event name; no count is larger."""

_TIME = 8


def add(ring: bytes, time: int, longest: int) -> bytes:
    """The times with one more (ms), without those that lie `longest` (ms) before the newest.

    The time added stays though it is that late itself, so that its own step counts it.
    """
    times = _times(ring)
    oldest = max(time, *times) - longest if times else time
    kept = [one for one in times if one > oldest][-(MOST - 1) :]
    return struct.pack(f">{len(kept) + 1}q", *kept, time)


def count(ring: bytes, now: int, window: int) -> int:
    """How many of the times lie after `now - window` and not after `now`; all ms."""
    return sum(now - window < time <= now for time in _times(ring))


def record_event(
    rings: Mapping[str, bytes], event: str, time: int, counted: Mapping[str, int]
) -> dict[str, bytes]:
    """The rings after an event, without those that no journey asks for any more.

    Args:
        counted: the longest window, ms, by the names of events that journeys count.
    """
    kept = {name: ring for name, ring in rings.items() if name in counted}
    return {**kept, event: add(rings.get(event, b""), time, counted[event])}


def _times(ring: bytes) -> tuple[int, ...]:
    return struct.unpack(f">{len(ring) // _TIME}q", ring)
