"""Times of day where people live: a zone, a time on the clock, and the instant that it means.

Law: the same texts give the same instant on every machine. Zones come from the `tzdata` package,
whose version is locked, and never from the system, whose files differ and change under a running
worker. They are read as code is: from the installed package, each once; no input decides what is
read but by a name on the package's own list.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable
from datetime import UTC, date, datetime, time, timedelta
from functools import cache
from importlib import resources
from typing import Any
from zoneinfo import ZoneInfo

from journeys.time import DAY

WEEKDAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")

_PACKAGE = resources.files("tzdata")
ZONES = frozenset(_PACKAGE.joinpath("zones").read_text("ascii").split())
"""The names that the IANA gives to zones, links such as `US/Eastern` included."""

_EPOCH = datetime(1970, 1, 1)
_OFFSET = re.compile(r"([+-]?)([0-9]{2}):([0-5][0-9])")
_MILLISECOND = timedelta(milliseconds=1)
_CYCLE = 146_097 * DAY
"""400 years, ms: after that the calendar, weekdays and leap days included, repeats."""
_NEAR_THE_END = 8_000 * 365 * DAY
"""From about this time on (ms) one cycle earlier is looked at: datetime ends with the year 9999."""


@cache
def _load(name: str) -> ZoneInfo:
    with _PACKAGE.joinpath("zoneinfo", *name.split("/")).open("rb") as data:
        return ZoneInfo.from_file(data, key=name)


def find_zone(candidates: Iterable[Any]) -> ZoneInfo:
    """The zone of the first candidate that is the name of one; UTC where none is."""
    for name in candidates:
        if isinstance(name, str) and name in ZONES:
            return _load(name)
    return _load("UTC")


def clock_time(instant: datetime, zone: str) -> datetime:
    """The time on the clocks of a zone, as if it were UTC.

    Args:
        zone: the name of one, or an offset such as `-02:30`.

    Raises:
        ValueError: it is neither, or the time is outside the years 1 to 9999.
    """
    try:
        if zone in ZONES:
            return instant.astimezone(_load(zone)).replace(tzinfo=UTC)
        if offset := _OFFSET.fullmatch(zone):
            minutes = int(offset[2]) * 60 + int(offset[3])
            return instant.astimezone(UTC) + timedelta(minutes=int(f"{offset[1] or '+'}{minutes}"))
    except OverflowError:
        raise ValueError("a time outside the years 1 to 9999") from None
    raise ValueError(f"{zone[:64]!r} is not the name of a time zone")


def next_local(now: int, time_of_day: int, weekdays: Collection[int], zone: ZoneInfo) -> int:
    """The first instant strictly after `now` at which clocks in `zone` show a time of day.

    A time that the clock skips is read with the offset before the gap (02:30 becomes 03:30); one
    that it repeats means the first of the two (RFC 5545, 3.3.5).

    Args:
        now: ms since 1970.
        time_of_day: ms since midnight on the clock.
        weekdays: 0 is Monday. A time that is skipped belongs to the day it would have been on.

    Returns:
        ms since 1970.
    """
    if now > _NEAR_THE_END:
        return next_local(now - _CYCLE, time_of_day, weekdays, zone) + _CYCLE
    today = (datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=now)).astimezone(zone)
    clock = (datetime.min + timedelta(milliseconds=time_of_day)).time()
    # Yesterday's time can still come where the clock has skipped midnight, and tomorrow's can be
    # over where it has gone back across it: then it takes a week and a day.
    for days in range(-1, 9):
        day = today.date() + timedelta(days)
        if day.weekday() in weekdays:
            instant = _instant(day, clock, zone)
            if instant > now:
                return instant
    raise ValueError("a time of day needs a day of the week")


def _instant(day: date, clock: time, zone: ZoneInfo) -> int:
    local = datetime.combine(day, clock)
    offset = zone.utcoffset(local)  # fold=0: the earlier of two, and before a gap the old offset
    assert offset is not None, "a ZoneInfo has an offset for every date"
    return (local - offset - _EPOCH) // _MILLISECOND
