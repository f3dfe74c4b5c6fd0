"""Periods and anniversaries on the clocks of zones, compared with another library and by hand."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from dateutil.relativedelta import relativedelta
from hypothesis import given
from hypothesis import strategies as st

from journeys.calendar import Period, next_anniversary, parse_local, parse_period, plus
from journeys.time import format_time, parse_time
from journeys.zones import instant_of, zone_of
from tests.journeys.test_zones import EPOCH, ODD

ZONES = [name for line in ODD for name in line.split()]
LAST_MS = parse_time("2200-01-01T00:00:00Z")


def zone(name: str) -> Any:
    found = zone_of(name)
    assert found is not None
    return found


def shown(ms: int, name: str) -> datetime:
    return (EPOCH + timedelta(milliseconds=ms)).astimezone(zone(name)).replace(tzinfo=None, fold=0)


@given(
    st.integers(0, LAST_MS),
    st.sampled_from(ZONES),
    st.sampled_from(["", "-"]),
    st.tuples(*[st.integers(0, most) for most in (30, 40, 9, 400, 50, 90, 90)]),
)
def test_a_period_leads_where_another_library_says(
    at: int, name: str, sign: str, parts: tuple[int, ...]
) -> None:
    years, months, weeks, days, hours, minutes, seconds = parts
    text = f"{sign}P{years}Y{months}M{weeks}W{days}DT{hours}H{minutes}M{seconds}S"
    direction = -1 if sign else 1
    begin = shown(at, name)
    moved = begin + relativedelta(years=direction * years, months=direction * months)
    moved += timedelta(days=direction * (7 * weeks + days))
    length = timedelta(hours=hours, minutes=minutes, seconds=seconds)
    if moved == begin:
        reached = EPOCH + timedelta(milliseconds=at)
    else:
        reached = moved.replace(tzinfo=zone(name)).astimezone(UTC)  # fold=0, as the law has it
    reached += direction * length
    assert EPOCH + timedelta(milliseconds=plus(at, parse_period(text), zone(name))) == reached


@pytest.mark.parametrize(
    ("at", "period", "name", "reached"),
    [
        ("2024-01-31T12:00:00Z", "P1M", "UTC", "2024-02-29T12:00:00.000Z"),
        ("2026-03-31T12:00:00Z", "-P1M", "UTC", "2026-02-28T12:00:00.000Z"),
        ("2024-02-29T12:00:00Z", "P1Y", "UTC", "2025-02-28T12:00:00.000Z"),
        ("2026-03-28T08:00:00Z", "P1D", "Europe/Berlin", "2026-03-29T07:00:00.000Z"),
        ("2026-03-28T08:00:00Z", "PT24H", "Europe/Berlin", "2026-03-29T08:00:00.000Z"),
        ("2026-02-28T01:30:00Z", "P29D", "Europe/Berlin", "2026-03-29T01:30:00.000Z"),  # skipped
        ("2026-10-25T01:30:00Z", "P0D", "Europe/Berlin", "2026-10-25T01:30:00.000Z"),  # the second
        ("2026-01-01T00:00:00.250Z", "PT0.5S", "UTC", "2026-01-01T00:00:00.750Z"),
    ],
)
def test_by_hand(at: str, period: str, name: str, reached: str) -> None:
    assert format_time(plus(parse_time(at), parse_period(period), zone(name))) == reached


@pytest.mark.parametrize(
    "text", ["", "P", "PT", "P1", "1D", "3d", "P1DT", "P1.5D", "--P1D", "P1D ", "P-1D", "P١D"]
)
def test_what_is_no_period(text: str) -> None:
    with pytest.raises(ValueError, match="expected an ISO 8601 duration"):
        parse_period(text)


@pytest.mark.parametrize("months", [12 * 8_100, -12 * 8_100, 10**9, -(10**9)])
def test_the_end_of_time_is_an_error(months: int) -> None:
    with pytest.raises(ValueError, match="outside the years 1 to 9999"):
        plus(0, Period(months, 0, 0), zone("UTC"))
    with pytest.raises(ValueError, match="outside the years 1 to 9999"):
        plus(0, Period(0, 31 * months, 0), zone("UTC"))


@given(st.datetimes(datetime(1, 1, 2), datetime(9999, 12, 30)), st.sampled_from(ZONES))
def test_a_local_time_is_when_the_clock_shows_it(local: datetime, name: str) -> None:
    local = local.replace(microsecond=0)
    for text in (local.isoformat(" "), local.isoformat("T")):
        at = instant_of(parse_local(text), zone(name))
        back = shown(at, name)
        # Where the clock skips it, by as much as the clock does.
        assert back == local or timedelta() < back - local <= timedelta(days=1)


@pytest.mark.parametrize(
    "text", ["", "2026", "2026-02-30", "2026-13-01", "2026-01-01 24:00", "1 May", "2026-01-01Z"]
)
def test_what_is_no_local_time(text: str) -> None:
    with pytest.raises(ValueError, match="expected a date, with or without a time"):
        parse_local(text)


@given(
    st.datetimes(datetime(1900, 1, 1), datetime(2100, 1, 1)),
    st.integers(0, LAST_MS),
    st.sampled_from(ZONES),
)
def test_an_anniversary_is_the_first_day_that_comes(born: datetime, now: int, name: str) -> None:
    """Searches day by day, as a person would."""
    born = born.replace(microsecond=0)
    at = next_anniversary(born, now, zone(name))
    assert at > now
    day = shown(now, name).date() - timedelta(1)
    while True:
        leap = day.year % 4 == 0 and (day.year % 100 != 0 or day.year % 400 == 0)
        date = (2, 28) if (born.month, born.day) == (2, 29) and not leap else (born.month, born.day)
        if (day.month, day.day) == date:
            found = instant_of(datetime.combine(day, born.time()), zone(name))
            if found > now:
                break
        day += timedelta(1)
    assert at == found
