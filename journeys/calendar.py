"""Calendar periods, such as a month, and the local time of an instant in a zone.

Law: that of zones.py. A period's years, months, weeks and days move the date on the zone's clock
and keep the time of day; its hours, minutes and seconds are exact lengths after that.
"""

from __future__ import annotations

import re
from calendar import monthrange
from datetime import UTC, date, datetime, timedelta, tzinfo
from typing import NamedTuple

from journeys.zones import instant_of

PERIOD = "an ISO 8601 duration such as 'P1M', 'P1Y2M3DT4H' or '-P3D'"
LOCAL = "a date, with or without a time, such as '2026-05-01' or '2026-05-01 09:00'"

_NUMBER = r"(\d{1,9})"
_PERIOD = re.compile(
    rf"([+-])?P(?:{_NUMBER}Y)?(?:{_NUMBER}M)?(?:{_NUMBER}W)?(?:{_NUMBER}D)?"
    rf"(T(?:{_NUMBER}H)?(?:{_NUMBER}M)?(?:{_NUMBER}(?:\.(\d{{1,3}}))?S)?)?",
    re.ASCII,
)
_LOCAL = re.compile(
    r"(\d{4})-(\d\d)-(\d\d)(?:[T ](\d\d):(\d\d)(?::(\d\d)(?:\.(\d{1,6}))?)?)?", re.ASCII
)


class Period(NamedTuple):
    """months, days: of the calendar; ms: an exact length. All may be negative."""

    months: int
    days: int
    ms: int


def parse_period(text: str) -> Period:
    """Reads an ISO 8601 duration, which may begin with a sign. Raises ValueError."""
    found = _PERIOD.fullmatch(text)
    if found is None or not any(found.groups()[1:]) or found[6] == "T":
        raise ValueError(f"expected {PERIOD}")
    years, months, weeks, days = (int(part or 0) for part in found.groups()[1:5])
    hours, minutes, seconds = (int(part or 0) for part in found.groups()[6:9])
    ms = ((hours * 60 + minutes) * 60 + seconds) * 1_000 + int((found[10] or "").ljust(3, "0"))
    sign = -1 if found[1] == "-" else 1
    return Period(sign * (12 * years + months), sign * (7 * weeks + days), sign * ms)


def plus(at: int, period: Period, zone: tzinfo) -> int:
    """The instant one period after `at`; both in ms since 1970.

    If the month has no such day, its last day is used. A time that the clock skips on the new date
    is read with the offset before the gap, and a repeated time is its first occurrence, unless the
    date stays the same.

    Raises:
        ValueError: it is outside the years 1 to 9999.
    """
    if period.months or period.days:
        local = clock_of(at, zone)
        try:
            day = _months_later(local.date(), period.months) + timedelta(period.days)
        except (OverflowError, ValueError):
            raise ValueError("a time outside the years 1 to 9999") from None
        if day != local.date():
            at = instant_of(datetime.combine(day, local.time()), zone)
    return at + period.ms


def _months_later(day: date, months: int) -> date:
    month = day.year * 12 + day.month - 1 + months
    year, month = divmod(month, 12)
    return date(year, month + 1, min(day.day, monthrange(year, month + 1)[1]))


def parse_local(text: str) -> datetime:
    """Reads a date on the clock of a zone, with or without a time of day. Raises ValueError."""
    found = _LOCAL.fullmatch(text)
    if found is None:
        raise ValueError(f"expected {LOCAL}")
    year, month, day, hour, minute, second = (int(part or 0) for part in found.groups()[:6])
    micros = int((found[7] or "").ljust(6, "0"))
    try:
        return datetime(year, month, day, hour, minute, second, micros)
    except ValueError:
        raise ValueError(f"expected {LOCAL}") from None


def clock_of(at: int, zone: tzinfo) -> datetime:
    """What the clock of a zone shows at an instant (ms), as a time without a zone. Raises
    ValueError."""
    try:
        shown = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=at)
        return shown.astimezone(zone).replace(tzinfo=None, fold=0)
    except OverflowError:
        raise ValueError("a time outside the years 1 to 9999") from None


def next_anniversary(born: datetime, now: int, zone: tzinfo) -> int:
    """The first instant after `now` (ms) at which the zone's clock shows the day, the month and the
    time of `born`; 29 February is the 28th in years without it.

    Raises:
        ValueError: it is outside the years 1 to 9999.
    """
    this_year = clock_of(now, zone).year
    # A clock that skips the last day of a year shows its times in the next one.
    for year in range(max(this_year - 1, 1), min(this_year + 2, 9999) + 1):
        if (at := instant_of(_in_year(born, year), zone)) > now:
            return at
    raise ValueError("a time outside the years 1 to 9999")


def _in_year(born: datetime, year: int) -> datetime:
    return born.replace(year=year, day=min(born.day, monthrange(year, born.month)[1]))
