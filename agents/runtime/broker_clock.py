"""The broker's time, which is what the log's records are stamped with, as this process knows it.

Law: never ahead of the broker's clock, whatever this machine's clock says: it may be wrong, or be
set while we run. Between what the broker has told, time goes on as the kernel counts it since the
machine was started (CLOCK_BOOTTIME: sleep included, settings of the clock not).

Nothing in Faust does this: its timers fire by the worker's own clock, so two workers whose clocks
differ by a minute answer the same history differently.
"""

import threading
import time
from collections.abc import Callable


def _since_boot() -> int:
    return time.clock_gettime_ns(time.CLOCK_BOOTTIME) // 1_000_000


def wall() -> int:
    """This machine's clock, ms."""
    return time.time_ns() // 1_000_000


class BrokerClock:
    """One per process; from several threads."""

    def __init__(
        self, steady: Callable[[], int] = _since_boot, wall: Callable[[], int] = wall
    ) -> None:
        """steady: ms that only go on. wall: this machine's clock, ms, for as long as the broker
        has told nothing."""
        self.steady = steady
        self._wall = wall
        self._ahead: int | None = None  # how far the broker's clock is ahead of the steady one
        self._lock = threading.Lock()

    @property
    def known(self) -> bool:
        """Whether the broker has told its time."""
        return self._ahead is not None

    def now(self) -> int:
        """Ms; not after the broker's time."""
        ahead = self._ahead
        return self._wall() if ahead is None else self.steady() + ahead

    def saw(self, stamp: int, sent: int, received: int) -> None:
        """A record got the broker's `stamp` (ms) at some time between two readings of `steady`.

        An answer that took long says little: what was known is kept where it agrees with it.
        """
        least, most = stamp - received, stamp - sent
        with self._lock:
            if self._ahead is None or not least <= self._ahead <= most:
                self._ahead = least
