"""Time: what an event's time is, when timers fire, and what time it is in a step."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from journeys.time import (
    LAST,
    format_duration,
    format_time,
    like_duration,
    parse_duration,
    parse_time,
)
from tests.journeys.builders import DAY, HOUR, MINUTE, SECOND, START, WAIT, World, iso, journey

CHAIN = """
first: {type: delay, for: 1h}
second: {type: delay, for: 1h}
third: {type: delay, for: 1h}
done: {type: exit, reason: done}
"""


# Texts.


@given(st.integers(0, LAST))
def test_a_time_survives_its_text(ms: int) -> None:
    text = format_time(ms)
    assert parse_time(text) == ms
    expected = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=ms)
    assert text == expected.isoformat(timespec="milliseconds").replace("+00:00", "Z")


@given(
    st.datetimes(datetime(1970, 1, 2), datetime(9999, 12, 30)),
    st.integers(-14 * 60, 14 * 60),
)
def test_a_time_in_any_zone_is_the_instant_that_it_is(local: datetime, offset: int) -> None:
    moment = local.replace(tzinfo=timezone(timedelta(minutes=offset)))
    since = moment - datetime(1970, 1, 1, tzinfo=UTC)
    assert parse_time(moment.isoformat()) == since // timedelta(milliseconds=1)


@pytest.mark.parametrize(
    "text",
    [
        "2026-01-18T14:32:15.234Z",
        "2026-01-18T14:32:15.234999Z",
        "2026-01-18T15:32:15.234+01:00",
        "2026-01-18T14:32:15,234Z",
        "2026-01-18 14:32:15.234z",
    ],
)
def test_forms_of_one_time(text: str) -> None:
    assert format_time(parse_time(text)) == "2026-01-18T14:32:15.234Z"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "2026-01-18",
        "2026-01-18T14:32:15",
        "2026-02-30T00:00:00Z",
        "2026-01-18T24:00:00Z",
        "2026-01-18T14:32:60Z",
        "1969-12-31T23:59:59.999Z",
        "9999-12-31T23:59:59-01:00",
        "２０２６-01-18T14:32:15.234Z",
        "now",
        "1768746735234",
    ],
)
def test_what_is_no_time_with_a_zone_within_the_years_1970_to_9999(text: str) -> None:
    with pytest.raises(ValueError):
        parse_time(text)


@pytest.mark.parametrize(
    ("text", "ms"),
    [
        ("90s", 90_000),
        ("15m", 15 * MINUTE),
        ("1h", HOUR),
        ("2d", 2 * DAY),
        ("1w", 7 * DAY),
        ("P1DT2H", 26 * HOUR),
        ("PT0.5S", 500),
        ("P2W", 14 * DAY),
    ],
)
def test_durations(text: str, ms: int) -> None:
    assert parse_duration(text) == ms


@given(st.integers(1, 400 * DAY))
def test_a_duration_survives_its_text(ms: int) -> None:
    assert parse_duration(format_duration(ms)) == ms


def test_a_duration_is_written_in_its_largest_whole_unit() -> None:
    lengths = (10_000, 90_000, 36 * HOUR, 7 * DAY, 1_500)
    assert list(map(format_duration, lengths)) == ["10s", "90s", "36h", "1w", "1500ms"]


@pytest.mark.parametrize(
    "text", ["", "1", "h", "1.5h", "-1h", "1 h", "P", "PT", "P1Y", "P1M", "1h30m", "9999999w"]
)
def test_what_is_no_duration(text: str) -> None:
    with pytest.raises(ValueError):
        parse_duration(text)


# The time of an event.


def test_under_wall_a_clock_that_runs_ahead_is_cut_back_to_the_arrival() -> None:
    world = World(journey(WAIT), clock="wall")
    world.event(at=5 * HOUR, arrival=MINUTE)
    assert world.told("journey.entered")[0].at == iso(MINUTE)
    assert world.instance().wait.due == START + MINUTE + HOUR


def test_under_wall_an_event_without_a_timestamp_happened_as_it_arrived() -> None:
    world = World(journey(WAIT), clock="wall")
    world.event(timestamp=None, arrival=MINUTE)
    assert world.instance().started == START + MINUTE


def test_under_stream_received_at_cuts_back_and_without_it_there_is_no_limit() -> None:
    world = World(journey(WAIT))
    world.event(at=5 * HOUR, received=MINUTE)
    world.event(at=6 * HOUR)
    assert [one.at for one in world.told("journey.entered")] == [iso(MINUTE), iso(6 * HOUR)]


def test_under_stream_the_kafka_arrival_means_nothing() -> None:
    world = World(journey(WAIT))
    world.event(at=5 * HOUR, arrival=MINUTE)
    assert world.told("journey.entered")[0].at == iso(5 * HOUR)


def test_a_rejected_event_does_not_move_the_partitions_time() -> None:
    world = World(journey(WAIT))
    world.event()
    world.event("answer", at=9 * HOUR, user="")
    assert world.processor.partition_time == START
    assert world.instance().node == "waiting"


def test_a_late_event_does_not_turn_the_partitions_time_back() -> None:
    world = World(journey(WAIT))
    world.event(at=HOUR)
    world.event("other", at=0)
    assert world.processor.partition_time == START + HOUR


# Deadlines and the stream's clock.


def test_a_deadline_counts_from_the_logical_time_that_the_node_was_reached() -> None:
    world = World(journey(CHAIN), clock="wall")
    world.event(arrival=5 * SECOND)
    world.fire(HOUR, now=HOUR + 30 * SECOND)
    assert world.instance().wait.due == START + 2 * HOUR


def test_under_stream_a_timer_fires_before_the_first_record_at_or_after_its_due_time() -> None:
    world = World(journey(WAIT))
    world.event()
    world.event("other", at=HOUR - 1, user="someone else")
    assert world.told("wait.timed_out") == []
    world.event("answer", at=HOUR)
    assert world.story("journey.exited") == ["journey.exited late +3600s"]


def test_under_stream_timers_of_all_users_fire_in_order_of_time_and_user() -> None:
    world = World(journey(WAIT))
    for user, at in (("b", 1), ("c", 0), ("a", 1)):
        world.event(user=user, at=at)
    world.event("other", at=DAY)
    assert [one.user_id for one in world.told("wait.timed_out")] == ["c", "a", "b"]


def test_a_clock_record_moves_a_streams_time_on() -> None:
    world = World(journey(WAIT))
    world.event()
    world.clock(HOUR - 1)
    assert world.told("wait.timed_out") == []
    world.clock(HOUR)
    assert world.told("wait.timed_out")[0].cause.timer == iso(HOUR)


def test_a_clock_record_written_as_text_is_as_good() -> None:
    world = World(journey(WAIT))
    world.event()
    world.clock(iso(HOUR))
    assert len(world.told("wait.timed_out")) == 1


def test_a_clock_record_never_turns_time_back() -> None:
    world = World(journey(WAIT))
    world.event(at=HOUR)
    world.clock(0)
    assert world.processor.partition_time == START + HOUR


def test_end_fires_what_is_due_within_ten_years_and_leaves_time_at_the_last_of_it() -> None:
    world = World(journey("again: {type: delay, for: 52w, next: again}"))
    world.event()
    world.clock("end")
    assert len(world.told("node.reached")) == 1 + 3650 // 364
    assert world.processor.partition_time == START + 3650 // 364 * 364 * DAY


def test_clock_records_are_ignored_under_wall() -> None:
    world = World(journey(WAIT), clock="wall")
    world.event(arrival=0)
    world.clock("end")
    assert world.told("wait.timed_out") == []


@pytest.mark.parametrize(
    "value", [b"", b"{}", b'{"time": true}', b'{"time": "soon"}', b'{"time": -1}']
)
def test_a_malformed_clock_record_is_rejected_and_changes_nothing(value: bytes) -> None:
    world = World(journey(WAIT))
    world.event()
    world.raw(value, kind="clock")
    assert world.story("event.rejected") == ["event.rejected malformed"]
    assert world.processor.partition_time == START


# Late events.


def test_under_wall_a_timer_set_overdue_waits_ten_seconds_from_the_arrival() -> None:
    world = World(journey(WAIT), clock="wall")
    world.event(at=0, arrival=3 * HOUR)
    wait = world.instance().wait
    assert (wait.due, wait.fire_at) == (START + HOUR, START + 3 * HOUR + 10 * SECOND)
    assert world.record().next_due() == START + 3 * HOUR + 10 * SECOND


def test_a_timer_that_is_due_just_at_the_arrival_counts_as_overdue() -> None:
    world = World(journey(WAIT), clock="wall")
    world.event(at=0, arrival=HOUR)
    assert world.instance().wait.fire_at == START + HOUR + 10 * SECOND


def test_the_rest_of_a_late_upload_still_answers() -> None:
    world = World(journey(WAIT), clock="wall")
    world.event(at=0, arrival=3 * HOUR)
    world.fire(3 * HOUR + 9 * SECOND)
    world.event("answer", at=MINUTE, arrival=3 * HOUR + 9 * SECOND)
    assert world.story("journey.exited") == ["journey.exited answered +60s"]


def test_a_later_event_of_the_user_fires_it_in_its_order_all_the_same() -> None:
    world = World(journey(WAIT), clock="wall")
    world.event(at=0, arrival=3 * HOUR)
    world.event("answer", at=HOUR, arrival=3 * HOUR)
    assert world.told("journey.exited")[0].detail == {"reason": "late"}


def test_under_stream_a_late_event_counts_its_grace_from_the_partitions_time() -> None:
    world = World(journey(WAIT))
    world.event("other", at=5 * HOUR, user="someone else")
    world.event(at=0)
    assert world.instance().wait.fire_at == START + 5 * HOUR + 10 * SECOND
    world.event("answer", at=MINUTE)
    assert world.told("journey.exited")[0].detail == {"reason": "answered"}


def test_a_timer_that_is_not_due_at_the_arrival_fires_when_it_is_due() -> None:
    world = World(journey(WAIT), clock="wall")
    world.event(at=0, arrival=HOUR - 1)
    assert world.instance().wait.fire_at == START + HOUR


def test_timers_set_by_a_timer_may_fire_as_soon_as_they_are_due() -> None:
    world = World(journey(CHAIN))
    world.event("other", at=5 * HOUR, user="someone else")
    world.event(at=0)
    world.event("other", at=5 * HOUR + 10 * SECOND, user="someone else")
    assert world.told("journey.exited")[0].at == iso(3 * HOUR)


def test_a_late_event_that_fires_a_timer_leaves_the_next_overdue_one_its_ten_seconds() -> None:
    two_waits = """
    one: {type: wait_for_event, event: never, within: 1h, next: done, on_timeout: two}
    two: {type: wait_for_event, event: answer, within: 1h, next: done, on_timeout: late}
    done: {type: exit, reason: answered}
    late: {type: exit, reason: late}
    """
    world = World(journey(two_waits))
    world.event("other", at=5 * HOUR, user="someone else")
    world.event(at=0)
    world.event("other", at=HOUR + 10 * MINUTE)
    assert world.instance().wait.fire_at == START + 5 * HOUR + 10 * SECOND
    world.event("answer", at=HOUR + 20 * MINUTE)
    assert world.told("journey.exited")[0].detail == {"reason": "answered"}


# The logical time of a timer step.


def test_a_timer_fires_at_its_due_time_when_it_is_at_most_a_minute_late() -> None:
    world = World(journey(CHAIN), clock="wall")
    world.event(arrival=0)
    world.fire(HOUR, now=HOUR + MINUTE)
    reached = world.told("node.reached")[1]
    assert reached.at == iso(HOUR)
    assert (reached.cause.timer, reached.cause.fired) == (iso(HOUR), None)


def test_under_wall_a_later_timer_fires_at_the_time_of_firing_and_says_so() -> None:
    world = World(journey(CHAIN), clock="wall")
    world.event(arrival=0)
    world.fire(5 * HOUR, now=5 * HOUR + 7)
    reached = world.told("node.reached")[1]
    assert reached.at == iso(5 * HOUR + 7)
    assert (reached.cause.timer, reached.cause.fired) == (iso(HOUR), iso(5 * HOUR + 7))


def test_after_an_outage_a_chain_of_delays_does_not_collapse_into_one_burst() -> None:
    world = World(journey(CHAIN), clock="wall")
    world.event(arrival=0)
    world.fire(5 * HOUR)
    assert world.instance().node == "second"
    assert world.instance().wait.due == START + 6 * HOUR


def test_under_wall_an_event_that_fires_a_timer_late_gives_it_its_own_time() -> None:
    world = World(journey(CHAIN), clock="wall")
    world.event(arrival=0)
    world.event("other", at=5 * HOUR, arrival=5 * HOUR)
    reached = world.told("node.reached")[1]
    assert reached.at == iso(5 * HOUR)
    assert reached.cause.offset == 1
    assert (reached.cause.timer, reached.cause.fired) == (iso(HOUR), iso(5 * HOUR))


def test_an_event_that_fires_a_timer_a_minute_late_leaves_it_its_due_time() -> None:
    world = World(journey(CHAIN), clock="wall")
    world.event(arrival=0)
    world.event("other", at=HOUR + MINUTE, arrival=HOUR + MINUTE)
    reached = world.told("node.reached")[1]
    assert (reached.at, reached.cause.fired) == (iso(HOUR), None)


def test_under_stream_no_timer_is_ever_late() -> None:
    world = World(journey(CHAIN))
    world.event()
    world.event("other", at=9 * HOUR)
    assert [one.at for one in world.told("node.reached")][1:] == [
        iso(HOUR),
        iso(2 * HOUR),
        iso(3 * HOUR),
    ]


def test_the_wall_clock_fires_nothing_beyond_what_is_safe() -> None:
    world = World(journey(WAIT), clock="wall")
    world.event(arrival=0)
    world.fire(HOUR - 1, now=2 * HOUR)
    assert world.told("wait.timed_out") == []
    world.fire(HOUR, now=2 * HOUR)
    assert len(world.told("wait.timed_out")) == 1


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("1 hour", "1h"),
        ("1H", "1h"),
        ("1h30m", "90m"),
        ("1 h 30 min", "90m"),
        ("1.5h", "90m"),
        ("2 weeks, 1 day", "15d"),
        ("90 secs", "90s"),
        ("500 ms", "500ms"),
        ("0s", None),
        ("-1h", None),
        ("1 month", None),
        ("60", None),
        ("1h x", None),
        ("999999999w", None),
        ("", None),
    ],
)
def test_the_duration_that_was_meant_is_suggested(text: str, meant: str | None) -> None:
    assert like_duration(text) == meant
    if meant is not None:
        assert parse_duration(meant) > 0
