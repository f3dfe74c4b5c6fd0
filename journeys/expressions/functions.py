"""The functions of CEL, with their costs.

Law: a function takes values and returns a value, or raises NoValue; the cost of what it scans or
builds is counted first.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

from journeys.expressions.conversions import CONVERSIONS
from journeys.expressions.declared import ABSENT, given
from journeys.expressions.frame import Frame, NoValue
from journeys.expressions.operators import OPERATORS, Function
from journeys.expressions.texts import TEXTS, search_work
from journeys.expressions.times import DURATIONS, IN_ZONE, TIMES
from journeys.expressions.values import (
    LISTS,
    SECOND,
    Duration,
    Time,
    unfit,
)
from journeys.zones import clock_time

# --- Texts ---------------------------------------------------------------------------------------


def _size(frame: Frame, value: Any) -> int:
    if type(value) in (str, bytes, dict) or type(value) in LISTS:
        return len(value)
    raise unfit("size", value)


def _contains(frame: Frame, text: Any, part: Any) -> bool:
    if type(text) is not str or type(part) is not str:
        raise unfit("contains", text, part)
    search_work(frame, text, part)
    return part in text


def _starts_with(frame: Frame, text: Any, part: Any) -> bool:
    if type(text) is not str or type(part) is not str:
        raise unfit("startsWith", text, part)
    frame.work(len(part) >> 3)
    return text.startswith(part)


def _ends_with(frame: Frame, text: Any, part: Any) -> bool:
    if type(text) is not str or type(part) is not str:
        raise unfit("endsWith", text, part)
    frame.work(len(part) >> 3)
    return text.endswith(part)


def _matches(frame: Frame, text: Any, expected: Any) -> bool:
    if type(text) is not str or type(expected) is not str:
        raise unfit("matches", text, expected)
    return search(frame, text, frame.pattern(expected))


def search(frame: Frame, text: str, compiled: Any) -> bool:
    """Whether a compiled regular expression is found anywhere in a text."""
    frame.work(len(text) * (4 + compiled.programsize))
    return compiled.search(text.encode()) is not None


# --- Parts of a time -----------------------------------------------------------------------------

_PARTS: dict[str, Callable[[datetime], int]] = {
    "getFullYear": lambda at: at.year,
    "getMonth": lambda at: at.month - 1,
    "getDate": lambda at: at.day,
    "getDayOfMonth": lambda at: at.day - 1,
    "getDayOfWeek": lambda at: at.isoweekday() % 7,
    "getDayOfYear": lambda at: at.timetuple().tm_yday - 1,
    "getHours": lambda at: at.hour,
    "getMinutes": lambda at: at.minute,
    "getSeconds": lambda at: at.second,
    "getMilliseconds": lambda at: at.microsecond // 1_000,
}
_LENGTHS = {
    "getHours": 3_600 * SECOND,
    "getMinutes": 60 * SECOND,
    "getSeconds": SECOND,
    "getMilliseconds": 1_000_000,
}


def _part(name: str) -> Function:
    read, unit = _PARTS[name], _LENGTHS.get(name)

    def part(frame: Frame, value: Any, zone: Any = ABSENT) -> int:
        if type(value) is Duration and unit is not None and zone is ABSENT:
            length = abs(value.ns) // unit
            if name == "getMilliseconds":
                length %= 1_000
            return -length if value.ns < 0 else length
        if type(value) is not Time or (zone is not ABSENT and type(zone) is not str):
            raise unfit(name, *given(value, zone))
        at = value.datetime()
        if zone is not ABSENT:
            frame.work(IN_ZONE + len(zone))
            try:
                at = clock_time(at, zone)
            except ValueError as error:
                raise NoValue(str(error)) from None
        return read(at)

    return part


DECLARED = (*TEXTS, *TIMES)
"""The functions that the library doesn't have."""

Functions = Mapping[str, Function]
"""What functions compute, by the library's name."""

FUNCTIONS: Functions = {
    **OPERATORS,
    **CONVERSIONS,
    "size": _size,
    "contains": _contains,
    "startsWith": _starts_with,
    "endsWith": _ends_with,
    "matches": _matches,
    **{name: _part(name) for name in _PARTS},
    **{one.name: one.call for one in DECLARED},
}

FUNCTIONS_OF_DURATIONS: Functions = {**FUNCTIONS, **{one.name: one.call for one in DURATIONS}}
"""The same for expressions whose value is a duration."""
