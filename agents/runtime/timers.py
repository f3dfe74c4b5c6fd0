"""When the timers of one partition may fire.

Law: a timer that goes by the wall clock fires when its time has come by the broker's clock, and
not before the log is known to be applied up to that time (agents/runtime/log_position.py).
"""

from collections.abc import Callable
from typing import Any, Literal

from agents.runtime.broker_clock import BrokerClock
from agents.runtime.log_position import CLOCK_TOLERANCE_MS, HighWatermarks, LogPosition
from tables.view import View

TimerRule = Literal["log", "clock", "none"]
"""When a record's due time makes work: `log`: the wall clock, never ahead of the log; `clock`: the
wall clock alone (retries); `none`: never by itself (the stream clock moves with the records)."""

_LONGEST_WAIT_SECONDS = 60.0
_SHORTEST_WAIT_SECONDS = 0.02
_OVERDUE_SECONDS = 0.5


class Timers:
    """The due times in a partition's view, and how far the log allows them to fire.

    log: the applied position and its watermark.
    """

    def __init__(
        self,
        rule: TimerRule,
        topic: str,
        partition: int,
        view: View[Any],
        clock: BrokerClock,
        high_watermarks: HighWatermarks,
        wake: Callable[[], None],
    ) -> None:
        """wake: called on the event loop when the watermark may have moved by itself."""
        self._rule = rule
        self._topic = topic
        self._partition = partition
        self._view = view
        self._clock = clock
        self._high_watermarks = high_watermarks
        self._wake = wake
        self.log = LogPosition(0)

    def start(self, offset: int) -> None:
        """The partition is read from `offset` on; nothing is known of the log behind it."""
        self.log = LogPosition(offset)

    def stop(self) -> None:
        """Asks for no high watermark any more."""
        self._high_watermarks.forget(self._topic, self._partition)

    def watermark(self, now: int) -> int:
        """Timers due up to this time (ms) may fire at `now`."""
        return now if self._rule == "clock" else min(now, self.log.watermark)

    def due(self, now: int) -> bool:
        """Whether a timer may fire at `now`. Asks for the high watermark when one only lacks the
        proof that the log has been applied up to it."""
        if self._rule == "none":
            return False
        first = self._view.next_due()
        if first is None or first[0] > now:
            return False
        if first[0] <= self.watermark(now):
            return True
        if first[0] <= now - CLOCK_TOLERANCE_MS:
            self._high_watermarks.want(self._topic, self._partition, self._high_watermark)
        return False

    def _high_watermark(self, asked_at: int, offset: int) -> None:
        self.log.high_watermark(asked_at, offset)
        self._wake()

    def seconds_until_due(self) -> float | None:
        """When to look again for a timer; None where only an input or the high watermark that was
        asked for can make one due."""
        if self._rule == "none" or (first := self._view.next_due()) is None:
            return None
        tolerance = CLOCK_TOLERANCE_MS if self._rule == "log" else 0
        seconds = (first[0] + tolerance - self._clock.now()) / 1_000
        if seconds <= -_OVERDUE_SECONDS:
            return None  # the high watermark has been asked for, and its answer wakes the loop
        return min(max(seconds, _SHORTEST_WAIT_SECONDS), _LONGEST_WAIT_SECONDS)
