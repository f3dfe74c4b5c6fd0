"""One step for one user: what one event, or one timer, does to the user's record.

Law: pure and atomic. The same record, input, catalog and times give the same record and effects,
and a step that can't be kept leaves nothing behind but word of it.
"""

from __future__ import annotations

from functools import partial

from msgspec.structs import replace

from journeys.catalog.running import RunningCatalog
from journeys.engine.emitted import move, settle
from journeys.engine.entries import TellNow
from journeys.engine.lifecycle import apply_lifecycle, take_over
from journeys.engine.user_step import LATE, RecordTooLarge, User, check_size, due_of
from journeys.ids import message_hash
from journeys.records import message_ids as seen
from journeys.records import traits as profile
from journeys.records.effects import Effects
from journeys.records.event import Arrived, Clock, Event
from journeys.records.outcome import Cause
from journeys.records.response import Response
from journeys.records.user_record import EMPTY, Instance, UserRecord, Wait
from journeys.time import format_time


def apply_event(
    catalog: RunningCatalog,
    effects: Effects,
    record: UserRecord | None,
    event: Event,
    arrived: Arrived,
    tell_now: TellNow,
) -> UserRecord:
    """What one event does to its user's record; effects are added, or none when it raises.

    Raises:
        Exception: a defect; the caller makes the input a dead letter.
    """
    record = record or EMPTY
    message = message_hash(event.message_id)
    if seen.holds(record.message_ids, message, arrived.partition_time):
        effects.counts["event.repeated"] += 1
        return record
    memory = seen.remember(record.message_ids, message, arrived.partition_time)
    traits = event.wire.traits
    entered = None
    if not traits and _rest(catalog, record, event, arrived):
        entered = catalog.entered_by(event, record.traits)
        if not entered or event.backfill:
            return record.with_message_ids(memory)
    clock = Clock(arrived.wall, arrived.partition_time)
    mark = effects.mark()
    settled = partial(settle, tell_now=tell_now)
    step = User(catalog, effects, event.user_id, record, clock, settled)
    step.arrived = arrived
    try:
        if entered is None:
            if step.instances:
                apply_lifecycle(step)
                _fire_due(step, arrived)
            if traits:
                changed = step.merge(traits)
                if changed:
                    step.report("profile.changed", arrived, **profile.changed(changed))
            step.note(event, arrived.time)
        if not event.backfill and (step.instances or step.goals or event.name in catalog.entries):
            step.cause = Cause(arrived.topic, arrived.partition, arrived.offset)
            if entered is None and event.name in catalog.listened:
                take_over(step)
            move(step, event, arrived, tell_now, entered)
            settled(step)
        if not step.changed:
            return record.with_message_ids(memory)
        kept = check_size(step.record(memory))
    except RecordTooLarge as error:
        effects.roll_back(mark)
        step.report("event.rejected", arrived, reason="record_too_large", error=str(error))
        return record.with_message_ids(memory)
    except BaseException:
        effects.roll_back(mark)
        raise
    return kept


def _rest(catalog: RunningCatalog, record: UserRecord, event: Event, arrived: Arrived) -> bool:
    """Whether the event can do nothing but start an instance, as is so for most events."""
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
    """Whether the event may do something to the user's instances, or make a version take over."""
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
    tell_now: TellNow,
) -> UserRecord:
    """What the response to a trigger's request does to its user's record.

    Raises:
        Exception: a defect; the caller makes the input a dead letter.
    """
    mark = effects.mark()
    settled = partial(settle, tell_now=tell_now)
    clock = Clock(arrived.wall, arrived.partition_time)
    step = User(catalog, effects, response.user_id, record, clock, settled)
    step.arrived = arrived
    try:
        apply_lifecycle(step)
        _fire_due(step, arrived)
        take_over(step)
        step.cause = Cause(arrived.topic, arrived.partition, arrived.offset)
        if not step.answered(response, arrived.time):
            step.report(
                "event.rejected", arrived, reason="visit_over", action_id=response.action_id
            )
        settled(step)
        kept = check_size(step.record(record.message_ids))
    except RecordTooLarge as error:
        effects.roll_back(mark)
        step.report("event.rejected", arrived, reason="record_too_large", error=str(error))
        return record
    except BaseException:
        effects.roll_back(mark)
        raise
    return kept if step.changed else record


def fire_timer(
    catalog: RunningCatalog,
    effects: Effects,
    user_id: str,
    record: UserRecord,
    until: int,
    now: int | None,
    partition_time: int,
    tell_now: TellNow,
) -> UserRecord:
    """Fire the user's earliest timer that a clock may fire at or before `until`, ms.

    Args:
        now: the wall clock, ms; None under the stream clock, whose timers are never late.
        partition_time: the largest event time seen on the partition, ms.
    """
    if not any(map(partial(_ready, until), record.instances)):
        raise LookupError(f"nothing of {user_id!r} is due, though the due index says so")
    settled = partial(settle, tell_now=tell_now)
    clock = Clock(now is not None, partition_time)
    step = User(catalog, effects, user_id, record, clock, settled)
    apply_lifecycle(step)
    ready = [at for at, one in enumerate(step.instances) if _ready(until, one)]
    if not ready:  # what was due has ended or was put off
        return step.record(record.message_ids)
    at = min(ready, key=lambda at: _order(step.instances[at]))
    instance = step.instances[at]
    due = due_of(instance)
    late = now is not None and now - due > LATE
    logical = now if now is not None and late else due
    step.cause = Cause(timer=format_time(due), fired=format_time(logical) if late else None)
    if step.runs(instance):
        take_over(step)
        step.fire(step.instances[at], logical)
    else:  # it stays, and no clock looks at it until the journey runs again
        step.put(instance, replace(instance, wait=Wait(due, None)))
    return step.record(record.message_ids)


def _fire_due(step: User, arrived: Arrived) -> None:
    """Fire what is due at or before the event, earliest first, ties: the older instance. Each
    timer is a step of its own."""
    while True:
        first: int | None = None
        for at, instance in enumerate(step.instances):
            due = instance.wait.due
            if (
                due is not None
                and due <= arrived.time
                and (first is None or due < due_of(step.instances[first]))
                and step.runs(instance)
            ):
                first = at
        if first is None:
            return
        due = due_of(step.instances[first])
        late = arrived.wall and arrived.time - due > LATE
        now = arrived.time if late else due
        step.cause = Cause(
            arrived.topic,
            arrived.partition,
            arrived.offset,
            format_time(due),
            format_time(now) if late else None,
        )
        take_over(step)
        step.fire(step.instances[first], now)


def _order(instance: Instance) -> tuple[int, int]:
    at = instance.wait.fire_at
    assert at is not None, "only timers that a clock may fire are put in order"
    return at, due_of(instance)


def _ready(until: int, instance: Instance) -> bool:
    at = instance.wait.fire_at
    return at is not None and at <= until


def touch(
    catalog: RunningCatalog,
    effects: Effects,
    user_id: str,
    record: UserRecord,
    clock: Clock,
    tell_now: TellNow,
) -> UserRecord:
    """What a sweep does to a user: what became of journeys, and no step."""
    step = User(catalog, effects, user_id, record, clock, partial(settle, tell_now=tell_now))
    apply_lifecycle(step)
    return step.record(record.message_ids) if step.changed else record
