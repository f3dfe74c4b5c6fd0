"""Times of day: where the user is, across changes of the clock, leap days and the end of time."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from journeys.time import LAST, format_time, parse_time
from journeys.zones import WEEKDAYS, ZONES, find_zone, next_local, zone_of
from tests.journeys.builders import DAY, HOUR, MINUTE

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
EVERY_DAY = range(7)
# Half an hour of summer time, changes at midnight, two hours, a whole day left out or lived twice.
ODD = [
    "Europe/Berlin America/New_York Australia/Lord_Howe America/Sao_Paulo Asia/Beirut Asia/Gaza",
    "Africa/Cairo Antarctica/Troll America/St_Johns Pacific/Apia Pacific/Kwajalein Asia/Tehran",
    "Africa/Casablanca Europe/Dublin America/Havana Pacific/Chatham Asia/Kathmandu UTC",
]


def _zone(name: object) -> Any:
    found = zone_of(name)
    assert found is not None
    return found


def _wall(ms: int, zone: ZoneInfo) -> datetime:
    """What clocks in a zone show."""
    return (EPOCH + timedelta(milliseconds=ms)).astimezone(zone).replace(tzinfo=None)


def _showings(start: int, end: int, clock: int, days: set[int], zone: ZoneInfo) -> Iterator[int]:
    """When clocks show a time of day: searched minute by minute, as a person would.

    A time that is skipped comes when the clock would show it had it not been put forward.
    """
    minute = timedelta(minutes=1)
    seen: set[datetime] = set()
    instant = EPOCH + timedelta(milliseconds=start)
    before = (instant - minute).astimezone(zone)
    for ms in range(start, end, MINUTE):
        shown = instant.astimezone(zone)
        passed = shown - before  # on the clock, as the two are in one zone
        comes = [(shown, ms)]
        if passed > minute:
            skipped = range(passed // minute - 1)
            comes += [(before + minute * (n + 1), ms + n * MINUTE) for n in skipped]
        for wall, at in comes:
            if (wall.hour * 60 + wall.minute) * MINUTE == clock and wall.weekday() in days:
                if (wall := wall.replace(tzinfo=None)) not in seen:
                    yield at
                seen.add(wall)
        instant, before = instant + minute, shown


@st.composite
def moments(draw: st.DrawFn) -> tuple[int, ZoneInfo]:
    """A time, most often near one at which the clocks of a zone change, and that zone."""
    odd = st.sampled_from(" ".join(ODD).split())
    zone = _zone(draw(odd | st.sampled_from(sorted(ZONES))))
    year = parse_time(f"{draw(st.integers(1973, 2045))}-01-01T00:00:00Z")
    offsets = [_wall(year + day * DAY, zone) - _wall(year, zone) for day in range(367)]
    changes = [
        day for day in range(366) if offsets[day + 1] - offsets[day] != timedelta(days=1)
    ] or [0]
    around = st.integers(-2 * DAY, 2 * DAY)
    return year + draw(st.sampled_from(changes)) * DAY + draw(around), zone


@settings(max_examples=120, deadline=None)
@given(
    moments(),
    st.integers(0, 4 * 60 - 1) | st.integers(0, 24 * 60 - 1),
    st.sets(st.integers(0, 6), min_size=1),
)
def test_it_is_the_first_time_after_now_that_the_users_clock_shows_it(
    moment: tuple[int, ZoneInfo], minutes: int, days: set[int]
) -> None:
    now, zone = moment
    clock = minutes * MINUTE
    start = (now - 3 * DAY) // MINUTE * MINUTE
    showings = _showings(start, now + 10 * DAY, clock, days, zone)
    expected = next(ms for ms in sorted(showings) if ms > now)
    assert next_local(now, clock, days, zone) == expected


@settings(max_examples=200)
@given(
    st.integers(0, LAST),
    st.integers(0, DAY // 1000 - 1),
    st.sets(st.integers(0, 6), min_size=1),
    st.sampled_from(sorted(ZONES)),
)
def test_it_comes_within_nine_days_of_any_time_there_is(
    now: int, seconds: int, days: set[int], name: str
) -> None:
    due = next_local(now, seconds * 1000, days, _zone(name))
    assert now < due <= now + 9 * DAY


BERLIN = "Europe/Berlin"


@pytest.mark.parametrize(
    ("zone", "now", "clock", "due"),
    [
        # Put forward: 02:00 is 03:00 at once, and 02:30 is read as if it were not.
        (BERLIN, "2026-03-28T12:00:00Z", "02:30", "2026-03-29T01:30:00.000Z"),
        (BERLIN, "2026-03-29T01:30:00Z", "02:30", "2026-03-30T00:30:00.000Z"),
        # Put back: 02:30 comes twice, and the first is meant.
        (BERLIN, "2026-10-24T12:00:00Z", "02:30", "2026-10-25T00:30:00.000Z"),
        (BERLIN, "2026-10-25T00:30:00Z", "02:30", "2026-10-26T01:30:00.000Z"),
        (BERLIN, "2026-10-25T00:59:00Z", "02:30", "2026-10-26T01:30:00.000Z"),
        # A local day is 23 or 25 hours then.
        (BERLIN, "2026-03-28T08:00:00Z", "09:00", "2026-03-29T07:00:00.000Z"),
        (BERLIN, "2026-10-24T07:00:00Z", "09:00", "2026-10-25T08:00:00.000Z"),
        # Half an hour of summer time.
        ("Australia/Lord_Howe", "2026-10-03T12:00:00Z", "02:15", "2026-10-03T15:45:00.000Z"),
        # A day that was left out; its 09:00 is the next day's.
        ("Pacific/Apia", "2011-12-29T20:00:00Z", "09:00", "2011-12-30T19:00:00.000Z"),
        ("Pacific/Apia", "2011-12-30T19:00:00Z", "09:00", "2011-12-31T19:00:00.000Z"),
        # Midnight that was skipped: 00:30 comes at 01:30, and 23:59 is a minute before.
        ("America/Sao_Paulo", "2017-10-14T20:00:00Z", "00:30", "2017-10-15T03:30:00.000Z"),
        # Leap days.
        ("UTC", "2028-02-28T09:00:00Z", "09:00", "2028-02-29T09:00:00.000Z"),
        ("UTC", "2028-02-29T09:00:00Z", "09:00", "2028-03-01T09:00:00.000Z"),
        ("UTC", "2027-02-28T09:00:00Z", "09:00", "2027-03-01T09:00:00.000Z"),
        ("UTC", "2100-02-28T09:00:00Z", "09:00", "2100-03-01T09:00:00.000Z"),
    ],
)
def test_times_of_day_across_changes_of_the_clock(
    zone: str, now: str, clock: str, due: str
) -> None:
    hours, minutes = map(int, clock.split(":"))
    found = next_local(parse_time(now), hours * HOUR + minutes * MINUTE, EVERY_DAY, _zone(zone))
    assert format_time(found) == due


@pytest.mark.parametrize("day", EVERY_DAY)
def test_a_weekday_is_at_most_a_week_away_and_never_now(day: int) -> None:
    now = parse_time("2024-02-29T09:00:00Z")  # a Thursday
    due = next_local(now, 9 * HOUR, [day], _zone("UTC"))
    assert _wall(due, _zone("UTC")).weekday() == day
    assert now < due <= now + 7 * DAY
    assert (due == now + 7 * DAY) == (WEEKDAYS[day] == "thu")


def test_the_last_days_of_the_calendar_have_a_next_one() -> None:
    assert next_local(LAST, 0, EVERY_DAY, _zone(BERLIN)) == LAST + 1 + 23 * HOUR


@pytest.mark.parametrize(
    "value", [5, "Mars/Olympus", "../UTC", ["UTC"], "Europe", "+24:00", "+5:30"]
)
def test_unknown_zones_before_the_first_known_one_are_reported(value: object) -> None:
    unknown: list[object] = []
    assert find_zone([value], unknown.append) == _zone("UTC")
    assert find_zone([None, value, "", "Asia/Tokyo", "Mars"], unknown.append) == _zone("Asia/Tokyo")
    assert unknown == [value, value]


@given(st.sampled_from(sorted(ZONES)), st.data())
def test_a_zone_is_found_in_any_case_and_among_blanks(name: str, data: st.DataObject) -> None:
    cased = "".join(data.draw(st.sampled_from([one.lower(), one.upper()])) for one in name)
    blanks = st.text(" \t\n\u00a0", max_size=3)
    assert zone_of(data.draw(blanks) + cased + data.draw(blanks)) is _zone(name)


@given(st.integers(-24 * 60 + 1, 24 * 60 - 1))
def test_an_offset_is_a_zone(minutes: int) -> None:
    sign = "-" if minutes < 0 else "+"
    zone = zone_of(f" {sign}{abs(minutes) // 60:02}:{abs(minutes) % 60:02}")
    assert zone is not None
    assert zone.utcoffset(None) == timedelta(minutes=minutes)


def test_every_zone_of_the_package_can_be_read() -> None:
    assert {_zone(name).key for name in ZONES} == ZONES
