"""One step: repeats, the timers that are due before it, its limits, and who it concerns."""

from __future__ import annotations

import pytest

from journeys.records.user_record import MAX_INSTANCES, encode
from tests.journeys.builders import HOUR, KEYED, MINUTE, SECOND, WAIT, World, iso, journey

DELAYS = """
first: {type: delay, for: 1h}
second: {type: delay, for: 1h}
done: {type: exit, reason: done}
"""


# Repeats.


def test_an_event_whose_message_id_was_seen_is_dropped() -> None:
    world = World(journey(WAIT))
    world.event(messageId="m")
    before = world.record()
    world.event(at=MINUTE, messageId="m")
    assert world.record().same_but_message_ids(before)
    assert len(world.told("journey.entered")) == 1
    assert world.effects.counts["event.repeated"] == 1


def test_two_events_without_a_message_id_are_two_events() -> None:
    world = World(journey(WAIT))
    world.event()
    world.event()
    assert len(world.record().instances) == 2


def test_a_repeat_fires_no_timer() -> None:
    world = World(journey(WAIT), clock="wall")
    world.event(messageId="m", arrival=0)
    world.event(at=2 * HOUR, messageId="m", arrival=2 * HOUR)
    assert world.told("wait.timed_out") == []


def test_the_same_message_id_of_another_user_is_no_repeat() -> None:
    world = World(journey(WAIT))
    world.event(messageId="m")
    world.event(messageId="m", user="other")
    assert len(world.told("journey.entered")) == 2


def test_the_last_64_are_remembered_however_old() -> None:
    world = World(journey(WAIT))
    world.event("other", messageId="first")
    for minute in range(1, 64):
        world.event("other", at=minute * HOUR)
    world.event(at=64 * HOUR, messageId="first")
    assert world.told() == []
    for minute in range(65, 129):  # it was new again at the 64th
        world.event("other", at=minute * HOUR)
    world.event(at=129 * HOUR, messageId="first")
    assert len(world.told("journey.entered")) == 1


def test_those_of_the_last_hour_are_remembered_beyond_64() -> None:
    world = World(journey(WAIT))
    world.event("other", messageId="first")
    for second in range(200):
        world.event("other", at=second * SECOND)
    world.event(at=HOUR, messageId="first")
    assert world.told() == []
    for _ in range(64):
        world.event("other", at=HOUR + 1)
    world.event(at=2 * HOUR, messageId="first")
    assert world.told() == []
    for _ in range(64):
        world.event("other", at=3 * HOUR + 1)
    world.event(at=3 * HOUR + 1, messageId="first")
    assert len(world.told("journey.entered")) == 1


def test_no_more_than_1024_are_remembered() -> None:
    world = World(journey(WAIT))
    world.event("other", messageId="first")
    for _ in range(1_023):
        world.event("other")
    world.event("other", messageId="first")
    assert world.effects.counts["event.repeated"] == 1
    for _ in range(1_024):
        world.event("other")
    world.event(messageId="first")
    assert len(world.told("journey.entered")) == 1


def test_a_producer_that_repeats_itself_for_hours_is_known_throughout() -> None:
    world = World(journey(WAIT))
    for minute in range(0, 600, 30):
        world.event(at=minute * MINUTE, messageId="m")
        for second in range(70):
            world.event("other", at=minute * MINUTE + second * SECOND)
    assert len(world.told("journey.entered")) == 1


# The user's timers that are due.


def test_timers_due_before_an_event_fire_before_it_earliest_first() -> None:
    long = journey(WAIT.replace("1h", "2h"), name="long")
    short = journey(WAIT, name="short")
    world = World(long, short, clock="wall")
    world.event(arrival=0)
    world.event("answer", at=3 * HOUR, arrival=3 * HOUR)
    ended = [(one.journey, one.detail["reason"]) for one in world.told("journey.exited")]
    assert ended == [("short", "late"), ("long", "late")]


def test_timers_due_at_one_time_fire_the_older_instance_first() -> None:
    world = World(journey(WAIT, entry=KEYED), clock="wall")
    world.event(properties={"k": "b"}, arrival=0)
    world.event(properties={"k": "a"}, arrival=0)
    world.event("other", at=HOUR, arrival=HOUR)
    assert [one.key for one in world.told("wait.timed_out")] == ["b", "a"]


def test_a_timer_that_a_timer_sets_fires_too_when_it_is_due() -> None:
    world = World(journey(DELAYS))
    world.event()
    world.event("other", at=5 * HOUR)
    assert world.told("journey.exited")[0].at == iso(2 * HOUR)


def test_at_the_deadline_itself_the_timer_wins_and_the_next_wait_sees_the_event() -> None:
    world = World(
        journey("""
        one: {type: wait_for_event, event: answer, within: 1h, on_timeout: two, next: early}
        two: {type: wait_for_event, event: answer, within: 1h, on_timeout: never, next: late}
        early: {type: exit, reason: early}
        late: {type: exit, reason: late}
        never: {type: exit, reason: never}
        """),
        clock="wall",
    )
    world.event(arrival=0)
    world.event("answer", at=HOUR, arrival=HOUR)
    assert world.story("journey.exited") == ["journey.exited late +3600s"]


def test_an_event_before_the_deadline_takes_the_branch_though_it_is_applied_after_it() -> None:
    world = World(journey(WAIT), clock="wall")
    world.event(arrival=0)
    world.event("answer", at=HOUR - 1, arrival=9 * HOUR)
    assert world.story("journey.exited") == ["journey.exited answered +3600s"]


# Limits, and what can't be kept.


def test_the_1001st_live_instance_is_rejected_as_too_many() -> None:
    world = World(journey(WAIT))
    for _ in range(MAX_INSTANCES + 1):
        world.event()
    assert len(world.record().instances) == MAX_INSTANCES
    assert world.story("journey.rejected") == ["journey.rejected too_many"]


def test_a_step_that_would_exceed_the_records_limit_is_refused_and_reported() -> None:
    world = World(journey(WAIT))
    world.event("other", traits={"a": "x" * 600_000})
    before = world.record()
    world.event(traits={"b": "x" * 600_000})
    assert world.record().traits == before.traits
    assert world.record().instances == ()
    assert world.story() == ["profile.changed", "event.rejected record_too_large"]
    assert len(encode(world.record())) <= 1024 * 1024


def test_an_integer_that_no_record_can_hold_is_kept_as_a_double() -> None:
    world = World(journey(WAIT))
    world.event(traits={"a": 2**70, "b": 1})
    assert world.record().traits == {"a": 2.0**70, "b": 1}
    assert [one.type for one in world.told()][:2] == ["profile.changed", "journey.entered"]


def test_a_run_of_nodes_is_bounded() -> None:
    """Validation refuses such a journey; the engine doesn't rely on it."""
    nodes = "round: {type: criteria, branches: [{when: 'true', next: round}], otherwise: round}"
    world = World(journey(nodes))
    world.event()
    (end,) = world.told("journey.exited")
    assert end.detail["reason"] == "error"


# Lifecycle.


def test_a_draft_runs_nothing() -> None:
    world = World(journey(WAIT, status="draft"))
    world.event()
    assert world.told() == []


@pytest.mark.parametrize("touch", ["event", "clock"])
def test_instances_of_an_archived_journey_end_when_they_are_touched(touch: str) -> None:
    world = World(journey(WAIT))
    world.event()
    world.turn("tour", "archived")
    if touch == "event":
        world.event("other", at=MINUTE)
    else:
        world.clock(2 * HOUR)
    assert world.told("journey.exited")[0].detail == {"reason": "archived"}
    assert world.record().instances == ()


def test_instances_keep_the_version_they_entered_with() -> None:
    world = World(journey(WAIT))
    world.event()
    world.push(journey(WAIT.replace("answered", "other")))
    world.event("answer", at=1)
    (end,) = world.told("journey.exited")
    assert (end.version, end.detail) == ("v1", {"reason": "answered"})
