"""Local time: from a time zone and a time of day to an instant.

Law: the same texts give the same instant on every machine. Zones come from the `tzdata` package,
whose version is locked, never from the system, whose files differ and may change under a running
worker. A zone's file is read once, and only for a name on the package's own list.
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
"""The IANA names of time zones, including links such as `US/Eastern`."""

_EPOCH = datetime(1970, 1, 1)
_OFFSET = re.compile(r"([+-]?)([0-9]{2}):([0-5][0-9])")
_MILLISECOND = timedelta(milliseconds=1)
_CYCLE = 146_097 * DAY
"""400 years, ms; the calendar repeats after that, weekdays and leap days included."""
_NEAR_THE_END = 8_000 * 365 * DAY
"""After this time (ms since 1970) computations use the previous cycle: datetime ends with 9999."""


@cache
def _load(name: str) -> ZoneInfo:
    with _PACKAGE.joinpath("zoneinfo", *name.split("/")).open("rb") as data:
        return ZoneInfo.from_file(data, key=name)


def find_zone(candidates: Iterable[Any]) -> ZoneInfo:
    """The zone of the first candidate that is a zone's name; UTC if none is."""
    for name in candidates:
        if isinstance(name, str) and name in ZONES:
            return _load(name)
    return _load("UTC")


def clock_time(instant: datetime, zone: str) -> datetime:
    """The local time of a zone, returned as if it were UTC.

    Args:
        zone: the name of a zone, or an offset such as `-02:30`.

    Raises:
        ValueError: it is neither, or the local time is outside the years 1 to 9999.
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
    """The first instant strictly after `now` at which it is a given time of day in a zone.

    Daylight saving time follows RFC 5545, 3.3.5: a skipped time is read with the offset before the
    gap (02:30 becomes 03:30), and of a repeated time the first one counts.

    Args:
        now: ms since 1970.
        time_of_day: ms since local midnight.
        weekdays: the days on which it may be; 0 is Monday. A skipped time belongs to the day it
            would have been on.

    Returns:
        ms since 1970.
    """
    if now > _NEAR_THE_END:
        return next_local(now - _CYCLE, time_of_day, weekdays, zone) + _CYCLE
    today = (datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=now)).astimezone(zone)
    clock = (datetime.min + timedelta(milliseconds=time_of_day)).time()
    # Yesterday's time can still be ahead if the clock skipped midnight. Tomorrow's can be over if
    # the clock went back across midnight: a weekday's next one is then a week and a day ahead.
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
