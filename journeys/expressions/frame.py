"""One evaluation of an expression: the values it has read, its variables and its costs.

Law: whatever the expression and the data, an evaluation takes a bounded number of iterations,
builds a bounded number of bytes and does a bounded amount of counted work.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

from journeys.expressions.scope import Scope
from journeys.work import MAX_WORK, Meter, TooMuchWork

MAX_BUILT = 32_000_000
"""Bytes that one evaluation may build: texts, lists and maps, discarded ones included."""

MAX_TURNS = 10_000
"""Iterations of all macros such as `map` in one evaluation."""

NODE = 100
"""Units of work for one node of an expression."""

ITEM = 16
"""Bytes that an item of a list takes; an entry of a map takes six times as many."""

UNREAD: Any = object()
"""In `Frame.values`: not read yet."""

_PATTERN = 10_000_000
"""Units of work for compiling a pattern that comes with the data."""

_PATTERN_MEMORY = 1 << 18
"""Bytes that one compiled pattern may take."""


class NoValue(Exception):
    """An expression has no value for the data at hand; the text says why."""


class Frame:
    """One evaluation.

    Args:
        paths, slots: how many paths the expression reads, and variables its macros bind.
        nul: whether a text with a NUL character may be read, as in data.
    """

    __slots__ = ("_built", "_meter", "_turns", "nul", "scope", "slots", "values")

    def __init__(self, scope: Scope, paths: int, slots: int, nul: bool) -> None:
        self.scope = scope
        self.values: list[Any] = [UNREAD] * paths
        self.slots: list[Any] = [None] * slots
        self.nul = nul
        self._meter = scope.meter or Meter()
        self._built = 0
        self._turns = 0

    def work(self, units: int) -> None:
        """Count work.

        Raises:
            TooMuchWork: the input has no budget left.
            NoValue: this evaluation has no budget left, outside of a step, where it has its own.
        """
        meter = self._meter
        meter.left -= units
        meter.spent += units
        if meter.left < 0:
            why = f"more than {MAX_WORK} units of work: iterations of macros times sizes of values"
            raise NoValue(why) if self.scope.meter is None else TooMuchWork(why)

    def build(self, size: int) -> None:
        """Count bytes that are about to be built; raises NoValue beyond MAX_BUILT."""
        self._built += size
        if self._built > MAX_BUILT:
            raise NoValue(f"it builds texts, lists and maps of more than {MAX_BUILT} bytes")
        self.work(16 * size)  # so that all evaluations of one input build 60 MB at most

    def turn(self, units: int) -> None:
        """Count an iteration of a macro; raises NoValue beyond MAX_TURNS."""
        self._turns += 1
        if self._turns > MAX_TURNS:
            raise NoValue(f"more than {MAX_TURNS} iterations of macros such as map or exists")
        self.work(units)

    def pattern(self, text: str) -> Any:
        """The regular expression for a text that is not a literal of the expression."""
        seen = self._meter.patterns
        if text not in seen:
            self.work(_PATTERN + len(text) * NODE)
            seen.add(text)
        return pattern(text)


def pattern(text: str) -> Any:
    """A compiled regular expression (RE2). Raises NoValue if the text is not valid or too large."""
    compiled, why = _compiled(text)
    if compiled is None:
        raise NoValue(f"not a regular expression (RE2): {why}")
    return compiled


@lru_cache(maxsize=512)  # more than one input can pay for
def _compiled(text: str) -> tuple[Any, str]:
    """The compiled pattern, or None and why it can't be compiled. A failure may take as long, so it
    is cached as well."""
    import re2  # rarely needed: commands that start often, such as `validate`, don't load it

    options = re2.Options()
    options.max_mem = _PATTERN_MEMORY
    options.log_errors = False
    try:
        return re2.compile(text, options), ""
    except re2.error as error:
        why = error.args[0] if error.args else ""
        why = why.decode("utf-8", "replace") if isinstance(why, bytes) else str(why)
        return None, why[:200]


def text_size(text: str) -> int:
    """The most bytes that a text takes in memory."""
    return len(text) if text.isascii() else 4 * len(text)
