"""Who enters which journey on an event.

Law: every entry that was asked for is told, taken in or not; what the event's name rules out is
never looked at.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from journeys.catalog.program import Program
from journeys.catalog.running import Entered
from journeys.engine.exits_and_goals import watch
from journeys.engine.instance_run import Run, as_text
from journeys.engine.user_step import User
from journeys.expressions.expression import ExpressionFailed, condition
from journeys.expressions.scope import Scope
from journeys.ids import instance_id
from journeys.nodes.base import Go
from journeys.records.event import Arrived, Event
from journeys.records.user_record import MAX_INSTANCES

TellNow = Callable[[str, str, int], bool]
"""Whether a failing entry condition of (journey, version) is to be told at that partition time."""


def enter(user: User, event: Event, arrived: Arrived, tell_now: TellNow, entered: Entered) -> None:
    """The journeys that the event enters, by name, of those that it may enter."""
    for program, wanted in entered:
        entry = program.journey.entry
        if not wanted or program.key is not None:
            scope = Scope(
                event=user.facts,
                entry=user.facts,
                user=user.user,
                journey=program.facts,
                now=arrived.time,
                count=user.event_counts,
            )
            if not wanted and not _wanted(user, program, event, scope, arrived, tell_now):
                continue
        lateness = arrived.arrival - arrived.time
        if entry.max_lateness is not None and lateness > entry.max_lateness:
            _reject(user, program, None, arrived, "too_late", late_ms=lateness)
            continue
        key = None
        if program.key is not None:
            try:
                key = as_text(program.key.evaluate(scope))
                error = f"{entry.key}: neither text, an integer, true nor false"
            except ExpressionFailed as failed:
                error = str(failed)
            if key is None:
                _reject(user, program, None, arrived, "no_key", error=error)
                continue
        refusal = _refusal(user, program, key, arrived.time)
        if refusal is not None:
            _reject(user, program, key, arrived, refusal)
            continue
        _start(user, program, key, event, arrived)


def _wanted(
    user: User,
    program: Program,
    event: Event,
    scope: Scope,
    arrived: Arrived,
    tell_now: TellNow,
) -> bool:
    """Whether an alternative of the entry's event holds, and its `where`."""
    everyone = program.journey.entry.where
    try:
        if everyone is not None and not condition(everyone, scope):
            return False
    except ExpressionFailed as error:
        _entry_failed(user, program, error, arrived, tell_now)
        return False
    for where in program.entry_events[event.name]:
        try:
            if where is None or condition(where, scope):
                return True
        except ExpressionFailed as error:
            _entry_failed(user, program, error, arrived, tell_now)
    return False


def _entry_failed(
    user: User, program: Program, error: ExpressionFailed, arrived: Arrived, tell_now: TellNow
) -> None:
    user.effects.counts["entry.failed"] += 1
    if tell_now(program.name, program.version, arrived.partition_time):
        user.report("expression.failed", arrived, program, error=str(error))


def _refusal(user: User, program: Program, key: str | None, now: int) -> str | None:
    """Why the journey doesn't take the user in, or None."""
    entry, name = program.journey.entry, program.name
    if entry.reentry == "once" and name in user.past:
        return "once"
    if entry.reentry == "after_exit" and name in user.past:
        if any(live.journey == name for live in user.instances):
            return "already_in"
        if entry.min_gap is not None and now - user.past[name] < entry.min_gap:
            return "min_gap"
    if key is not None and any(live.key == key and live.journey == name for live in user.instances):
        return "already_in"
    return "too_many" if len(user.instances) >= MAX_INSTANCES else None


def _start(user: User, program: Program, key: str | None, event: Event, arrived: Arrived) -> None:
    run = Run(
        user,
        program,
        arrived.time,
        id=instance_id(program.name, user.user_id, key, event.message_id),
        key=key,
        started=arrived.time,
        entry=user.facts or {},
    )
    run.report("journey.entered", event=event.name, message_id=event.message_id)
    user.changed = True
    user.past = {**user.past, program.name: user.past.get(program.name, 0)}
    watch(user, program, run)
    run.follow(Go(program.first))
    if run.ended:
        user.over(run)
    else:
        user.instances.append(run.instance())


def _reject(
    user: User, program: Program, key: str | None, arrived: Arrived, reason: str, **detail: Any
) -> None:
    user.report("journey.rejected", arrived, program, key, reason=reason, **detail)
