"""update_profile: what a journey learns of a user is known to all that comes after."""

from __future__ import annotations

import pytest

from agents.kinds import KINDS
from journeys.checks.check import check
from journeys.records.user_record import decode, encode
from tests.journeys.builders import HOUR, MINUTE, World, journey
from tests.journeys.reported import told

MARK = """
mark: {type: update_profile, traits: {seen: '${entry.properties.n}', old: null, at: '${now}'}}
send: {type: destination, destination: mailer, payload: {seen: '${user.traits.seen}'}}
done: {type: exit, reason: done}
failed: {type: exit, reason: failed}
"""


def test_it_writes_and_removes_traits_and_reports_their_names() -> None:
    world = World(journey(MARK))
    world.event("other", traits={"old": 1, "kept": 2})
    world.event(properties={"n": 5})
    assert world.record().traits == {"kept": 2, "seen": 5, "at": "2026-01-18T12:00:00.000Z"}
    changed = world.told("profile.changed")[-1]
    assert (changed.node, changed.journey) == ("mark", "tour")
    assert changed.detail == {"traits": ["seen", "old", "at"]}


def test_the_nodes_after_it_read_what_it_wrote() -> None:
    world = World(journey(MARK))
    world.event(properties={"n": 5}, traits={"seen": 1})
    assert world.actions()[0].payload == {"seen": 5}


def test_another_journey_that_the_same_event_enters_reads_it_too() -> None:
    reader = journey(
        "send: {type: destination, destination: mailer, payload: '${user.traits.seen}'}",
        name="z-reader",
    )
    world = World(journey(MARK), reader)
    world.event(properties={"n": 5})
    assert [one.payload for one in world.actions()] == [{"seen": 5}, 5]


def test_an_expression_that_gives_null_removes() -> None:
    world = World(journey("mark: {type: update_profile, traits: {a: '${entry.properties.n}'}}"))
    world.event(properties={"n": None}, traits={"a": 1})
    assert world.record().traits == {}


def test_it_writes_what_is_there_already_without_a_word() -> None:
    world = World(journey("mark: {type: update_profile, traits: {a: {b: 1}}}"))
    world.event(traits={"a": {"b": 1}})
    assert len(world.told("profile.changed")) == 1


@pytest.mark.parametrize(("more", "reason"), [("", "end"), (", on_error: failed", "failed")])
def test_where_an_expression_fails_nothing_is_written_and_it_goes_on(
    more: str, reason: str
) -> None:
    nodes = "mark: {type: update_profile, traits: {a: 1, b: '${event.properties.no}'}%s}\n"
    if more:
        nodes += "done: {type: exit}\nfailed: {type: exit, reason: failed}"
    world = World(journey(nodes % more))
    world.event()
    assert world.record().traits == {}
    assert world.story("expression.failed", "journey.exited") == [
        "expression.failed mark",
        f"journey.exited {reason}",
    ]


LATER = "pause: {type: delay, for: 1h}\n" + MARK


def test_both_clocks_write_the_same() -> None:
    stream, wall = (World(journey(LATER), clock=clock) for clock in ("stream", "wall"))
    stream.event(properties={"n": 5}, received=0)
    stream.clock(HOUR)
    wall.event(properties={"n": 5}, arrival=0)
    wall.fire(HOUR)
    assert wall.record().traits == stream.record().traits
    assert wall.record().traits["seen"] == 5
    assert [one.outcome_id for one in wall.told()] == [one.outcome_id for one in stream.told()]


def test_what_a_timer_wrote_is_in_the_record() -> None:
    world = World(journey(LATER))
    world.event(properties={"n": 5})
    world.event("other", at=2 * HOUR)
    assert decode(encode(world.record())).traits["seen"] == 5


GROWING = """
pause: {type: delay, for: 1h}
mark: {type: update_profile, traits: {more: '${user.traits.big}'}}
"""


def test_a_timer_that_makes_the_record_too_large_ends_its_instance_and_writes_nothing() -> None:
    world = World(journey(GROWING))
    world.event(traits={"big": "y" * 600_000})
    world.clock(HOUR)
    assert world.record().traits == {"big": "y" * 600_000}
    (exited,) = world.told("journey.exited")
    assert exited.detail is not None
    assert exited.detail["reason"] == "error"
    assert [one.at for one in world.told("profile.changed")] == ["2026-01-18T12:00:00.000Z"]


def test_an_event_that_makes_the_record_too_large_is_refused_as_a_whole() -> None:
    world = World(journey(GROWING.replace("pause: {type: delay, for: 1h}\n", "")))
    world.event("other", traits={"big": "y" * 600_000})
    world.event(at=MINUTE)
    assert world.record().traits == {"big": "y" * 600_000}
    assert world.story() == ["profile.changed", "event.rejected record_too_large +60s"]


@pytest.mark.parametrize(
    ("fields", "problem"),
    [
        ("", "'traits' is missing in node 'mark' (update_profile)"),
        (", traits: {}", "'traits' in node 'mark' (update_profile): found nothing, expected at"),
        (", traits: 5", "'traits' in node 'mark' (update_profile): found 5 (integer), expected"),
        (", traits: {'': 1}", "is not a valid name: expected the name of a trait, as text"),
        (", traits: {a: '${entry.x}'}", "'entry' has no field 'x'"),
        (", trait: {a: 1}", "unknown key 'trait'"),
    ],
)
def test_an_update_profile_that_can_not_be_is_refused(fields: str, problem: str) -> None:
    nodes = "nodes: {mark: {type: update_profile" + fields + "}}"
    text = f"kind: Journey\nname: tour\nentry: {{event: start}}\n{nodes}"
    problems = told(text)
    assert any(problem in one for one in problems), problems


def test_a_trait_called_set_sets_no_label() -> None:
    text = (
        "kind: Journey\nname: tour\nentry: {event: start}\nnodes:\n"
        "  mark: {type: update_profile, traits: {set: {label: 1}}}\n"
        "  ask: {type: criteria, branches: [{when: attr.label == 1}], otherwise: done}\n"
        "  done: {type: exit}\n"
    )
    (problem,) = check([("tour.yaml", text)], KINDS)[1]
    assert "no node sets 'label'" in problem.message
