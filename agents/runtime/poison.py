"""Distinguishes poison inputs from bugs of the engine.

Law: a poison input goes to `journeys.dead` and the others continue; but if more than half of the
last inputs are dead letters, the engine is at fault: the process stops instead of moving the whole
log to `journeys.dead`.
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
        """Adds a batch. Raises TooManyDead, so that the batch isn't committed."""
        if not (inputs or dead):
            return  # else batches with only timers would pile up until the next inputs
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
                "bug of the engine, not bad input. No more dead letters are written; "
                "journeys.dead has the tracebacks."
            )
