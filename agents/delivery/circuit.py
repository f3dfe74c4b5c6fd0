"""A circuit breaker: a destination that keeps failing is not called for a while, then probed.

Law: pure, and it drops nothing: it only says how long calls have to wait. It counts deliveries, not
calls, so a single action that its destination can't handle doesn't stop the others. It is not
stored: after a restart it begins closed.
"""

from __future__ import annotations

import math
from typing import Literal

from agents.destinations.call_result import CallResult

FAILURES = 10
"""Calls stop after this many deliveries have failed in a row."""
FIRST_PAUSE = 1.0
LONGEST_PAUSE = 60.0
"""Seconds until a single call is made; the pause doubles each time it fails."""
LOOK_SECONDS = 1.0
"""The longest wait that is returned, as an answer may end the wait earlier."""

Sign = Literal["down", "busy", "up", "unknown"]
Change = Literal["opened", "closed"]


def sign_of(answer: CallResult) -> Sign:
    """What an answer says about its destination, whatever it means for the delivery.

    `busy` is a 429 with a Retry-After; any other answer except 5xx means that it is up.
    """
    if answer.status is None:
        down = answer.reason in ("timeout", "connection_failed")
        return "down" if down else "unknown"
    if 500 <= answer.status < 600:
        return "down"
    return "busy" if answer.status == 429 and answer.retry_after else "up"


class Circuit:
    """One worker's view of one destination. Times are seconds of a monotonic clock."""

    def __init__(self) -> None:
        self._failed: set[str] = set()
        self._pause = FIRST_PAUSE
        self._until: float | None = None
        self._probing = False
        self._window = math.inf
        self._round = 0
        self.down = False
        """Whether calls have stopped because of failures."""
        self.stopped_since: float | None = None
        """Since when only probes are made; None while calls are made."""

    def wait(self, now: float, in_flight: int) -> float:
        """How long to wait before asking again; 0: a call may start.

        A destination that is back may get one more concurrent call for each call that it answers.
        """
        if self._until is None:
            return 0.0 if in_flight < self._window else LOOK_SECONDS
        if self._probing:
            return LOOK_SECONDS
        return min(max(self._until - now, 0.0), LOOK_SECONDS)

    def started(self) -> int:
        """A call starts. Returns its round, which identifies its answer."""
        self._probing = self._until is not None
        return self._round

    def abandoned(self, round: int) -> None:
        """A call was cancelled before its answer."""
        if round == self._round:
            self._probing = False

    def answered(self, round: int, action_id: str, answer: CallResult, now: float) -> Change | None:
        """Counts an answer. Returns whether the circuit has opened or closed because of it.

        An answer to a call from an earlier round is ignored: it says nothing about now.
        """
        if round != self._round:
            return None
        self._probing = False
        sign = sign_of(answer)
        if sign == "unknown":
            return None
        if sign == "down":
            self._failed.add(action_id)
            if self._until is None and len(self._failed) < FAILURES:
                return None
            self._stop(now, self._pause)
            self._pause = min(2 * self._pause, LONGEST_PAUSE)
            change: Change | None = None if self.down else "opened"
            self.down = True
            return change
        change, self.down = "closed" if self.down else None, False
        self._failed.clear()
        self._pause = FIRST_PAUSE
        if sign == "busy":
            assert answer.retry_after is not None
            self._stop(now, min(answer.retry_after / 1_000, LONGEST_PAUSE))
        else:
            self._until = self.stopped_since = None
            self._window += 1
        return change

    def _stop(self, now: float, pause: float) -> None:
        self._until = now + pause
        if self.stopped_since is None:
            self.stopped_since = now
        self._window = 1.0
        self._round += 1
