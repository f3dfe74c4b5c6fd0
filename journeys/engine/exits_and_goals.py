"""What an event ends and reaches at any node: global exits, then goals.

Law: exits and goals work for every instance, also while its journey is paused. A goal is counted
once, by the event's own time, and is watched to the end of its window even after its instance has
ended.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from journeys.catalog.program import Program
from journeys.documents.journey import GlobalExit
from journeys.documents.journey import Goal as GoalModel
from journeys.engine.branches import end_passage, is_left_over
from journeys.engine.instance_run import InstanceRun
from journeys.engine.user_step import UserStep
from journeys.records.event import Arrived, Event
from journeys.records.user_record import MAX_GOALS, Goal
from journeys.schema.signals import Signal
from journeys.time import DAY

LATE = DAY
"""How long a goal is kept after its window, ms, for events of the window that arrive late."""

Place = tuple[str, str]
"""The name and the version of a journey."""

_NOWHERE: frozenset[Place] = frozenset()


def leave(user: UserStep, event: Event, signals: tuple[str, ...], now: int) -> None:
    """End the instances for which the event is a global exit of their journey."""
    places = _places(user.context.catalog.exits, signals)
    if not places:
        return
    for instance in tuple(user.instances):
        if (instance.journey, instance.version) not in places:
            continue
        if instance.branch is not None and not is_left_over(user, instance):
            continue
        run = user.resume(instance, now, event.message_id)
        for leaving in run.program.journey.exit:
            if leaving.signal in signals and _applies(run, leaving):
                cause = _cause(leaving, event)
                end_passage(user, instance.id, now, event.message_id, leaving.reason, **cause)
                break


def reach(user: UserStep, event: Event, signals: tuple[str, ...], arrived: Arrived) -> None:
    """Count the goals that the event reaches, and forget those whose window is over."""
    places = _places(user.context.catalog.goals, signals)
    kept = []
    for watched in user.goals:
        if watched.until is not None and watched.until + LATE <= arrived.partition_time:
            continue
        if (watched.journey, watched.version) in places and _reached(user, watched, event, arrived):
            continue
        kept.append(watched)
    if len(kept) != len(user.goals):
        user.goals = tuple(kept)
        user.context.changed = True


def watch(user: UserStep, program: Program, run: InstanceRun) -> None:
    """Watch the goal of an instance that has just entered."""
    goal = program.journey.goal
    if goal is None:
        return
    until = None if goal.within is None else run.started + goal.within
    entry = program.goal_keeps(run.entry)
    watched = Goal(run.id, program.name, program.version, run.key, run.started, until, entry)
    user.goals = (*user.goals, watched)[-MAX_GOALS:]


def _reached(user: UserStep, watched: Goal, event: Event, arrived: Arrived) -> bool:
    if watched.until is not None and arrived.time >= watched.until:
        return False
    program = user.context.program(watched.journey, watched.version)
    goal = program.journey.goal
    assert goal is not None, "only journeys that have a goal are watched for it"
    run = InstanceRun(
        user.context,
        program,
        arrived.time,
        id=watched.instance,
        key=watched.key,
        started=watched.started,
        entry=watched.entry,
        token=event.message_id,
    )
    if not _matches(run, goal):
        return False
    run.report("goal.reached", **_cause(goal, event))
    if goal.exit:
        cause = _cause(goal, event)
        end_passage(user, watched.instance, arrived.time, event.message_id, "goal", **cause)
    return True


def _places(index: Mapping[str, frozenset[Place]], signals: tuple[str, ...]) -> frozenset[Place]:
    """The versions of journeys that one of the signals concerns."""
    places = index.get(signals[0], _NOWHERE)
    for signal in signals[1:]:
        places |= index.get(signal, _NOWHERE)
    return places


def _cause(listened: Signal, event: Event) -> dict[str, Any]:
    """The detail of an outcome that says which event caused it, and by which change."""
    detail = {"event": event.name, "message_id": event.message_id}
    return detail if listened.changes is None else {**detail, "changes": listened.changes}


def _applies(run: InstanceRun, leaving: GlobalExit) -> bool:
    everyone = leaving.match is None or leaving.match == "none"
    return (everyone or run.matches_key(leaving.match)) and _holds(run, leaving)


def _matches(run: InstanceRun, goal: GoalModel) -> bool:
    anyone = goal.match == "none" or (goal.match is None and goal.changes is not None)
    return (anyone or run.matches_key(goal.match)) and _holds(run, goal)


def _holds(run: InstanceRun, listened: Signal) -> bool:
    where = listened.where
    if where is None:
        return True
    return run.holds(where) if listened.changes is None else run.holds_at_change(where)
