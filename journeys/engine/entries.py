"""Which journeys a user enters on an event.

Law: every entry whose condition holds is reported, accepted or not. Only journeys that an event
with this name can enter are examined.
"""

from __future__ import annotations

from typing import Any

from journeys.catalog.program import Program
from journeys.catalog.running import Entered
from journeys.engine.branches import start
from journeys.engine.exits_and_goals import watch
from journeys.engine.instance_run import InstanceRun
from journeys.engine.user_step import UserStep
from journeys.expressions.expression import ExpressionFailed
from journeys.expressions.values import plain_text
from journeys.ids import instance_id
from journeys.nodes.base import Go
from journeys.records.event import Arrived, Event
from journeys.records.outcome import shown
from journeys.records.user_record import MAX_INSTANCES, MAX_KEY
from journeys.schema.signals import trait_of


def enter(user: UserStep, event: Event, arrived: Arrived, entered: Entered) -> None:
    """Start an instance of each journey that the event enters, by name.

    Args:
        entered: (program, certain): `certain` means that the prefilter proved the condition, so it
            is not evaluated again. A journey whose digest has collected the event is left out.
    """
    context = user.context
    for program, holds in entered:
        if program.name in context.taken:
            continue
        entry = program.journey.entry
        signal: str | None = context.signals[0]
        if not holds or program.key is not None:
            scope = context.entry_scope(program, arrived.time)
            if not holds:
                signal, failures = program.entering(context.signals, scope)
                if signal is None:
                    for failure in failures:
                        _condition_failed(user, program, failure, arrived)
                    continue
        lateness = arrived.arrival - arrived.time
        if entry.max_lateness is not None and lateness > entry.max_lateness:
            _reject(user, program, None, arrived, "too_late", late_ms=lateness)
            continue
        key = None
        if program.key is not None:
            try:
                key = plain_text(program.key.evaluate(scope))
                error = f"{program.key.written}: neither text, an integer, true nor false"
                if key is not None and len(key) > MAX_KEY // 4 and len(key.encode()) > MAX_KEY:
                    error = f"{program.key.written}: found a text of more than {MAX_KEY} bytes"
                    key = None
            except ExpressionFailed as failed:
                error = str(failed)
            if key is None:
                _reject(user, program, None, arrived, "no_key", error=shown(error))
                continue
        refusal = _refusal(user, program, key, arrived.time)
        if refusal is not None:
            _reject(user, program, key, arrived, refusal)
            continue
        _start(user, program, key, event, arrived, signal)


def _condition_failed(
    user: UserStep, program: Program, error: ExpressionFailed, arrived: Arrived
) -> None:
    context = user.context
    context.effects.counts["entry.failed"] += 1
    if context.effects.sampler.is_sample(
        "entry", program.name, program.version, arrived.partition_time
    ):
        context.report("expression.failed", arrived, program, error=shown(str(error)))


def _refusal(user: UserStep, program: Program, key: str | None, now: int) -> str | None:
    """Why the journey doesn't accept the user, or None."""
    entry, name = program.journey.entry, program.name
    if entry.reentry == "once" and name in user.past:
        return "once"
    if entry.reentry == "after_exit" and name in user.past:
        if any(live.journey == name and live.branch is None for live in user.instances):
            return "already_in"
        if entry.min_gap is not None and now - user.past[name] < entry.min_gap:
            return "min_gap"
    live_ones = user.instances
    if not live_ones:
        return None
    if key is not None and any(
        live.key == key and live.journey == name and live.branch is None for live in live_ones
    ):
        return "already_in"
    return "too_many" if len(live_ones) >= MAX_INSTANCES else None


def _start(
    user: UserStep,
    program: Program,
    key: str | None,
    event: Event,
    arrived: Arrived,
    signal: str | None,
) -> None:
    context = user.context
    run = InstanceRun(
        context,
        program,
        arrived.time,
        id=instance_id(program.name, context.user_id, key, event.message_id),
        key=key,
        started=arrived.time,
        entry=context.event or {},
    )
    trait = None if signal is None or signal == event.name else trait_of(signal)
    if trait is None:
        run.report("journey.entered", event=event.name, message_id=event.message_id)
    else:
        run.report("journey.entered", event=event.name, message_id=event.message_id, changes=trait)
    context.changed = True
    user.past = {**user.past, program.name: user.past.get(program.name, 0)}
    watch(user, program, run)
    start(user, run, Go(program.first))


def _reject(
    user: UserStep, program: Program, key: str | None, arrived: Arrived, reason: str, **detail: Any
) -> None:
    user.context.report("journey.rejected", arrived, program, key, reason=reason, **detail)
