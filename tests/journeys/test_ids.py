"""Ids are what they say: stable, standard, and of one thing each."""

from __future__ import annotations

import uuid

from hypothesis import given
from hypothesis import strategies as st

from journeys.ids import NAMESPACE, instance_id, stable_id
from tests.journeys.builders import HOUR, World, journey

TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
TOUR = journey(
    """
    w: {type: wait_for_event, event: answer, within: 1h, next: send}
    send: {type: destination, destination: d, payload: 1, next: w}
    """
)


@given(TEXT)
def test_an_id_is_a_uuid5_as_the_standard_library_makes_it(name: str) -> None:
    assert stable_id(name) == str(uuid.uuid5(NAMESPACE, name))


@given(st.lists(st.tuples(st.none() | TEXT, TEXT), min_size=2, max_size=2, unique=True))
def test_no_key_and_message_id_can_pass_for_another(pairs: list[tuple[str | None, str]]) -> None:
    one, other = (instance_id("tour", "u", key, message) for key, message in pairs)
    assert one != other


def test_a_key_that_holds_a_separator_passes_for_no_other() -> None:
    assert instance_id("tour", "u", "a\0b", "c") != instance_id("tour", "u", "a", "b\0c")


def test_a_replay_repeats_every_id() -> None:
    def ids() -> list[str]:
        world = World(TOUR)
        world.event(messageId="m")
        world.event("answer", at=1, messageId="n")
        world.event("answer", at=2, messageId="o")
        world.clock(5 * HOUR)
        told = [one.outcome_id for one in world.told()]
        return told + [one.action_id for one in world.actions()]

    assert ids() == ids()


def test_a_timer_has_the_same_ids_whether_a_clock_or_an_event_fires_it() -> None:
    def ids(by: str) -> list[str]:
        world = World(TOUR, clock="wall")
        world.event(messageId="m", arrival=0)
        if by == "clock":
            world.fire(HOUR)
        else:
            world.event("other", at=HOUR, arrival=HOUR)
        told = [one.outcome_id for one in world.told()]
        return told + [one.action_id for one in world.actions()]

    assert ids("clock") == ids("event")


def test_every_visit_of_a_node_sends_an_action_of_its_own() -> None:
    world = World(TOUR)
    world.event()
    for at in (1, 2, 3):
        world.event("answer", at=at)
    assert len({one.action_id for one in world.actions()}) == 3
