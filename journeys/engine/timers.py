"""Timers: which one fires next, and its step.

Law: timers fire earliest first; of those due at the same time, the older instance's first. A timer
that raises ends its own instance and leaves the others unchanged.
"""

from __future__ import annotations

import traceback
from functools import partial

from msgspec.structs import replace

from journeys.engine.branches import end_passage, move, passage_of
from journeys.engine.dispatch import dispatch_emitted
from journeys.engine.instance_run import InstanceRun
from journeys.engine.instance_states import Effect, Trigger, effect_of
from journeys.engine.lifecycle import take_over
from journeys.engine.step_context import UnknownVersion
from journeys.engine.user_step import UserStep, check_size
from journeys.nodes.base import Go
from journeys.records.event import Arrived
from journeys.records.outcome import Cause
from journeys.records.user_record import Instance, Wait
from journeys.time import MINUTE, format_time
from journeys.work import TooMuchWork

LATE = MINUTE
"""A timer's logical time is its due time. Under the wall clock, a timer that fires more than this
(ms) late has the time at which it fires as its logical time."""

Place = tuple[str, int, int]
"""A record of the log: topic, partition, offset."""

FATAL = (MemoryError, OSError, UnknownVersion)
"""Errors that no input and no document can cause; they end the process."""


def fire_before(user: UserStep, arrived: Arrived) -> None:
    """Fire the timers due at or before an input's time, with the input as their cause."""
    context = user.context
    while (at := _first_due(user, arrived.time)) is not None:
        due = _due(user.instances[at])
        late = arrived.wall and arrived.time - due > LATE
        now = arrived.time if late else due
        context.cause = Cause(
            arrived.topic,
            arrived.partition,
            arrived.offset,
            format_time(due),
            format_time(now) if late else None,
        )
        take_over(user)
        _fire(user, user.instances[at], now)


def fire_earliest(user: UserStep, until: int, now: int | None, place: Place | None) -> None:
    """Fire the user's earliest timer that a clock may fire at or before `until`, ms, if any is.

    Args:
        now: the wall clock, ms; None under the stream clock, whose timers are never late.
        place: the last record applied under the wall clock; under the stream clock the next record;
            None if there is no such record.
    """
    ready = [at for at, one in enumerate(user.instances) if is_ready(until, one)]
    if not ready:  # a lifecycle change has ended or postponed it
        return
    at = min(ready, key=lambda at: _order(user.instances[at]))
    instance = user.instances[at]
    due = _due(instance)
    late = now is not None and now - due > LATE
    logical = now if now is not None and late else due
    topic, partition, offset = place or (None, None, None)
    user.context.cause = Cause(
        topic,
        partition,
        offset,
        format_time(due),
        format_time(logical) if late else None,
        now is not None and place is not None,
    )
    running = user.context.runs(instance.journey)
    trigger = Trigger.DEADLINE if running else Trigger.DEADLINE_PAUSED
    if effect_of(instance, trigger) is Effect.STOP_CLOCK:
        user.put(instance, replace(instance, wait=Wait(due, None)))
    else:
        take_over(user)
        _fire(user, user.instances[at], logical)


def is_ready(until: int, instance: Instance) -> bool:
    """Whether a clock may fire the instance's timer at or before `until`, ms."""
    at = instance.wait.fire_at
    return at is not None and at <= until


def is_any_ready(instances: tuple[Instance, ...], until: int) -> bool:
    """Whether a clock may fire the timer of any of them at or before `until`, ms."""
    return any(map(partial(is_ready, until), instances))


def _fire(user: UserStep, instance: Instance, now: int) -> None:
    """The step of one timer, with the events that it emits."""
    context = user.context
    mark, saved, around = context.effects.mark(), user.save(), context.surroundings()
    run = user.resume(instance, now, "timer")
    try:
        _run(user, instance, run)
        dispatch_emitted(user)
        check_size(user.record(b""))
    except FATAL:
        raise
    except Exception as error:
        if isinstance(error, TooMuchWork) and around[2] is not None:
            raise  # the budget is the event's; a timer fired by a clock has its own
        user.restore(saved)
        context.return_to(around)
        context.effects.roll_back(mark)
        end_passage(user, passage_of(instance), now, "", "error", error=_brief(error))


def _run(user: UserStep, instance: Instance, run: InstanceRun) -> None:
    """Run the instance from where it waits."""
    context, held = user.context, instance.held
    run.mute = held is not None and held.mute
    if effect_of(instance, Trigger.DEADLINE) is Effect.TIME_OUT:
        move(user, instance, run, run.program.nodes[instance.node].on_timer(run))
        return
    assert held is not None, "only a pause leaves a decision for later"
    around = context.event, context.keys
    context.event, context.keys = held.event, {}
    move(user, instance, run, Go(held.to), left=True)
    context.event, context.keys = around


def _first_due(user: UserStep, time: int) -> int | None:
    """The index of the instance with the earliest deadline at or before `time` (ms), among those
    that may move; None if there is none."""
    first: int | None = None
    for at, instance in enumerate(user.instances):
        due = instance.wait.due
        if (
            due is not None
            and due <= time
            and (first is None or due < _due(user.instances[first]))
            and user.context.runs(instance.journey)
        ):
            first = at
    return first


def _order(instance: Instance) -> tuple[int, int]:
    at = instance.wait.fire_at
    assert at is not None, "only timers that a clock may fire are put in order"
    return at, _due(instance)


def _due(instance: Instance) -> int:
    due = instance.wait.due
    assert due is not None, "only a wait with a deadline has a timer"
    return due


def _brief(error: Exception) -> str:
    return "".join(traceback.format_exception_only(error)).strip()[:500]
