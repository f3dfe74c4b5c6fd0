"""What a change of the catalog does to a user who is under way: journeys that were archived or go
on after a pause, and versions that take over.

Law: it is done when the user is next touched, once for each change, and gives the same whether an
event, a timer or a sweep touches the user first. A version takes over with a step that may move the
user: a due timer, a response, an event that something listens to.
"""

from __future__ import annotations

from msgspec.structs import replace

from journeys.catalog.running import LifecycleHistory
from journeys.engine.user_step import User
from journeys.ids import message_hash
from journeys.records.outcome import Cause
from journeys.records.user_record import Held, Instance, Wait
from journeys.time import format_time


def take_over(user: User) -> None:
    """A step comes that may move the user: instances go on with the version in force, where that
    takes over."""
    for instance in tuple(user.instances) if user.catalog.following else ():
        following = user.catalog.following.get((instance.journey, instance.version))
        if following is not None and instance.node in following.nodes and instance.held is None:
            user.put(instance, replace(instance, version=following.program.version))


def apply_lifecycle(user: User) -> None:
    """What became of journeys since their instances were last looked at; at any time."""
    for instance in tuple(user.instances) if user.catalog.lifecycles else ():
        if user.catalog.changed_since(instance):
            _apply_lifecycle(user, instance, user.catalog.lifecycles[instance.journey])


def _apply_lifecycle(user: User, instance: Instance, life: LifecycleHistory) -> None:
    clock = user.clock
    archived = next((at for at in life.archived_at if at > instance.lifecycle_seen), None)
    if archived is not None:
        at = archived if clock.wall else clock.partition_time
        around, user.cause = user.cause, Cause(timer=format_time(at))
        user.end(instance, at, "archived")
        user.cause = around
        return
    if not user.runs(instance):
        return  # paused again: it is judged when it runs
    resumed = life.resumed_at if clock.wall else clock.partition_time
    due, lifecycle_seen = instance.wait.due, replace(instance, lifecycle_seen=life.changed)
    if instance.held is not None or (due is not None and due <= resumed):
        at = resumed + spread_of(instance.id, life.spread)
        held = replace(instance.held or Held(), mute=life.skip)
        lifecycle_seen = replace(lifecycle_seen, wait=Wait(at, at), held=held)
    elif due is not None and instance.wait.fire_at is None:
        lifecycle_seen = replace(
            lifecycle_seen, wait=Wait(due, due)
        )  # a clock that is ahead had put it off
    user.put(instance, lifecycle_seen)


def spread_of(instance: str, spread: int) -> int:
    """How long an instance waits after its journey was resumed, ms: from 0 up to `spread`, by a
    hash of its id."""
    return int.from_bytes(message_hash(instance), "big") % spread if spread else 0
