"""How long an installation ran without faults: what is late in spite of that is stuck."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple


class Fault(NamedTuple):
    """When something was done to the installation, ms: from `begin` until `end`."""

    begin: int
    end: int


def longest_quiet(begin: int, end: int, faults: Sequence[Fault]) -> int:
    """The longest time, ms, between `begin` and `end` in which there was no fault."""
    longest, free_since = 0, begin
    for fault in sorted(faults):
        if fault.begin >= end:
            break
        longest = max(longest, fault.begin - free_since)
        free_since = max(free_since, fault.end)
    return max(longest, end - free_since)
