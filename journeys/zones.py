"""Local time: from a time zone and a time of day to an instant.

Law: the same texts give the same instant on every machine. Zones come from the `tzdata` package,
whose version is locked, never from the system, whose files differ and may change under a running
worker. A zone's file is read once, and only for a name on the package's own list. Case and
surrounding blanks of names are ignored.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable, Iterator
from datetime import UTC, date, datetime, timedelta, timezone, tzinfo
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
_NAMES = {name.lower(): name for name in ZONES}
_OFFSET = re.compile(r"([+-]?)([0-9]{2}):([0-5][0-9])")
_LONGEST_NAME = 64
_MILLISECOND = timedelta(milliseconds=1)
_CYCLE = 146_097 * DAY
"""400 years, ms; the calendar repeats after that, weekdays and leap days included."""
_NEAR_THE_END = 8_000 * 365 * DAY
"""After this time (ms since 1970) computations use the previous cycle, as datetime ends with
9999."""


@cache
def _load(name: str) -> ZoneInfo:
    with _PACKAGE.joinpath("zoneinfo", *name.split("/")).open("rb") as data:
        return ZoneInfo.from_file(data, key=name)


def zone_name(text: str) -> str | None:
    """The name of a zone as the package writes it, or an offset as `+05:30`; None if it is
    neither."""
    text = text.strip()[: _LONGEST_NAME + 1]
    name = _NAMES.get(text.lower())
    if name is None and (offset := _OFFSET.fullmatch(text)) and int(offset[2]) < 24:
        return f"{offset[1] or '+'}{offset[2]}:{offset[3]}"
    return name


def zone_of(value: Any) -> tzinfo | None:
    """The zone that a value names, by its name or as an offset such as `-02:30`; otherwise None.

    Blanks and case are ignored, so `europe/berlin ` is a zone.
    """
    name = zone_name(value) if isinstance(value, str) else None
    if name is None:
        return None
    if name[0] in "+-":
        minutes = int(name[1:3]) * 60 + int(name[4:])
        return timezone(timedelta(minutes=-minutes if name[0] == "-" else minutes))
    return _load(name)


def find_zone(candidates: Iterable[Any], unknown: Callable[[Any], None]) -> tzinfo:
    """The zone of the first candidate that names one; UTC if none does.

    Args:
        candidates: values that should be the names of zones; None and an empty text are absent.
        unknown: called with each earlier value that names no zone.
    """
    for value in candidates:
        if value is None or value == "":
            continue
        zone = zone_of(value)
        if zone is not None:
            return zone
        unknown(value)
    return _load("UTC")


def clock_time(instant: datetime, zone: str) -> datetime:
    """The local time of a zone, returned as if it were UTC.

    Args:
        zone: the name of a zone, or an offset such as `-02:30`.

    Raises:
        ValueError: it is neither, or the local time is outside the years 1 to 9999.
    """
    found = zone_of(zone)
    if found is None:
        raise ValueError(f"{zone[:_LONGEST_NAME]!r} is not the name of a time zone")
    try:
        return instant.astimezone(found).replace(tzinfo=UTC)
    except OverflowError:
        raise ValueError("a time outside the years 1 to 9999") from None


def next_local(now: int, time_of_day: int, weekdays: Collection[int], zone: tzinfo) -> int:
    """The first instant strictly after `now` at which it is a given time of day in a zone.

    Daylight saving time follows RFC 5545, 3.3.5: a skipped time is read with the offset before the
    gap (02:30 becomes 03:30), and a repeated time is its first occurrence.

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
    clock = (datetime.min + timedelta(milliseconds=time_of_day)).time()
    # Yesterday's time can still be ahead if the clock skipped midnight. Tomorrow's can be over if
    # the clock went back across midnight; a weekday's next one is then eight days ahead.
    for day in _days_around(now, range(-1, 9), weekdays, zone):
        instant = instant_of(datetime.combine(day, clock), zone)
        if instant > now:
            return instant
    raise ValueError("a time of day needs a day of the week")


def next_in_window(
    now: int, opens: int, closes: int, weekdays: Collection[int], zone: tzinfo
) -> int:
    """The first instant, `now` or later, inside a daily window: from `opens` on, before `closes`.

    Daylight saving time as for next_local; a window that it leaves no time for is left out.

    Args:
        now: ms since 1970.
        opens, closes: ms since local midnight; a window that closes at or before the time at which
            it opens closes on the next day.
        weekdays: the days on which it may open; 0 is Monday.

    Returns:
        ms since 1970; `now` inside a window, else when the next one opens.
    """
    if now > _NEAR_THE_END:
        return next_in_window(now - _CYCLE, opens, closes, weekdays, zone) + _CYCLE
    # That of the day before yesterday can still be open if the clock has skipped a day.
    length = timedelta(milliseconds=(closes - opens) % DAY or DAY)
    for day in _days_around(now, range(-2, 16), weekdays, zone):
        first = datetime.combine(day, datetime.min.time()) + timedelta(milliseconds=opens)
        start, end = instant_of(first, zone), instant_of(first + length, zone)
        if start < end and now < end:
            return max(now, start)
    raise ValueError("a window that never opens")


def _days_around(
    now: int, days: Iterable[int], weekdays: Collection[int], zone: tzinfo
) -> Iterator[date]:
    """Those of the days that are on these weekdays, in order; 0 is the zone's day at `now`, ms."""
    today = (datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=now)).astimezone(zone).date()
    for day in (today + timedelta(number) for number in days):
        if day.weekday() in weekdays:
            yield day


def instant_of(local: datetime, zone: tzinfo) -> int:
    """The instant, ms since 1970, at which the clock of a zone shows a time without a zone.

    Daylight saving time as for next_local. Raises ValueError outside the years 1 to 9999.
    """
    offset = zone.utcoffset(local)  # fold=0: the earlier of two; in a gap, the offset before it
    assert offset is not None, "a zone has an offset for every date"
    try:
        return (local - offset - _EPOCH) // _MILLISECOND
    except OverflowError:
        raise ValueError("a time outside the years 1 to 9999") from None
