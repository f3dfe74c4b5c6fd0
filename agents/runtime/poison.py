"""Distinguishes a poisonous input from a bug of the engine.

Law: a poisonous input goes to `journeys.dead` and the rest continue; but when more than half of the
last inputs are dead letters, the engine is at fault: the process stops instead of moving the log
there.
"""

from collections import deque

from agents.errors import UserError

WINDOW = 1_000


class TooManyDead(UserError):
    """More than half of the last inputs could not be applied."""


class PoisonGauge:
    """Counts dead letters over the last WINDOW inputs."""

    def __init__(self) -> None:
        self._batches: deque[tuple[int, int]] = deque()
        self._inputs = 0
        self._dead = 0

    def count(self, inputs: int, dead: int) -> None:
        """Adds a batch. Raises TooManyDead, which keeps it from being committed."""
        if not (inputs or dead):
            return  # else batches of timers alone would pile up until the next inputs come
        self._batches.append((inputs, dead))
        self._inputs += inputs
        self._dead += dead
        while self._inputs - self._batches[0][0] >= WINDOW:
            gone = self._batches.popleft()
            self._inputs -= gone[0]
            self._dead -= gone[1]
        if self._inputs >= WINDOW and self._dead * 2 > self._inputs:
            raise TooManyDead(
                f"{self._dead} of the last {self._inputs} inputs could not be applied: this is a "
                "bug and not poison. No more dead letters are written; journeys.dead has the "
                "tracebacks."
            )
