"""When the timers of one partition may fire.

Law (timers never overtake the log): a timer that follows the wall clock fires at a record that the
broker stamped at or after its due time, with everything before that record applied. If no such
record arrives, the owner writes a mark to the log's end and waits until it reads it back
(agents/runtime/marks.py). High watermarks prove nothing: with replicas, a record is stamped before
the watermark passes it.
"""

from collections.abc import Callable
from typing import Any, Literal

from agents.runtime.broker_clock import BrokerClock
from agents.runtime.marks import Marks, Written
from tables.view import View

TimerRule = Literal["log", "clock", "none"]
"""When a record's due time makes work: `log`: by the wall clock, never ahead of the log; `clock`:
by the wall clock alone (retries); `none`: never by itself (the stream clock advances with the
records)."""

MARK_INTERVAL_MS = 1_000
"""The least time between two marks of a partition."""
_LONGEST_MARK_WAIT_MS = 60_000
"""After this a mark reads the clock of the partition's broker again, however far it was behind: by
then another broker may lead the partition."""
_LONGEST_WAIT_SECONDS = 60.0
_SHORTEST_WAIT_SECONDS = 0.02


class LogPosition:
    """The applied position of one partition, and the time up to which it is complete.

    offset: next source offset; everything before it is applied or a control record.
    watermark: ms; every record that arrived before this time has been applied. -1 until it is
        known.
    """

    def __init__(self, offset: int) -> None:
        self.offset = offset
        self.watermark = -1

    def applied(self, offset: int, arrived: int | None) -> None:
        """Everything before `offset` is applied; the broker stamped the last record with `arrived`
        (ms)."""
        self.offset = max(self.offset, offset)
        if arrived is not None and arrived > self.watermark:
            self.watermark = arrived


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
        marks: Marks,
        wake: Callable[[], None],
    ) -> None:
        """wake: called on the event loop when a mark could not be written."""
        self._rule = rule
        self._topic = topic
        self._partition = partition
        self._view = view
        self._clock = clock
        self._marks = marks
        self._wake = wake
        self._life = 0
        self.start(0)

    def start(self, offset: int) -> None:
        """The partition is read from `offset` on; nothing is known yet about the log after it."""
        self.log = LogPosition(offset)
        self._life += 1
        self._outstanding = False
        self._marked: int | None = None  # the offset of the mark that must be read back
        self._next_mark = 0  # by the steady clock
        self._log_ahead: int | None = None  # how far the log's time is ahead of the steady clock

    def watermark(self, now: int) -> int:
        """Timers due up to this time (ms) may fire at `now`."""
        return now if self._rule == "clock" else min(now, self.log.watermark)

    def due(self, now: int, at_end: bool) -> bool:
        """Whether a timer may fire at `now`.

        If a due timer only waits for the log to advance, it writes a mark. at_end: everything
        readable of the log is applied; if not, the next record serves as well as a mark.
        """
        if self._rule == "none":
            return False
        first = self._view.next_due()
        if first is None or first[0] > now:
            return False
        if first[0] <= self.watermark(now):
            return True
        if at_end and self._mark_in(first[0]) == 0:
            self._outstanding = True
            self._next_mark = self._clock.steady() + MARK_INTERVAL_MS
            self._marks.write(self._topic, self._partition, self._written(self._life))
        return False

    def _written(self, life: int) -> Written:
        def written(mark: tuple[int, int] | None) -> None:
            if life != self._life:
                return
            if mark is None:
                self._outstanding = False
            else:
                # The stamp only paces the next mark; it proves nothing until the mark is read back.
                self._marked, stamp = mark
                self._log_ahead = stamp - self._clock.steady()
            self._wake()

        return written

    def _mark_in(self, due: int) -> int | None:
        """Ms until the next mark may be written for a due timer; None while the last mark has not
        been read back."""
        steady = self._clock.steady()
        if self._marked is not None and self.log.offset > self._marked:
            self._outstanding, self._marked = False, None
        if self._outstanding:
            return None
        wait = self._next_mark - steady
        if self._log_ahead is not None:
            behind = due - self._log_ahead - steady
            wait = max(wait, min(behind, self._next_mark + _LONGEST_MARK_WAIT_MS - steady))
        return max(wait, 0)

    def seconds_until_due(self, at_end: bool) -> float | None:
        """Seconds until the timers must be checked again; None if only a record that is read can
        make one fire.

        at_end: as for `due`.
        """
        if self._rule == "none" or (first := self._view.next_due()) is None:
            return None
        ms: int | None = first[0] - self._clock.now()
        if self._rule == "log" and ms is not None and ms <= 0:
            ms = self._mark_in(first[0]) if at_end else None
            if ms is None:
                return None  # the mark or another record wakes the loop
        assert ms is not None
        return min(max(ms / 1_000, _SHORTEST_WAIT_SECONDS), _LONGEST_WAIT_SECONDS)
