"""The table of instance states is what the engine does: every state is brought about, every trigger
is applied to it, and what follows is what the table lists."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from journeys.engine.instance_states import TRANSITIONS, Effect, State, Trigger, state_of
from journeys.records.user_record import Instance
from tests.journeys.builders import DAY, HOUR, MINUTE, START, World, journey

TOUR = """
waiting: {type: wait_for_event, event: answer, within: 1h, next: stay, on_timeout: stay}
stay: {type: delay, for: 1d}
"""
MORE = "exit: [{event: leave}]\non_resume: {spread: 10m}"
SPREAD = 10 * MINUTE
LIVE = [state for state in State if state is not State.ENDED]


def waiting() -> World:
    world = World(
        journey(TOUR, more="exit: [{event: leave}]\non_resume: {spread: 10m}"), clock="wall"
    )
    world.event(arrival=0)
    return world


def held() -> World:
    """The deadline passed while the journey was paused, and its turn has not come."""
    world = waiting()
    world.turn("tour", "paused", MINUTE)
    world.fire(2 * HOUR)
    world.turn("tour", "running", 2 * HOUR)
    world.sweep()
    return world


def decided() -> World:
    """The awaited event came while the journey was paused."""
    world = waiting()
    world.turn("tour", "paused", MINUTE)
    world.event("answer", at=2 * MINUTE, arrival=2 * MINUTE)
    return world


IN_STATE: dict[State, Callable[[], World]] = {
    State.WAITING: waiting,
    State.HELD: held,
    State.DECIDED: decided,
}
LATER = 3 * HOUR
"""After every deadline and every turn of IN_STATE."""


def _running(world: World) -> None:
    world.turn("tour", "running", LATER - MINUTE)
    world.sweep()


def _paused(world: World) -> None:
    world.turn("tour", "paused", LATER - MINUTE)


def _event(world: World) -> None:
    due = world.instance().wait.due
    at = 30 * MINUTE if due is None else min(due - START - 1, 30 * MINUTE)
    world.event("answer", at=at, arrival=at)


APPLY: dict[Trigger, Callable[[World], None]] = {
    Trigger.EVENT: _event,
    Trigger.EVENT_PAUSED: lambda world: (_paused(world), _event(world))[0],
    Trigger.DEADLINE: lambda world: (_running(world), world.fire(LATER + SPREAD))[0],
    Trigger.DEADLINE_PAUSED: lambda world: (_paused(world), world.fire(LATER))[0],
    Trigger.RESUMED: lambda world: (_paused(world), _running(world))[0],
    Trigger.END: lambda world: world.event("leave", at=LATER, arrival=LATER),
}


def _only(world: World) -> Instance | None:
    instances = world.record().instances
    return instances[0] if instances else None


@pytest.mark.parametrize("state", LIVE)
def test_the_state_is_brought_about(state: State) -> None:
    assert state_of(IN_STATE[state]().instance()) is state


@pytest.mark.parametrize("trigger", Trigger)
@pytest.mark.parametrize("state", LIVE)
def test_a_trigger_does_what_the_table_lists(state: State, trigger: Trigger) -> None:
    world = IN_STATE[state]()
    before = world.instance()
    if state is State.DECIDED and trigger is Trigger.EVENT:
        _running_at_once(world)
        before = world.instance()
    APPLY[trigger](world)
    after = _only(world)
    entry = TRANSITIONS[state].get(trigger)
    if entry is None:
        assert after is not None
        assert (after.node, after.visit, state_of(after)) == (before.node, before.visit, state)
        return
    effect, states = entry
    assert state_of(after) in states
    match effect:
        case Effect.MOVE | Effect.TIME_OUT | Effect.GO:
            assert after is None or after.visit > before.visit
        case Effect.STOP_CLOCK:
            assert after is not None
            assert (after.visit, after.wait.fire_at) == (before.visit, None)
        case Effect.DECIDE | Effect.TAKE_TURN:
            assert after is not None
            assert after.visit == before.visit
        case Effect.END:
            assert after is None


def _running_at_once(world: World) -> None:
    """Resumed, while the instance's turn is still to come."""
    world.turn("tour", "running", 3 * MINUTE)
    world.sweep()


def test_a_resumed_wait_past_its_deadline_is_held_and_one_before_it_waits() -> None:
    for resumed, state in ((30 * MINUTE, State.WAITING), (2 * HOUR, State.HELD)):
        world = waiting()
        world.turn("tour", "paused", MINUTE)
        world.turn("tour", "running", resumed)
        world.sweep()
        assert state_of(world.instance()) is state


def test_every_ending_of_the_table_is_a_state() -> None:
    assert set(TRANSITIONS) == set(LIVE)
    assert all(states for table in TRANSITIONS.values() for _, states in table.values())
    assert DAY > LATER, "the delay behind the wait must outlast the test"
