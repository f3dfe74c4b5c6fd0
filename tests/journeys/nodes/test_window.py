"""until_local with `between`: at once inside the window, else when it opens next."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from journeys.documents.journey import Journey
from journeys.time import HOUR, MINUTE, parse_time
from journeys.zones import WEEKDAYS, next_in_window
from tests.journeys.builders import START, World, iso, journey
from tests.journeys.reported import HEAD, told

BERLIN = "Europe/Berlin"
ALL = range(7)


def window(now: str, opens: str, closes: str, days: str = "", zone: str = BERLIN) -> str:
    """When it is open next, on the clock of the zone."""
    at, end = (
        (datetime.strptime(text, "%H:%M") - datetime(1900, 1, 1)) // timedelta(milliseconds=1)
        for text in (opens, closes)
    )
    weekdays = [WEEKDAYS.index(day) for day in days.split()] or list(ALL)
    found = next_in_window(parse_time(now), at, end, weekdays, ZoneInfo(zone))
    return datetime.fromtimestamp(found / 1_000, UTC).astimezone(ZoneInfo(zone)).isoformat(" ")


@pytest.mark.parametrize(
    ("now", "expected"),
    [
        ("2026-03-02T08:59:59.999+01:00", "2026-03-02 09:00:00+01:00"),
        ("2026-03-02T09:00:00+01:00", "2026-03-02 09:00:00+01:00"),
        ("2026-03-02T17:59:59+01:00", "2026-03-02 17:59:59+01:00"),
        ("2026-03-02T18:00:00+01:00", "2026-03-03 09:00:00+01:00"),
        ("2026-03-06T18:00:00+01:00", "2026-03-09 09:00:00+01:00"),
        ("2026-03-07T12:00:00+01:00", "2026-03-09 09:00:00+01:00"),
        ("2026-03-27T19:00:00+01:00", "2026-03-30 09:00:00+02:00"),
    ],
)
def test_office_hours(now: str, expected: str) -> None:
    assert window(now, "09:00", "18:00", "mon tue wed thu fri") == expected


@pytest.mark.parametrize(
    ("now", "days", "expected"),
    [
        ("2026-03-02T23:00:00+01:00", "", "2026-03-02 23:00:00+01:00"),
        ("2026-03-02T05:59:59+01:00", "", "2026-03-02 05:59:59+01:00"),
        ("2026-03-02T06:00:00+01:00", "", "2026-03-02 22:00:00+01:00"),
        # Friday's night reaches into Saturday; Saturday's own doesn't begin.
        ("2026-03-07T03:00:00+01:00", "fri", "2026-03-07 03:00:00+01:00"),
        ("2026-03-07T23:00:00+01:00", "fri", "2026-03-13 22:00:00+01:00"),
        ("2026-03-06T03:00:00+01:00", "fri", "2026-03-06 22:00:00+01:00"),
    ],
)
def test_a_window_over_midnight_is_of_the_day_on_which_it_opens(
    now: str, days: str, expected: str
) -> None:
    assert window(now, "22:00", "06:00", days) == expected


@pytest.mark.parametrize(
    ("now", "opens", "closes", "expected"),
    [
        # On 29 March the clock goes from 02:00 to 03:00.
        ("2026-03-29T01:30:00+01:00", "02:30", "05:00", "2026-03-29 03:30:00+02:00"),
        ("2026-03-29T03:10:00+02:00", "01:30", "02:15", "2026-03-29 03:10:00+02:00"),
        # It would close before it opens: there is none on that day.
        ("2026-03-29T01:30:00+01:00", "02:30", "03:15", "2026-03-30 02:30:00+02:00"),
        # On 25 October 02:00 to 03:00 comes twice; the first of each counts.
        ("2026-10-25T02:45:00+02:00", "02:30", "03:30", "2026-10-25 02:45:00+02:00"),
        ("2026-10-25T02:15:00+01:00", "02:30", "03:30", "2026-10-25 02:15:00+01:00"),
        ("2026-10-25T02:15:00+01:00", "01:00", "02:10", "2026-10-26 01:00:00+01:00"),
    ],
)
def test_a_window_when_the_clock_changes(now: str, opens: str, closes: str, expected: str) -> None:
    assert window(now, opens, closes) == expected


def test_a_day_that_the_clock_skipped() -> None:
    """Samoa had no 30 December 2011: a Friday."""
    zone = "Pacific/Apia"
    before = "2011-12-29T20:00:00-10:00"
    assert window(before, "09:00", "17:00", "", zone) == "2011-12-31 09:00:00+14:00"


def test_it_is_open_as_a_minute_by_minute_search_says() -> None:
    zone = ZoneInfo(BERLIN)
    for opens, closes in ((2 * HOUR + 30 * MINUTE, 3 * HOUR), (23 * HOUR, 2 * HOUR)):
        for day in ("2026-03-28", "2026-10-24", "2026-06-05"):
            begin = parse_time(f"{day}T12:00:00+00:00")
            for now in range(begin, begin + 36 * HOUR, 7 * MINUTE):
                found = next_in_window(now, opens, closes, ALL, zone)
                assert next_in_window(found, opens, closes, ALL, zone) == found >= now
                if found > now:
                    assert next_in_window(found - 1, opens, closes, ALL, zone) == found


def test_far_away_it_is_the_same_day_of_the_week() -> None:
    late = 253_402_300_799_999 + 5_000 * 365 * 24 * HOUR
    found = next_in_window(late, 9 * HOUR, 18 * HOUR, [0], ZoneInfo("UTC"))
    assert late <= found < late + 8 * 24 * HOUR


def tour(fields: str, zone: str = "UTC") -> Journey:
    nodes = f"""
    pause: {{type: delay, until_local: {{{fields}}}}}
    done: {{type: exit, reason: done}}
    """
    return journey(nodes).model_copy(update={"timezone": zone})


@pytest.mark.parametrize(
    ("between", "due"),
    [
        ('["12:00", "13:00"]', None),  # START is Sunday, 2026-01-18 at 12:00 UTC
        ('["11:00", "12:00"]', iso(23 * HOUR)),
        ('["13:00", "12:00"]', iso(HOUR)),
        ('["12:00:01", "12:00"]', iso(1_000)),
    ],
)
def test_inside_it_continues_and_outside_it_waits(between: str, due: str | None) -> None:
    world = World(tour(f"between: {between}"))
    world.event()
    dues = [str((one.detail or {})["due"]) for one in world.told("wait.started")]
    assert dues == ([] if due is None else [due])
    world.clock("end")
    assert [one.split()[:2] for one in world.story("journey.exited")] == [
        ["journey.exited", "done"]
    ]


def test_the_users_zone_says_whether_it_is_open() -> None:
    world = World(tour('between: ["09:00", "18:00"]'))
    world.event(traits={"timezone": "Asia/Tokyo"})  # 21:00 there
    assert world.instance().wait.due == START + 12 * HOUR


@pytest.mark.parametrize(
    ("fields", "problem"),
    [
        ('between: ["09:00"]', "found 1 item, expected at least 2"),
        ('between: ["09:00", "10:00", "11:00"]', "found 3 items, expected at most 2"),
        ('between: ["09:00", "09:00"]', "'between' needs two different times"),
        ('between: ["9:00", "18:00"]', "did you mean '09:00'?"),
        ("between: [9, 18]", "'between[0]' in 'until_local' of node 'pause' (delay): found 9"),
        ('between: ["09:00", "18:00"], time: "09:00"', "exactly one of 'time' and 'between'"),
        ('betwen: ["09:00", "18:00"]', "did you mean 'between'?"),
    ],
)
def test_a_window_that_can_not_be_is_refused(fields: str, problem: str) -> None:
    found = told(f"{HEAD}  pause: {{type: delay, until_local: {{{fields}}}}}\n")
    assert any(problem in one for one in found), found
