"""Counts the work that an input causes, so that no data can keep a worker busy for ever.

Law: the count follows from the documents and the data alone, never from a clock or a cache, so an
input ends in the same way on every machine and on every replay.
"""

from __future__ import annotations

MAX_WORK = 1_000_000_000
"""Units of work that the expressions of one input may cost. A unit is about a nanosecond of one
core: a node of an expression costs 100, a character that is searched 1 or more."""


class TooMuchWork(Exception):
    """The expressions of one input cost more than MAX_WORK: it becomes a dead letter."""


class Meter:
    """The work of the inputs of a batch, one after the other.

    Attributes:
        left: what the current input may still cost.
        spent: by all inputs together.
        patterns: regular expressions from the data of the current input.
    """

    __slots__ = ("left", "patterns", "spent")

    def __init__(self) -> None:
        self.left = MAX_WORK
        self.spent = 0
        self.patterns: set[str] = set()

    def begin(self) -> None:
        """Begin the next input."""
        self.left = MAX_WORK
        self.patterns.clear()
