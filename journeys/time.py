"""Times and durations as integer milliseconds, and how they are parsed and formatted.

Law: a time is exact: a text without a zone, or outside the years 1970 to 9999, is refused.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from functools import lru_cache
from math import floor, isfinite

SECOND = 1_000
MINUTE = 60 * SECOND
HOUR = 60 * MINUTE
DAY = 24 * HOUR
WEEK = 7 * DAY
YEAR = 365 * DAY

LAST = 253_402_300_799_999
"""9999-12-31T23:59:59.999Z, ms."""

LONGEST = 1_000 * YEAR
"""The longest duration, ms."""

_LEAST_MS, _LEAST_US, _LEAST_NS = 10**11, 10**14, 10**17
"""From these sizes on, a number is milliseconds, microseconds, nanoseconds since 1970; below the
first it is seconds."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND = timedelta(milliseconds=1)
_DATE_TIME = re.compile(
    r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d(:\d\d([.,]\d+)?)?(Z|[+-]\d\d(:?\d\d)?)", re.IGNORECASE
)
_SHORT = re.compile(r"(\d{1,15})(ms|s|m|h|d|w)")
_ISO = re.compile(
    r"P(?:(\d{1,9})W|(?:(\d{1,9})D)?(?:T(?:(\d{1,9})H)?(?:(\d{1,9})M)?(?:(\d{1,9})(?:\.(\d{1,3}))?S)?)?)"
)
_CALENDAR = re.compile(r"-?P\d{1,9}[YM][\dYMWDTHS.]*")
_MINUTES = tuple(f"{minute // 60:02}:{minute % 60:02}:" for minute in range(24 * 60))
_SECONDS = tuple(f"{second:02}." for second in range(60))
_MILLISECONDS = tuple(f"{ms:03}Z" for ms in range(SECOND))
_UNITS = {"ms": 1, "s": SECOND, "m": MINUTE, "h": HOUR, "d": DAY, "w": WEEK}
_PART = re.compile(r"(\d{1,9}(?:\.\d{1,3})?)\s*([a-z]+)\W*")
_SPOKEN = {
    **dict.fromkeys(("sec", "second"), "s"),
    **dict.fromkeys(("min", "minute"), "m"),
    **dict.fromkeys(("hr", "hour"), "h"),
    "day": "d",
    "week": "w",
}


def parse_duration(text: str) -> int:
    """Parse a duration such as `90s`, `15m`, `1h`, `2d`, `1w`, or ISO 8601 such as `P1DT2H`.

    Returns:
        milliseconds.

    Raises:
        ValueError: it is not a duration, or longer than 1,000 years. Years and months have no
            fixed length and are not accepted.
    """
    if short := _SHORT.fullmatch(text):
        ms = int(short[1]) * _UNITS[short[2]]
    else:
        iso = _ISO.fullmatch(text)
        if iso is None or not any(iso.groups()) or text.endswith("T"):
            raise ValueError(f"{text!r} is not a duration such as 90s, 15m, 1h, 2d, 1w or P1DT2H")
        weeks, days, hours, minutes, seconds = (int(part or 0) for part in iso.groups()[:5])
        ms = weeks * WEEK + days * DAY + hours * HOUR + minutes * MINUTE + seconds * SECOND
        ms += int((iso[6] or "").ljust(3, "0"))
    if ms > LONGEST:
        raise ValueError(f"{text!r} is longer than 1,000 years")
    return ms


def format_duration(ms: int) -> str:
    """The shortest text that `parse_duration` parses to `ms`: `90s`, `36h`, `2w`."""
    unit = next(unit for unit in reversed(_UNITS) if ms % _UNITS[unit] == 0)
    return f"{ms // _UNITS[unit]}{unit}"


def like_duration(text: str) -> str | None:
    """The valid duration that a text such as `1 hour`, `1H` or `1.5h` means, or None."""
    left, ms = text.strip().lower(), 0.0
    while part := _PART.match(left):
        unit = _SPOKEN.get(part[2].removesuffix("s"), part[2])
        if unit not in _UNITS:
            return None
        ms += float(part[1]) * _UNITS[unit]
        left = left[part.end() :]
    return format_duration(round(ms)) if 0 < ms <= LONGEST and not left else None


def why_no_duration(text: str) -> str | None:
    """Why a text with the form of a duration is not a valid one; None: it hasn't the form."""
    if _CALENDAR.fullmatch(text):
        return "years and months have no fixed length"
    form = _SHORT.fullmatch(text.removeprefix("-")) or _ISO.fullmatch(text.removeprefix("-"))
    limits = "a duration is longer than 0 and at most 1,000 years"
    return limits if form and any(form.groups()) else None


def parse_time(text: str) -> int:
    """Parse an ISO 8601 date and time with a zone.

    Returns:
        milliseconds since 1970; fractions of a millisecond are cut off.

    Raises:
        ValueError: it is not such a text, or outside the years 1970 to 9999.
    """
    if len(text) != 24 or text[10] != "T" or text[23] != "Z":  # the usual form needs no check
        if not _DATE_TIME.fullmatch(text):
            raise ValueError(f"{text!r} is not an ISO 8601 date and time with a zone")
        text = text.upper()
    try:
        ms = (datetime.fromisoformat(text) - _EPOCH) // _MILLISECOND
    except (ValueError, OverflowError):
        raise ValueError(f"{text!r} is not an ISO 8601 date and time with a zone") from None
    return ms if 0 <= ms <= LAST else check_time(ms)


def ms_of_number(number: int | float) -> int:
    """A time as a number since 1970, whose unit follows from its size.

    Below 10^11 it is seconds, from 10^11 milliseconds, from 10^14 microseconds, from 10^17
    nanoseconds: each of them is a time between 1973 and 5138.

    Args:
        number: an integer, or one with a fraction; it counts as the decimal that JSON wrote. (The
            annotation names both, since in compiled code a `float` alone is a C double.)

    Returns:
        milliseconds since 1970; fractions of a millisecond are cut off.

    Raises:
        ValueError: it is outside the years 1970 to 9999, or not finite.
    """
    if isinstance(number, int):
        if _LEAST_MS <= number < _LEAST_US:
            return number
        ms = _to_ms(number)
    else:
        if not isfinite(number):
            raise ValueError(f"{number} is not a time")
        ms = _to_ms(Decimal(repr(number)))
    return check_time(ms)


def _to_ms(number: int | Decimal) -> int:
    """From seconds, milliseconds, microseconds or nanoseconds to milliseconds, rounded down."""
    if number < _LEAST_MS:
        return floor(number * 1_000)
    if number < _LEAST_US:
        return floor(number)
    return floor(number) // (1_000 if number < _LEAST_NS else 1_000_000)


def is_time(text: str) -> bool:
    """Whether `parse_time` accepts the text."""
    try:
        parse_time(text)
    except ValueError:
        return False
    return True


def check_time(ms: int) -> int:
    """Return `ms` (since 1970); raises ValueError if it is outside the years 1970 to 9999."""
    if not 0 <= ms <= LAST:
        raise ValueError(f"{ms} ms is outside the years 1970 to 9999")
    return ms


@lru_cache(maxsize=4_096)
def _day(number: int) -> str:
    return f"{(_EPOCH + timedelta(number)).date().isoformat()}T"


@lru_cache(maxsize=1_024)
def format_time(ms: int) -> str:
    """ISO 8601 in UTC with milliseconds: `2026-01-18T14:32:15.234Z`.

    Args:
        ms: since 1970. A deadline may be after the year 9999; it is shown as the end of 9999.
    """
    day, rest = divmod(ms if ms < LAST else LAST, DAY)
    second, ms = divmod(rest, SECOND)
    return _day(day) + _MINUTES[second // 60] + _SECONDS[second % 60] + _MILLISECONDS[ms]
