"""The broker's time, with which the log's records are stamped, as far as this process knows it.

Law: never ahead of the broker's clock, whatever this machine's clock says: it may be wrong, or be
set while the worker runs. Between two of the broker's stamps, time is counted by the kernel's clock
since boot (CLOCK_BOOTTIME: it runs during sleep, and setting the clock doesn't change it).

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
    """One per process; thread-safe."""

    def __init__(
        self, steady: Callable[[], int] = _since_boot, wall: Callable[[], int] = wall
    ) -> None:
        """steady: ms, monotonic. wall: this machine's clock, ms; used until a stamp was seen."""
        self.steady = steady
        self._wall = wall
        self._ahead: int | None = None  # how far the broker's clock is ahead of the steady one
        self._lock = threading.Lock()

    @property
    def known(self) -> bool:
        """Whether a stamp of the broker was seen."""
        return self._ahead is not None

    def now(self) -> int:
        """Ms; not after the broker's time."""
        ahead = self._ahead
        return self._wall() if ahead is None else self.steady() + ahead

    def observe(self, stamp: int, sent: int, received: int) -> None:
        """The broker stamped a record with `stamp` (ms) between the readings `sent` and `received`
        of `steady`.

        A slow answer is imprecise: what is known is kept where the answer doesn't contradict it.
        """
        least, most = stamp - received, stamp - sent
        with self._lock:
            if self._ahead is None or not least <= self._ahead <= most:
                self._ahead = least
