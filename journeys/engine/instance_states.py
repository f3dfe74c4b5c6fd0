"""The states of an instance, and what a trigger does in each.

Law: the state follows from the instance's record alone, and the table below lists everything that a
trigger can do. Whatever it doesn't list has no effect.

The table for people:

| state   | awaited event, response   | deadline                       | journey resumed   | end   |
|---------|---------------------------|--------------------------------|-------------------|-------|
| WAITING | running: MOVE             | running: TIME_OUT              | before the dead-  | ENDED |
|         | paused: DECIDE -> DECIDED | paused: STOP_CLOCK             | line: unchanged;  |       |
|         |                           |                                | else -> HELD      |       |
| HELD    | no effect                 | running: TIME_OUT              | TAKE_TURN         | ENDED |
|         |                           | paused: STOP_CLOCK             |                   |       |
| DECIDED | no effect                 | running: GO to decided node    | TAKE_TURN         | ENDED |
|         |                           | paused: STOP_CLOCK             |                   |       |

An awaited event that only makes the instance stay leaves it at the same node in the same state,
whether its journey runs or not: in WAITING, such as one that starts a window anew; where events
never move an instance, as a digest, which only collects them, in HELD as well and after the
deadline.

After MOVE, TIME_OUT and GO the instance runs from node to node until it is WAITING again or ENDED.
The deadline of HELD and DECIDED instances is their turn after the pause: they continue one after
the other within the journey's `on_resume: {spread}`. Under `on_resume: skip` they are muted: their
actions are skipped up to the next blocking node.
"""

from __future__ import annotations

from enum import StrEnum, auto

from journeys.records.user_record import Instance


class State(StrEnum):
    """The state of an instance; ENDED instances have no record."""

    WAITING = auto()
    HELD = auto()
    DECIDED = auto()
    ENDED = auto()


class Trigger(StrEnum):
    """What can happen to an instance; `_PAUSED`: while its journey doesn't run."""

    EVENT = auto()
    EVENT_PAUSED = auto()
    DEADLINE = auto()
    DEADLINE_PAUSED = auto()
    RESUMED = auto()
    END = auto()
    """A global exit, a goal with `exit`, an archive, or a timer that raised."""


class Effect(StrEnum):
    """What a trigger does."""

    MOVE = auto()
    """The node decides where the instance goes, and it continues there."""
    DECIDE = auto()
    """The node decides where the instance goes; the decision is stored until the journey is
    resumed."""
    TIME_OUT = auto()
    """The node's `on_timer` decides where the instance goes, and it continues there."""
    GO = auto()
    """The instance continues at the node that was decided."""
    STOP_CLOCK = auto()
    """The instance has no timer until its journey is resumed."""
    TAKE_TURN = auto()
    """An instance whose deadline has passed, or that is held, gets a time at which it continues;
    any other keeps waiting."""
    END = auto()


_RUNS = frozenset({State.WAITING, State.ENDED})

TRANSITIONS: dict[State, dict[Trigger, tuple[Effect, frozenset[State]]]] = {
    State.WAITING: {
        Trigger.EVENT: (Effect.MOVE, _RUNS),
        Trigger.EVENT_PAUSED: (Effect.DECIDE, frozenset({State.DECIDED})),
        Trigger.DEADLINE: (Effect.TIME_OUT, _RUNS),
        Trigger.DEADLINE_PAUSED: (Effect.STOP_CLOCK, frozenset({State.WAITING})),
        Trigger.RESUMED: (Effect.TAKE_TURN, frozenset({State.WAITING, State.HELD})),
        Trigger.END: (Effect.END, frozenset({State.ENDED})),
    },
    State.HELD: {
        Trigger.DEADLINE: (Effect.TIME_OUT, _RUNS),
        Trigger.DEADLINE_PAUSED: (Effect.STOP_CLOCK, frozenset({State.HELD})),
        Trigger.RESUMED: (Effect.TAKE_TURN, frozenset({State.HELD})),
        Trigger.END: (Effect.END, frozenset({State.ENDED})),
    },
    State.DECIDED: {
        Trigger.DEADLINE: (Effect.GO, _RUNS),
        Trigger.DEADLINE_PAUSED: (Effect.STOP_CLOCK, frozenset({State.DECIDED})),
        Trigger.RESUMED: (Effect.TAKE_TURN, frozenset({State.DECIDED})),
        Trigger.END: (Effect.END, frozenset({State.ENDED})),
    },
}
"""What each trigger does in each state, and the states that may follow."""


def state_of(instance: Instance | None) -> State:
    """The state of an instance; None: it has ended."""
    if instance is None:
        return State.ENDED
    if instance.held is None:
        return State.WAITING
    return State.DECIDED if instance.held.decided else State.HELD


def effect_of(instance: Instance, trigger: Trigger) -> Effect | None:
    """What the trigger does to the instance; None: nothing."""
    entry = TRANSITIONS[state_of(instance)].get(trigger)
    return None if entry is None else entry[0]
