"""The broker's time, which stamps the records of the log, as far as this process knows it.

Law: it is never ahead of the broker's clock. This machine's clock is not used, as it may be wrong,
or be set while the worker runs: between two stamps of the broker, time is counted by the kernel's
clock since boot (CLOCK_BOOTTIME: it runs during sleep, and setting the clock doesn't change it).

Faust has no counterpart: its timers follow the worker's own clock, so two workers whose clocks
differ by a minute give different results for the same history.
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
        """steady: ms, monotonic. wall: this machine's clock, ms; used until the first stamp."""
        self.steady = steady
        self._wall = wall
        self._ahead: int | None = None  # how far the broker's clock is ahead of the steady clock
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

        A slow answer is imprecise, so the known difference is kept unless the answer contradicts
        it.
        """
        least, most = stamp - received, stamp - sent
        with self._lock:
            if self._ahead is None or not least <= self._ahead <= most:
                self._ahead = least
