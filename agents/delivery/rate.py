"""The rate limit of a destination's document, divided among its partitions.

Law: in no interval of the limit's length does a worker make more calls than its share; calls over
it wait. It is not stored: a restarted worker doesn't know about earlier calls.
"""

from __future__ import annotations

from collections import deque

from journeys.documents.destination import RateLimit


class Pace:
    """The calls that a worker has recently started to one destination. Times are seconds."""

    def __init__(self) -> None:
        self._started: deque[float] = deque()

    def take(self, limit: RateLimit | None, share: float, now: float) -> float:
        """Starts a call, if one may start now.

        Args:
            share: the worker's part of the limit: its partitions divided by all partitions.

        Returns:
            0 if the call counts as started; else how long to wait before asking again.
        """
        if limit is None:
            self._started.clear()
            return 0.0
        # A whole number of calls, in an interval that is scaled to make up for the rounding.
        own = limit.requests * share
        calls = max(1, int(own))
        stretch = limit.per / 1_000 * calls / own
        started = self._started
        while len(started) > calls or (started and started[0] <= now - stretch):
            started.popleft()
        if len(started) == calls:
            return max(started[0] + stretch - now, 0.001)
        started.append(now)
        return 0.0
