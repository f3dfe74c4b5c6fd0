"""How many calls a destination gets in a time: its document's limit, shared out over partitions.

Law: no stretch of time as long as the limit's own holds more calls of a worker than its share; what
is over it waits. What a worker called before it was started again is not known to it.
"""

from __future__ import annotations

from collections import deque

from journeys.documents.destination import RateLimit


class Pace:
    """The calls that a worker has started lately, to one destination. Times are seconds."""

    def __init__(self) -> None:
        self._started: deque[float] = deque()

    def take(self, limit: RateLimit | None, share: float, now: float) -> float:
        """Starts a call, if one may start now.

        Args:
            share: which part of the limit is this worker's: its partitions among all.

        Returns:
            0 where the call counts as started; else how long to wait before asking again.
        """
        if limit is None:
            self._started.clear()
            return 0.0
        # Whole calls, in a stretch as much longer or shorter as that is not the share to the call.
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
