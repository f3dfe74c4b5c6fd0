"""The lines in the worker's log about one destination's deliveries.

Law: a lasting problem gets one line, not one for each attempt, and the lines per minute are
limited.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable

from agents.delivery.circuit import FAILURES, Change
from agents.destinations.call_result import CallResult
from agents.runtime.exits import last_line

LINES_A_MINUTE = 10
_CIRCUIT = {
    "opened": f"{FAILURES} deliveries failed one after the other: its calls are paused, "
    "and a single call probes it from time to time",
    "closed": "it answers again: its deliveries continue",
}


class Warnings:
    """The lines about one destination."""

    def __init__(
        self,
        destination: str,
        say: Callable[[str], None] = last_line,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        """now: seconds."""
        self._destination = destination
        self._say = say
        self._now = now
        self._lacking: frozenset[str] = frozenset()
        self._minute = -1
        self._lines = self._left_out = 0

    def lacking(self, what: Iterable[str]) -> None:
        """Reports the settings that the document needs and that are missing; each once, until it is
        set or no longer needed."""
        what = frozenset(what)
        for one in sorted(what - self._lacking):
            self._line(
                f"{one}: its deliveries wait until that is fixed, and fail as not_configured when "
                "their time limit is over"
            )
        self._lacking = what

    def failed(self, action_id: str, answer: CallResult, again: bool) -> None:
        """A delivery has failed for the first time. again: it will be retried."""
        if answer.reason == "not_configured":
            return  # `lacking` reports it for all deliveries
        minute = int(self._now() // 60)
        if minute != self._minute:
            if self._left_out:
                self._line(f"{self._left_out} more deliveries failed for the first time")
            self._minute, self._lines, self._left_out = minute, 0, 0
        if self._lines >= LINES_A_MINUTE:
            self._left_out += 1
            return
        self._lines += 1
        end = "it will be retried" if again else "it is given up"
        self._line(f"delivery {action_id} failed: {answer.error or answer.reason}; {end}")

    def circuit(self, change: Change) -> None:
        """The circuit has opened or closed."""
        self._line(_CIRCUIT[change])

    def _line(self, text: str) -> None:
        self._say(f"deliver: destination {self._destination}: {text}")
