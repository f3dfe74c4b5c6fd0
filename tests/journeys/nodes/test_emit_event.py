"""emit_event: one journey starts another in the same step, and a replay does so again."""

from __future__ import annotations

import pytest

from journeys.documents.journey import Journey
from journeys.ids import action_id, instance_id
from tests.journeys.builders import DAY, HOUR, MINUTE, START, World, iso, journey
from tests.journeys.reported import told


def emitting(
    fields: str = "event: told", *, name: str = "first", entry: str = "event: start"
) -> Journey:
    return journey(f"tell: {{type: emit_event, {fields}}}", name=name, entry=entry)


SECOND = journey(
    "send: {type: destination, destination: d, payload: '${entry}'}\nrest: {type: delay, for: 1h}",
    name="second",
    entry="event: told",
)


def test_it_starts_another_journey_in_the_same_step_right_after_the_event() -> None:
    world = World(emitting("event: told, properties: {n: '${entry.properties.n + 1}'}"), SECOND)
    world.event(properties={"n": 1}, messageId="m", traits={"a": 1}, context={"b": 2})
    first = instance_id("first", "u", None, "m")
    id = action_id(first, "tell", 1)
    assert world.actions()[0].payload == {
        "event": "told",
        "timestamp": iso(0),
        "messageId": id,
        "userId": "u",
        "properties": {"n": 2},
        "context": {},
        "traits": {},
    }
    assert world.story()[1:] == [
        "journey.entered",
        "node.reached tell",
        "event.emitted tell",
        "journey.exited end",
        "journey.entered",
        "node.reached send",
        "action.requested send",
        "node.reached rest",
        "wait.started rest",
    ]
    (emitted,) = world.told("event.emitted")
    assert emitted.detail == {"event": "told", "message_id": id}
    assert world.instance().id == instance_id("second", "u", None, id)
    assert {one.cause.offset for one in world.told()} == {0}


def test_it_comes_after_all_that_the_event_itself_moves_and_starts() -> None:
    late = journey("done: {type: exit}", name="z-last")
    world = World(emitting(), SECOND, late)
    world.event()
    assert [one.journey for one in world.told("journey.entered")] == ["first", "z-last", "second"]


def test_it_moves_those_that_wait_for_it_also_the_one_that_emitted_it() -> None:
    world = World(
        journey(
            """
        tell: {type: emit_event, event: told, properties: {k: '${journey.key}'}}
        wait: {type: wait_for_event, event: told, match: event.properties.k, within: 1h}
        heard: {type: exit, reason: heard}
        """,
            entry="event: start, key: event.properties.k",
        )
    )
    world.event(properties={"k": "a"})
    assert world.story("journey.exited") == ["journey.exited heard"]


def test_what_emits_the_same_comes_in_the_order_emitted() -> None:
    two = journey(
        "a: {type: emit_event, event: told, properties: {n: 1}}\n"
        "b: {type: emit_event, event: told, properties: {n: 2}}",
        name="first",
    )
    again = emitting(
        "event: after, properties: {n: '${entry.properties.n}'}", name="again", entry="event: told"
    )
    last = journey(
        "send: {type: destination, destination: d, payload: '${entry.properties.n}'}",
        name="last",
        entry="any_of: [{event: told}, {event: after}]",
    )
    world = World(two, again, last)
    world.event()
    assert [one.payload for one in world.actions()] == [1, 2, 1, 2]


def test_a_timer_emits_at_its_logical_time_under_both_clocks() -> None:
    waits = journey(
        "pause: {type: delay, for: 1h}\ntell: {type: emit_event, event: told}", name="first"
    )
    stream, wall = (World(waits, SECOND, clock=clock) for clock in ("stream", "wall"))
    stream.event(received=0, messageId="m")
    stream.event("other", at=90 * MINUTE, received=90 * MINUTE)
    wall.event(arrival=0, messageId="m")
    wall.fire(HOUR)
    for world in (stream, wall):
        assert world.instance().journey == "second"
        assert world.instance().started == START + HOUR
        assert world.instance().wait.due == START + 2 * HOUR
    assert [one.outcome_id for one in wall.told()] == [one.outcome_id for one in stream.told()]
    assert [one.action_id for one in wall.actions()] == [one.action_id for one in stream.actions()]


def test_whether_a_clock_or_an_event_fires_the_timer_the_story_is_the_same() -> None:
    waits = journey(
        "pause: {type: delay, for: 1h}\ntell: {type: emit_event, event: told}", name="first"
    )
    refused = emitting("event: x", name="third", entry="event: told, key: event.properties.no")
    by_clock, by_event = (World(waits, SECOND, refused, clock="wall") for _ in range(2))
    for world in (by_clock, by_event):
        world.event(arrival=0, messageId="m")
    by_clock.fire(HOUR)
    for world in (by_clock, by_event):
        world.event("other", at=HOUR + 1, arrival=HOUR + 1)
    assert len(by_clock.told("journey.rejected")) == 1
    assert by_clock.record() == by_event.record()
    assert [one.outcome_id for one in by_clock.told()] == [
        one.outcome_id for one in by_event.told()
    ]


def test_an_emitted_event_fires_no_timer_and_answers_no_wait_that_is_over() -> None:
    """Timers never overtake the log: what they wait for can still be in the backlog."""
    waits = journey(
        "wait: {type: wait_for_event, event: told, within: 2h, on_timeout: late, next: early}\n"
        "early: {type: exit, reason: early}\nlate: {type: exit, reason: late}",
        name="waits",
    )
    tells = journey(
        "pause: {type: delay, for: 1h}\ntell: {type: emit_event, event: told}", name="tells"
    )
    world = World(waits, tells, clock="wall")
    world.event(arrival=0)
    world.fire(HOUR, now=5 * HOUR)  # after an outage; only the first hour has been applied
    assert world.told("event.emitted")[0].at == iso(5 * HOUR)
    assert [one.journey for one in world.record().instances] == ["waits"]
    world.fire(5 * HOUR, now=5 * HOUR)
    assert [(one.detail or {})["reason"] for one in world.told("journey.exited")] == ["end", "late"]


def test_journeys_that_start_each_other_end_after_16_hops_with_a_word() -> None:
    ping = emitting("event: pong", name="ping", entry="event: start")
    pong = emitting("event: start", name="pong", entry="event: pong")
    world = World(ping, pong)
    world.event()
    assert len(world.told("event.emitted")) == 16
    assert len(world.told("journey.entered")) == 17
    assert world.story("event.rejected") == ["event.rejected tell loop"]
    world.event(at=MINUTE)
    assert len(world.told("event.emitted")) == 32


def test_one_step_emits_at_most_a_thousand_events() -> None:
    nodes = "a: {type: emit_event, event: start}\nb: {type: emit_event, event: start}"
    world = World(journey(nodes))
    world.event()
    assert len(world.told("event.emitted")) == 1_000
    assert {(one.detail or {})["reason"] for one in world.told("event.rejected")} == {"too_many"}
    ids = [one.outcome_id for one in world.told()]
    assert len(ids) == len(set(ids))


def test_the_next_timer_may_emit_as_many_again() -> None:
    waits = journey(
        "pause: {type: delay, for: 1h}\ntell: {type: emit_event, event: pong}", name="ping"
    )
    pong = emitting("event: pong", name="pong", entry="event: pong")
    world = World(waits, pong, clock="wall")
    for _ in range(2):
        world.event(arrival=0)
    world.event("other", at=2 * HOUR, arrival=2 * HOUR)
    assert len(world.told("event.emitted")) == 32


def test_an_emitted_event_is_no_repeat_and_leaves_the_memory_to_the_producers() -> None:
    world = World(emitting(), SECOND)
    world.event()
    assert len(world.record().message_ids) == 14


def test_a_late_event_that_starts_a_journey_by_another_is_as_late() -> None:
    strict = journey("done: {type: exit}", name="strict", entry="event: told, max_lateness: 1h")
    world = World(emitting(), strict)
    world.event(at=0, received=2 * HOUR)
    assert world.story("journey.rejected") == ["journey.rejected too_late"]


def test_what_a_timer_emits_is_not_late() -> None:
    strict = journey("done: {type: exit}", name="strict", entry="event: told, max_lateness: 1h")
    waits = journey(
        "pause: {type: delay, for: 1h}\ntell: {type: emit_event, event: told}", name="first"
    )
    world = World(waits, strict)
    world.event(at=0, received=0)
    world.event("other", at=HOUR, received=DAY)
    assert [one.journey for one in world.told("journey.entered")] == ["first", "strict"]


@pytest.mark.parametrize(("more", "reason"), [("", "end"), (", on_error: failed", "failed")])
@pytest.mark.parametrize(
    ("value", "told"),
    [
        ("${event.properties.no}", "expression.failed"),
        ("${event.properties.big}", "event.rejected"),
    ],
)
def test_an_event_that_can_not_be_emitted_is_reported_and_the_instance_continues(
    more: str, reason: str, value: str, told: str
) -> None:
    nodes = f"tell: {{type: emit_event, event: told, properties: {{a: '{value}'}}{more}}}\n"
    if more:
        nodes += "done: {type: exit}\nfailed: {type: exit, reason: failed}"
    world = World(journey(nodes), SECOND)
    world.event(properties={"big": "x" * 300_000})
    assert [one.type for one in world.told() if one.node == "tell"][:2] == ["node.reached", told]
    assert world.story("journey.exited") == [f"journey.exited {reason}"]
    assert world.record().instances == ()


def test_a_timer_whose_emitted_events_do_not_fit_the_record_leaves_nothing_of_them() -> None:
    waits = journey(
        "pause: {type: delay, for: 1h}\n"
        "a: {type: emit_event, event: told, properties: {x: '${user.traits.x}'}}\n"
        "b: {type: emit_event, event: told, properties: {x: '${user.traits.x}'}}\n"
        "c: {type: emit_event, event: told, properties: {x: '${user.traits.x}'}}\n",
        name="first",
    )
    keeps = journey(
        "pause: {type: delay, for: 1h}\n"
        "send: {type: destination, destination: d, payload: '${entry}'}",
        name="keeps",
        entry="event: told",
    )
    world = World(waits, keeps)
    world.event(traits={"x": "x" * 250_000, "y": "y" * 400_000})
    world.clock(HOUR)
    assert world.story("event.emitted") == []
    assert world.record().instances == ()
    (exited,) = world.told("journey.exited")
    assert (exited.detail or {})["reason"] == "error"
    assert "RecordTooLarge" in (exited.detail or {})["error"]


@pytest.mark.parametrize(
    ("fields", "problem"),
    [
        ("", "'event' is missing in node 'tell' (emit_event): expected an event's name, as text"),
        (", event: 5", "'event' in node 'tell' (emit_event): found 5 (integer), expected"),
        (", event: ''", "'event' in node 'tell' (emit_event): found an empty text"),
        (", event: e, properties: [1]", "expected a mapping"),
        (", event: e, properties: {a: '${now +}'}", "'a' in 'properties' of node 'tell'"),
        (", event: e, payload: {a: 1}", "unknown key 'payload'"),
    ],
)
def test_an_emit_event_that_can_not_be_is_refused(fields: str, problem: str) -> None:
    nodes = "nodes: {tell: {type: emit_event" + fields + "}}"
    text = f"kind: Journey\nname: tour\nentry: {{event: start}}\n{nodes}"
    problems = told(text)
    assert any(problem in one for one in problems), problems
