"""Entries: which events start an instance, and which of them are rejected."""

from __future__ import annotations

from typing import Any

import pytest

from tests.journeys.builders import DAY, HOUR, KEYED, MINUTE, SECOND, WAIT, World, iso, journey


def test_a_new_instance_runs_until_it_blocks() -> None:
    world = World(journey("a: {type: destination, destination: d, payload: 1}\n" + WAIT.strip()))
    world.event()
    assert world.story() == [
        "journey.entered",
        "node.reached a",
        "action.requested a",
        "node.reached waiting",
        "wait.started waiting",
    ]


def test_the_event_that_starts_an_instance_is_not_one_that_it_awaits() -> None:
    world = World(journey(WAIT.replace("event: answer", "event: start")))
    world.event()
    assert world.told("wait.matched") == []


def test_a_node_reached_through_a_wait_does_not_see_the_same_event_again() -> None:
    world = World(
        journey("""
        one: {type: wait_for_event, event: answer, within: 1h}
        two: {type: wait_for_event, event: answer, within: 1h}
        """)
    )
    world.event()
    world.event("answer", at=1)
    assert world.instance().node == "two"


def test_waits_are_examined_before_entries() -> None:
    world = World(journey(WAIT.replace("event: answer", "event: start"), entry="event: start"))
    world.event()
    world.event(at=1)
    kinds = [one.type for one in world.told("wait.matched", "journey.entered")]
    assert kinds == ["journey.entered", "wait.matched", "journey.entered"]


def test_an_entry_evaluates_its_where() -> None:
    world = World(journey(WAIT, entry="event: start, where: event.properties.total >= 50.0"))
    world.event(properties={"total": 49})
    world.event(properties={"total": 50})
    assert len(world.told("journey.entered")) == 1


def test_a_failing_entry_where_is_counted_and_reported_once_per_version_and_minute() -> None:
    world = World(journey(WAIT, entry="event: start, where: event.properties.total > 1"))
    for second in (0, 1, 59, 60, 61):
        world.event(at=second * SECOND)
    assert world.effects.counts["entry.failed"] == 5
    assert [one.at for one in world.told("expression.failed")] == [iso(0), iso(MINUTE)]


@pytest.mark.parametrize("cut", [1, 2, 3, 4])
def test_what_is_reported_once_a_minute_does_not_depend_on_batches_and_owners(cut: int) -> None:
    document = journey(WAIT, entry="event: start, where: event.properties.total > 1")
    whole = World(document)
    for second in range(5):
        whole.event(at=second * SECOND, user=f"u{second}")
    first = World(document)
    for second in range(cut):
        first.event(at=second * SECOND, user=f"u{second}")
    samples, latest = first.processor.samples, first.processor.partition_time
    next_owner = World(document, partition_time=latest, samples=samples)
    next_owner.offset = first.offset
    for second in range(cut, 5):
        next_owner.event(at=second * SECOND, user=f"u{second}")
    assert first.told() + next_owner.told() == whole.told()
    assert next_owner.processor.samples == whole.processor.samples


def test_what_a_refused_step_reported_is_reported_again() -> None:
    large = "x" * 600_000
    document = journey(WAIT, entry="event: start, where: event.properties.total > 1")
    world = World(document)
    world.event("other", traits={"a": large})
    world.event(traits={"b": large})
    assert [one.detail["reason"] for one in world.told("event.rejected")] == ["record_too_large"]
    assert world.told("expression.failed") == []
    world.event(at=SECOND)
    assert len(world.told("expression.failed")) == 1


def test_any_of_several_events_enters_once() -> None:
    entry = """
    any_of:
      - {event: start, where: event.properties.a}
      - {event: start, where: event.properties.b}
      - {event: begin}
    """
    world = World(journey(WAIT, entry=entry))
    world.event(properties={"a": True, "b": True})
    world.event(properties={"a": False, "b": True})
    world.event(properties={"a": False, "b": False})
    world.event("begin")
    assert len(world.told("journey.entered")) == 3


def test_while_an_instance_lives_its_key_is_rejected_and_may_enter_again_after() -> None:
    world = World(journey(WAIT, entry=KEYED))
    world.event(properties={"k": "a"})
    world.event(at=1, properties={"k": "a"})
    world.event(at=2, properties={"k": "b"})
    world.event("answer", at=3, properties={"k": "a"})
    world.event(at=4, properties={"k": "a"})
    assert world.story("journey.entered", "journey.rejected") == [
        "journey.entered",
        "journey.rejected already_in +0.001s",
        "journey.entered +0.002s",
        "journey.entered +0.004s",
    ]
    assert world.told("journey.rejected")[0].key == "a"


def test_a_key_lives_over_versions() -> None:
    world = World(journey(WAIT, entry=KEYED))
    world.event(properties={"k": "a"})
    world.push(journey(WAIT.replace("1h", "2h"), entry=KEYED))
    world.event(at=1, properties={"k": "a"})
    assert world.story("journey.rejected") == ["journey.rejected already_in +0.001s"]


def test_without_a_key_every_entry_is_an_instance() -> None:
    world = World(journey(WAIT))
    world.event()
    world.event()
    assert len(world.record().instances) == 2


@pytest.mark.parametrize("properties", [{}, {"k": None}, {"k": 1.5}, {"k": []}])
def test_a_key_that_evaluates_to_nothing_is_a_rejection(properties: Any) -> None:
    world = World(journey(WAIT, entry=KEYED))
    world.event(properties=properties)
    assert world.story() == ["journey.rejected no_key"]
    assert world.effects.dead == []


def test_once_is_once_ever_over_versions_and_keys() -> None:
    once = KEYED + ", reentry: once"
    world = World(journey(WAIT, entry=once))
    world.event(properties={"k": "a"})
    world.event("answer", at=1, properties={"k": "a"})
    world.push(journey(WAIT.replace("1h", "2h"), entry=once))
    world.event(at=2, properties={"k": "b"})
    assert world.story("journey.rejected") == ["journey.rejected once +0.002s"]


def test_after_exit_is_one_live_instance_and_min_gap_after_its_end() -> None:
    world = World(journey(WAIT, entry=KEYED + ", reentry: after_exit, min_gap: 1d"))
    world.event(properties={"k": "a"})
    world.event(at=1, properties={"k": "b"})
    world.event("answer", at=MINUTE, properties={"k": "a"})
    world.event(at=DAY, properties={"k": "c"})
    world.event(at=DAY + MINUTE, properties={"k": "d"})
    reasons = [one.detail.get("reason") for one in world.told("journey.rejected")]
    assert reasons == ["already_in", "min_gap"]
    assert [one.key for one in world.told("journey.entered")] == ["a", "d"]


def test_an_event_that_is_too_late_never_starts_an_instance() -> None:
    world = World(journey(WAIT, entry="event: start, max_lateness: 1h"))
    world.event(at=0, received=HOUR)
    world.event(at=0, received=HOUR + 1)
    assert world.story("journey.entered", "journey.rejected") == [
        "journey.entered",
        "journey.rejected too_late",
    ]


def test_journeys_are_entered_in_the_order_of_their_names() -> None:
    world = World(journey(WAIT, name="b"), journey(WAIT, name="a"))
    world.event()
    assert [one.journey for one in world.told("journey.entered")] == ["a", "b"]
