"""Functions of times, dates and durations that standard CEL lacks, with their costs.

Law: that of functions.py; zones and the calendar are those of zones.py and calendar.py.
"""

from __future__ import annotations

import math
from contextlib import suppress
from datetime import datetime, tzinfo
from decimal import Decimal
from typing import Any

from journeys import calendar
from journeys.expressions.conversions import CONVERSIONS
from journeys.expressions.declared import ABSENT, Declared, given
from journeys.expressions.frame import Frame, NoValue
from journeys.expressions.operators import Function
from journeys.expressions.values import SECOND, Duration, Time, Uint, kind_of, unfit
from journeys.problems import short
from journeys.zones import WEEKDAYS, instant_of, zone_of

IN_ZONE = 10_000
"""Units of work for a time in a zone."""
_MS = 1_000_000
_UNITS = {"minutes": 60, "hours": 3_600, "days": 86_400, "weeks": 7 * 86_400}
_NUMBERS = ["int", "uint", "double"]


def _since_1970(name: str, unit: int) -> Function:
    """A function: a number of units (of `unit` nanoseconds) to the time that long after 1970."""
    return lambda frame, value: Time(_length(name, value, unit))


def _of_length(name: str, unit: int) -> Function:
    """A function: a number of units (of `unit` nanoseconds) to a duration."""
    return lambda frame, value: Duration(_length(name, value, unit))


def _length(name: str, value: Any, unit: int) -> int:
    kind = type(value)
    if kind is int or kind is Uint:
        return int(value) * unit
    if kind is float and math.isfinite(value):
        return int(Decimal(repr(value)) * unit)
    raise unfit(name, value)


def _plus(frame: Frame, time: Any, period: Any, zone: Any = ABSENT) -> Time:
    at = _time("plus", time, period, zone)
    if type(period) is not str:
        raise unfit("plus", *given(time, period, zone))
    ms, rest = divmod(at.ns, _MS)
    try:
        where = _zone(frame, zone, 4 * IN_ZONE)
        return Time(calendar.plus(ms, calendar.parse_period(period), where) * _MS + rest)
    except ValueError as error:
        raise _no_value("plus", period, error) from None


def _local(frame: Frame, text: Any, zone: Any) -> Time:
    if type(text) is not str:
        raise unfit("local", text, zone)
    where = _zone(frame, zone)
    try:
        return Time(instant_of(calendar.parse_local(text), where) * _MS)
    except ValueError as error:
        raise _no_value("local", text, error) from None


def _next_anniversary(frame: Frame, born: Any, zone: Any = ABSENT) -> Time:
    if type(born) is not Time and type(born) is not str:
        raise unfit("next_anniversary", *given(born, zone))
    where = _zone(frame, zone, 3 * IN_ZONE)
    try:
        local = _local_birth(born, where)
        return Time(calendar.next_anniversary(local, frame.scope.now, where) * _MS)
    except ValueError as error:
        raise _no_value("next_anniversary", str(born), error) from None


def _local_birth(born: Any, zone: tzinfo) -> datetime:
    """The local time of a date in a zone. The date is a time, a text with a zone, or a text without
    one, which is read as local time."""
    if type(born) is str:
        with suppress(NoValue):
            born = CONVERSIONS["timestamp"](None, born)
    if type(born) is str:
        return calendar.parse_local(born)
    return calendar.clock_of(born.ns // _MS, zone)


def _date(frame: Frame, time: Any, zone: Any = ABSENT) -> str:
    return _shown(frame, "date", time, zone).date().isoformat()


def _weekday(frame: Frame, time: Any, zone: Any = ABSENT) -> str:
    return WEEKDAYS[_shown(frame, "weekday", time, zone).weekday()]


def _shown(frame: Frame, name: str, time: Any, zone: Any) -> datetime:
    try:
        return calendar.clock_of(_time(name, time, zone).ns // _MS, _zone(frame, zone))
    except ValueError as error:
        raise NoValue(str(error)) from None


def _time(name: str, value: Any, *others: Any) -> Time:
    """A time, or a text with a time, as in traits."""
    if type(value) is str:
        return CONVERSIONS["timestamp"](None, value)  # type: ignore[no-any-return]
    if type(value) is not Time:
        raise unfit(name, *given(value, *others))
    return value


def _zone(frame: Frame, value: Any, work: int = IN_ZONE) -> tzinfo:
    if value is ABSENT:
        value = "UTC"
    if type(value) is not str:
        expected = "expected a time zone as text, such as 'Europe/Berlin'"
        raise NoValue(f"found {kind_of(value)}, {expected}")
    frame.work(work + len(value))
    found = zone_of(value)
    if found is None:
        raise NoValue(f"{short(value)!r} is not the name of a time zone")
    return found


def _no_value(name: str, text: str, error: ValueError) -> NoValue:
    why = str(error)
    return NoValue(f"{name}({short(text)!r}): {why}" if why.startswith("expected") else why)


DURATIONS = tuple(
    Declared(name, _NUMBERS, "duration", _of_length(name, unit))
    for name, unit in (("seconds", SECOND), ("ms", _MS))
)
"""Functions that give a time, but a duration in expressions whose value is a duration."""

TIMES = (
    Declared("seconds", _NUMBERS, "time", _since_1970("seconds", SECOND)),
    Declared("ms", _NUMBERS, "time", _since_1970("ms", _MS)),
    *(
        Declared(name, _NUMBERS, "duration", _of_length(name, unit * SECOND))
        for name, unit in _UNITS.items()
    ),
    Declared("plus", ["time text", "text text", "time text text", "text text text"], "time", _plus),
    Declared("local", ["text text"], "time", _local),
    Declared("date", ["time", "text", "time text", "text text"], "text", _date),
    Declared("weekday", ["time", "text", "time text", "text text"], "text", _weekday),
    Declared(
        "next_anniversary",
        ["text", "time", "text text", "time text"],
        "time",
        _next_anniversary,
        reads_now=True,
    ),
)
