"""Waits: which of them an event moves, and what they keep of it."""

from __future__ import annotations

from typing import Any

import pytest

from tests.journeys.builders import KEYED, MINUTE, START, WAIT, World, iso, journey


def test_every_matching_wait_moves_oldest_first() -> None:
    world = World(journey(WAIT))
    for _ in range(3):
        world.event()
    started = [one.instance for one in world.told("journey.entered")]
    world.event("answer", at=MINUTE)
    assert [one.instance for one in world.told("wait.matched")] == started
    assert world.record().instances == ()


def test_only_the_instance_with_the_events_key_moves() -> None:
    world = World(journey(WAIT, entry=KEYED))
    for key in ("a", "b"):
        world.event(properties={"k": key})
    world.event("answer", at=MINUTE, properties={"k": "b"})
    assert [one.key for one in world.told("wait.matched")] == ["b"]
    assert world.instance().key == "a"


@pytest.mark.parametrize(
    ("entered", "answered"), [(5, "5"), ("5", 5), (True, "true"), (-7, -7), ("é", "é")]
)
def test_keys_are_compared_as_text(entered: Any, answered: Any) -> None:
    world = World(journey(WAIT, entry=KEYED))
    world.event(properties={"k": entered})
    world.event("answer", at=MINUTE, properties={"k": answered})
    assert len(world.told("wait.matched")) == 1


@pytest.mark.parametrize("other", [{}, {"k": None}, {"k": 5.0}, {"k": ["5"]}, {"k": {"a": 1}}])
def test_a_key_that_is_no_text_number_or_truth_value_matches_nothing(other: Any) -> None:
    world = World(journey(WAIT, entry=KEYED))
    world.event(properties={"k": 5})
    world.event("answer", at=MINUTE, properties=other)
    assert world.told("wait.matched", "expression.failed") == []


def test_match_replaces_the_key_on_the_awaited_event() -> None:
    nodes = WAIT.replace("event: answer", "event: answer, match: event.properties.about")
    world = World(journey(nodes, entry=KEYED))
    world.event(properties={"k": "a"})
    world.event("answer", at=MINUTE, properties={"k": "a"})
    assert [one.type for one in world.told("wait.matched", "expression.failed")] == [
        "expression.failed"
    ]
    world.event("answer", at=MINUTE, properties={"about": "a"})
    assert len(world.told("wait.matched")) == 1


def test_match_may_read_what_each_instance_kept() -> None:
    match = "match: 'event.properties.ks[entry.properties.place]'"
    world = World(journey(WAIT.replace("event: answer", "event: answer, " + match), entry=KEYED))
    for place, key in enumerate(("a", "b")):
        world.event(properties={"k": key, "place": place})
    world.event("answer", at=MINUTE, properties={"ks": ["x", "b"]})
    assert [one.key for one in world.told("wait.matched")] == ["b"]


def test_a_key_that_reads_the_entry_still_reads_it_at_the_awaited_event() -> None:
    world = World(journey(WAIT, entry="event: start, key: entry.properties.k"))
    world.event(properties={"k": "a"})
    world.event("answer", at=MINUTE)
    assert len(world.told("wait.matched")) == 1


def test_a_whole_that_is_read_is_kept_whole_beside_its_parts() -> None:
    nodes = """
    w: {type: delay, for: 1h}
    a: {type: destination, destination: d, payload: '${entry.properties.x.y}'}
    b: {type: destination, destination: d, payload: '${entry.properties.x}'}
    """
    world = World(journey(nodes))
    world.event(properties={"x": {"y": 1, "z": 2}, "other": 3})
    assert world.instance().context == {"entry": {"properties": {"x": {"y": 1, "z": 2}}}}


def test_match_none_lets_any_key_match() -> None:
    world = World(journey(WAIT.replace("event: answer", "event: answer, match: none"), entry=KEYED))
    world.event(properties={"k": "a"})
    world.event("answer", at=MINUTE)
    assert len(world.told("wait.matched")) == 1


def test_a_wait_evaluates_its_where_and_stays_when_it_fails() -> None:
    nodes = WAIT.replace("event: answer", "event: answer, where: event.properties.ok")
    world = World(journey(nodes))
    world.event()
    world.event("answer", at=1, properties={"ok": False})
    assert world.told("wait.matched", "expression.failed") == []
    world.event("answer", at=2)
    (failed,) = world.told("expression.failed")
    assert "event.properties.ok is missing" in failed.detail["error"]
    world.event("answer", at=3, properties={"ok": True})
    assert world.story("journey.exited") == ["journey.exited answered +0.003s"]


def test_any_of_takes_the_first_branch_whose_event_and_condition_hold() -> None:
    world = World(
        journey("""
        w:
          type: wait_for_event
          any_of:
            - {event: a, where: event.properties.n > 1, next: big}
            - {event: a, next: small}
            - {event: b}
          within: 1h
        other: {type: exit, reason: other}
        big: {type: exit, reason: big}
        small: {type: exit, reason: small}
        """)
    )
    for name, n in (("a", 5), ("a", 0), ("b", 0)):
        world.event()
        world.event(name, properties={"n": n})
    assert [one.detail["reason"] for one in world.told("journey.exited")] == [
        "big",
        "small",
        "other",
    ]


def test_what_a_wait_captured_is_read_by_later_nodes() -> None:
    nodes = """
    w: {type: wait_for_event, event: answer, within: forever}
    later: {type: delay, for: 1h}
    send:
      type: destination
      destination: d
      payload: {n: '${steps.w.event.properties.n}', at: '${steps.w.event.timestamp}'}
    """
    world = World(journey(nodes))
    world.event()
    world.event("answer", at=MINUTE, properties={"n": 7, "big": "x" * 1000})
    assert world.instance().context == {
        "steps": {"w": {"event": {"properties": {"n": 7}, "timestamp": START + MINUTE}}}
    }
    world.clock("end")
    assert world.actions()[0].payload == {"n": 7, "at": iso(MINUTE)}
