"""Two changes of one trait in one step: each is judged by the profile right after it."""

from __future__ import annotations

from typing import Any

import pytest

from tests.journeys.builders import MINUTE, World, journey

RAISES = "up: {type: update_profile, traits: {plan: gold}}"
"""In a journey that is before all others, so the plan is gold when their entries are decided."""
RAISING = "w: {type: wait_for_event, event: raise, within: 1h}\n" + RAISES
DONE = "done: {type: exit}"


def _raised(*documents: Any, **traits: Any) -> World:
    """The user is free, and one event makes them pro and starts a journey that makes them gold."""
    world = World(journey(RAISES, name="a", entry="event: raise"), *documents)
    world.event("start", 0, traits={"plan": "free"})
    world.event("raise", MINUTE, traits={"plan": "pro", **traits})
    return world


def _reached(world: World, *types: str) -> list[tuple[str | None, str]]:
    return [
        (one.journey, (one.detail or {})["event"])
        for one in world.told(*types)
        if one.journey not in ("a", "tour")
    ]


def _where(before: str, after: str) -> str:
    return f'changes: plan, where: \'before.plan == "{before}" && user.traits.plan == "{after}"\''


STEPS = [("free", "pro", "raise"), ("pro", "gold", "update_profile")]
NEVER = [("free", "gold", ""), ("gold", "gold", ""), ("pro", "pro", "")]


@pytest.mark.parametrize(("before", "after", "event"), STEPS + NEVER)
def test_an_entry_sees_the_profile_right_after_its_change(
    before: str, after: str, event: str
) -> None:
    world = _raised(journey(DONE, name="b", entry=_where(before, after)))
    assert _reached(world, "journey.entered") == ([("b", event)] if event else [])


@pytest.mark.parametrize(("before", "after", "event"), STEPS + NEVER)
def test_waits_exits_and_goals_see_the_profile_right_after_their_change(
    before: str, after: str, event: str
) -> None:
    one = "{" + _where(before, after) + "}"
    waits = f"w: {{type: wait_for_event, any_of: [{one}], within: 1h}}"
    world = _raised(
        journey(waits, name="waits"),
        journey("nap: {type: delay, for: 1h}", name="exits", more=f"exit: [{one}]"),
        journey("nap: {type: delay, for: 1h}", name="goals", more=f"goal: {one}"),
        # The first to wait moves the profile on while the event is still matched.
        journey(RAISING, name="a-first"),
    )
    told = _reached(world, "wait.matched", "goal.reached")
    exited = [one for one in world.told("journey.exited") if one.journey == "exits"]
    wanted = {("waits", event), ("goals", event)} if event else set()
    assert {one for one in told if one[0] != "a-first"} == wanted
    assert [(one.detail or {})["event"] for one in exited] == ([event] if event else [])


def test_two_nodes_of_one_journey_make_two_changes() -> None:
    nodes = (
        "x: {type: update_profile, traits: {plan: x}}\ny: {type: update_profile, traits: {plan: y}}"
    )
    wanted = {"b": ("free", "x"), "c": ("x", "y"), "d": ("free", "y")}
    entries = [journey(DONE, name=name, entry=_where(*one)) for name, one in wanted.items()]
    world = World(journey(nodes, name="a", entry="event: raise"), *entries)
    world.event("start", 0, traits={"plan": "free"})
    world.event("raise", MINUTE)
    assert [one[0] for one in _reached(world, "journey.entered")] == ["b", "c"]


def test_nodes_see_the_profile_as_it_is() -> None:
    note = "note: {type: update_profile, traits: {noted: '${user.traits.plan}'}}"
    waits = "w: {type: wait_for_event, changes: plan, where: user.traits.plan == 'pro', within: 1h}"
    for one in (
        journey(note, name="b", entry=_where("free", "pro")),
        journey(f"{waits}\n{note}", name="b"),
    ):
        assert _raised(journey(RAISING, name="a0"), one).record().traits["noted"] == "gold"


PRO = "where: user.traits.plan == 'pro'"


@pytest.mark.parametrize(
    ("ways", "entered"),
    [
        (f"{{event: raise, {PRO}}}", False),
        (f"{{event: raise, {PRO}}}, {{changes: city}}", False),
        (f"{{event: raise, {PRO}}}, {{changes: plan, where: 'false'}}", True),
        (f"{{changes: plan, {PRO}}}", True),
        (f"{{changes: plan, {PRO}}}, {{event: raise, where: 'false'}}", True),
    ],
)
def test_all_conditions_of_a_part_that_listens_to_the_change_see_the_same(
    ways: str, entered: bool
) -> None:
    """A part that listens for the event alone sees what nodes have changed since."""
    world = World(journey(RAISING), journey(DONE, name="b", entry=f"any_of: [{ways}]"))
    world.event("start", 0)
    world.event("raise", MINUTE, traits={"plan": "pro"})
    assert _reached(world, "journey.entered") == ([("b", "raise")] if entered else [])


def test_a_profile_without_traits_is_what_a_change_leaves_too() -> None:
    entry = "changes: plan, where: '!has(user.traits.plan)'"
    world = World(journey(RAISES, name="a"), journey(DONE, name="b", entry=entry))
    world.event("set", 0, traits={"plan": "free"})
    world.event("start", 1, traits={"plan": None})
    assert _reached(world, "journey.entered") == [("b", "start")]
