"""One step for one user: what one event, one response or one timer does to the user's record.

Law: pure and atomic. The same record, input, catalog and times give the same record and effects,
and a step whose record can't be kept is rolled back and reported by one outcome.

The way down: a step creates a `StepContext` and a `UserStep` over the record, and passes them to
the modules that the input concerns (lifecycle, timers, exits and goals, waits, entries). Those
create an `InstanceRun` for each instance that moves. Its nodes record effects in the context, and
it returns the new state of the instance.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from journeys.catalog.running import RunningCatalog
from journeys.engine.dispatch import dispatch, dispatch_emitted
from journeys.engine.lifecycle import apply_lifecycle, take_over
from journeys.engine.step_context import StepContext
from journeys.engine.timers import Place, fire_before, fire_earliest, is_any_ready
from journeys.engine.user_step import NumberTooLarge, RecordTooLarge, UserStep, check_size
from journeys.engine.waits import match_response
from journeys.ids import message_hash, outcome_id_of_input
from journeys.records import message_ids
from journeys.records.effects import Effects
from journeys.records.event import Arrived, Clock, Event, with_doubles
from journeys.records.outcome import Cause, of_input
from journeys.records.response import Response
from journeys.records.traits import changed_names, traits_of
from journeys.records.user_record import EMPTY, UserRecord
from journeys.schema.signals import changes_among
from journeys.time import format_time


def apply_event(
    catalog: RunningCatalog,
    effects: Effects,
    record: UserRecord | None,
    event: Event,
    arrived: Arrived,
) -> UserRecord:
    """The user's record after an event; effects are added, or none if it raises.

    Raises:
        Exception: a defect; the caller makes the input a dead letter.
    """
    record = record or EMPTY
    message = message_hash(event.message_id)
    known = -1
    if record.message_ids:
        known = message_ids.find(record.message_ids, message, arrived.partition_time)
    if known >= 0:
        effects.counts["event.repeated"] += 1
        refreshed = message_ids.refresh(record.message_ids, known, arrived.partition_time)
        return record.with_message_ids(refreshed)
    remembered = message_ids.remember(record.message_ids, message, arrived.partition_time)
    if event.unread:
        _report_unread(effects, event, arrived)
    traits = event.wire.traits or event.wire.traits_once
    entered = None
    if not traits and _may_only_enter(catalog, record, event, arrived):
        entered = catalog.entered_by(event, record.traits)
        if not entered or event.backfill:
            return record.with_message_ids(remembered)
    mark = effects.mark()
    clock = Clock(arrived.wall, arrived.partition_time)
    context = StepContext(catalog, effects, event.user_id, record, clock, arrived)
    user = UserStep(context, record)
    signals: tuple[str, ...] = (event.name,)
    try:
        if entered is None:
            if user.instances:
                apply_lifecycle(user)
                fire_before(user, arrived)
            if traits:
                new = traits_of(event, context.traits)
                signals += _changes(context, new, arrived)
            context.count(event, arrived.time)
        if entered or (
            not event.backfill
            and (user.instances or user.goals or not catalog.entries.keys().isdisjoint(signals))
        ):
            context.cause = Cause(arrived.topic, arrived.partition, arrived.offset)
            if entered is None and not catalog.listened.isdisjoint(signals):
                take_over(user)
            dispatch(user, event, arrived, signals, entered)
            dispatch_emitted(user)
        if not context.changed:
            return record.with_message_ids(remembered)
        return check_size(user.record(remembered))
    except RecordTooLarge as error:
        effects.roll_back(mark)
        if isinstance(error, NumberTooLarge):
            shorter = with_doubles(event)
            if shorter is not None:  # a too large integer only loses its last digits
                return apply_event(catalog, effects, record, shorter, arrived)
        context.report("event.rejected", arrived, reason="record_too_large", error=str(error))
        return record.with_message_ids(remembered)
    except BaseException:
        effects.roll_back(mark)
        raise


def _changes(context: StepContext, traits: Mapping[str, Any], arrived: Arrived) -> tuple[str, ...]:
    """Merge the traits of an event; returns the signals of those that changed."""
    before = context.traits
    changed = context.merge_traits(traits)
    if not changed:
        return ()
    context.report("profile.changed", arrived, **changed_names(changed))
    context.before = before
    listened = context.catalog.changes
    changes = changes_among(changed, listened) if listened else ()
    if changes:
        context.after = context.traits
    return changes


def _report_unread(effects: Effects, event: Event, arrived: Arrived) -> None:
    place = (arrived.topic, arrived.partition, arrived.offset)
    id = outcome_id_of_input(*place, "event.altered", 0)
    at, detail = format_time(arrived.time), {"fields": list(event.unread)}
    altered = of_input(id, "event.altered", at, event.user_id, Cause(*place), detail)
    effects.outcomes.append(altered)


def _may_only_enter(
    catalog: RunningCatalog, record: UserRecord, event: Event, arrived: Arrived
) -> bool:
    """Whether the event can do nothing but start instances; true for most events."""
    if event.name in catalog.counted:
        return False
    if not record.instances and not record.goals:
        return True
    if record.deadline is not None and record.deadline <= arrived.time:
        return False
    if event.name in catalog.listened and _listens(catalog, record, event.name):
        return False
    return not catalog.lifecycles or not any(map(catalog.changed_since, record.instances))


def _listens(catalog: RunningCatalog, record: UserRecord, event: str) -> bool:
    """Whether the event may affect the user's instances, or make a version take over."""
    if catalog.following or event in catalog.exits or event in catalog.goals:
        return True
    places = catalog.awaited[event]
    return any((one.journey, one.version, one.node) in places for one in record.instances)


def apply_response(
    catalog: RunningCatalog,
    effects: Effects,
    record: UserRecord,
    response: Response,
    arrived: Arrived,
) -> UserRecord:
    """The user's record after the response to a trigger's request.

    Raises:
        Exception: a defect; the caller makes the input a dead letter.
    """
    mark = effects.mark()
    clock = Clock(arrived.wall, arrived.partition_time)
    context = StepContext(catalog, effects, response.user_id, record, clock, arrived)
    user = UserStep(context, record)
    try:
        apply_lifecycle(user)
        fire_before(user, arrived)
        take_over(user)
        context.cause = Cause(arrived.topic, arrived.partition, arrived.offset)
        if not match_response(user, response, arrived.time):
            action_id = response.action_id
            context.report("event.rejected", arrived, reason="visit_over", action_id=action_id)
        dispatch_emitted(user)
        kept = check_size(user.record(record.message_ids))
    except RecordTooLarge as error:
        effects.roll_back(mark)
        context.report("event.rejected", arrived, reason="record_too_large", error=str(error))
        return record
    except BaseException:
        effects.roll_back(mark)
        raise
    return kept if context.changed else record


def fire_timer(
    catalog: RunningCatalog,
    effects: Effects,
    user_id: str,
    record: UserRecord,
    until: int,
    now: int | None,
    partition_time: int,
    place: Place | None = None,
) -> UserRecord:
    """Fire the user's earliest timer that a clock may fire at or before `until`, ms.

    Args:
        place: see `fire_earliest`.
        now: the wall clock, ms; None under the stream clock, whose timers are never late.
        partition_time: the largest event time seen on the partition, ms.
    """
    if not is_any_ready(record.instances, until):
        raise LookupError(f"nothing of {user_id!r} is due, though the due index says so")
    clock = Clock(now is not None, partition_time)
    user = UserStep(StepContext(catalog, effects, user_id, record, clock), record)
    apply_lifecycle(user)
    fire_earliest(user, until, now, place)
    return user.record(record.message_ids)


def touch(
    catalog: RunningCatalog,
    effects: Effects,
    user_id: str,
    record: UserRecord,
    clock: Clock,
) -> UserRecord:
    """The user's record after a sweep: changes of lifecycles are applied, and nothing else."""
    context = StepContext(catalog, effects, user_id, record, clock)
    user = UserStep(context, record)
    apply_lifecycle(user)
    return user.record(record.message_ids) if context.changed else record
