"""One step for one user: what one event, or one timer, does to the user's record.

Law: pure and atomic. The same record, input, catalog and times give the same record and effects,
and a step that can't be kept leaves nothing behind but word of it.
"""

from __future__ import annotations

from functools import partial

from journeys import seen
from journeys.effects import Cause, Effects
from journeys.emitting import move, settle
from journeys.entering import TellNow
from journeys.events import Event
from journeys.ids import message_hash
from journeys.profile import told
from journeys.program import RunningCatalog
from journeys.state import EMPTY, Instance, UserRecord, Wait
from journeys.time import format_time
from journeys.user import LATE, Arrived, RecordTooLarge, User, check_size, due_of


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
    if seen.holds(record.seen, message, arrived.partition_time):
        effects.counts["event.repeated"] += 1
        return record
    memory = seen.remember(record.seen, message, arrived.partition_time)
    traits = event.wire.traits
    if not traits and event.name not in catalog.entries and _rest(catalog, record, event, arrived):
        return _unmoved(record, memory)
    mark = effects.mark()
    settled = partial(settle, tell_now=tell_now)
    step = User(catalog, effects, event.user_id, record, arrived.partition_time, settled)
    step.arrived = arrived
    try:
        if step.instances:
            if not catalog.settled:
                step.cause = Cause(arrived.topic, arrived.partition, arrived.offset)
                step.end_archived(arrived.time)
            step.fire_due(arrived)
        if traits:
            changed = step.merge(traits)
            if changed:
                step.tell("profile.changed", arrived, **told(changed))
        step.note(event, arrived.time)
        if not event.backfill and (step.instances or event.name in catalog.entries):
            step.cause = Cause(arrived.topic, arrived.partition, arrived.offset)
            move(step, event, arrived, tell_now)
            settled(step)
        kept = step.record(memory)
        if step.changed:
            check_size(kept)
    except RecordTooLarge as error:
        effects.roll_back(mark)
        step.tell("event.rejected", arrived, reason="record_too_large", error=str(error))
        return _unmoved(record, memory)
    except BaseException:
        effects.roll_back(mark)
        raise
    return kept


def _unmoved(record: UserRecord, memory: bytes) -> UserRecord:
    return UserRecord(record.traits, memory, record.instances, record.past, record.counts)


def _rest(catalog: RunningCatalog, record: UserRecord, event: Event, arrived: Arrived) -> bool:
    """Whether no instance can move now, as is so for most events."""
    if event.name in catalog.counted:
        return False
    if not record.instances:
        return True
    if not catalog.settled or event.name in catalog.awaited:
        return False
    for instance in record.instances:
        due = instance.wait.due
        if due is not None and due <= arrived.time:
            return False
    return True


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
    ready = [
        instance
        for instance in record.instances
        if instance.wait.fire_at is not None and instance.wait.fire_at <= until
    ]
    if not ready:
        raise LookupError(f"nothing of {user_id!r} is due, though the due index says so")
    instance = min(ready, key=lambda one: (one.wait.fire_at, one.wait.due))
    due = due_of(instance)
    late = now is not None and now - due > LATE
    logical = now if now is not None and late else due
    settled = partial(settle, tell_now=tell_now)
    step = User(catalog, effects, user_id, record, partition_time, settled)
    step.cause = Cause(timer=format_time(due), fired=format_time(logical) if late else None)
    status = catalog.status.get(instance.journey)
    if status == "archived":
        step.end(instance, logical, "archived")
    elif status == "running":
        step.fire(instance, logical)
    else:  # it stays, and no clock looks at it until the journey runs again
        at = step.instances.index(instance)
        parked = Wait(instance.wait.due, None)
        fields = {name: getattr(instance, name) for name in instance.__struct_fields__}
        step.instances[at] = Instance(**{**fields, "wait": parked})
    return step.record(record.seen)
