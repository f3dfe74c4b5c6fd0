"""Applies changes of the catalog to a user's live instances: journeys that were archived or resumed
after a pause, and versions that take over.

Law: a change is applied once, in the user's next step or sweep, and with the same result whether an
event, a timer or a sweep comes first. A version takes over only in a step that may move the user: a
due timer, a response, or an event that some journey listens to.
"""

from __future__ import annotations

from msgspec.structs import replace

from journeys.catalog.running import LifecycleHistory
from journeys.engine.branches import can_follow, end_passage, passage_of, passages
from journeys.engine.user_step import UserStep
from journeys.ids import message_hash
from journeys.records.outcome import Cause
from journeys.records.user_record import Held, Instance, Wait
from journeys.time import format_time

Turn = tuple[int, Instance]
"""A branch that continues after a pause, and when (ms) it would have continued without it."""


def take_over(user: UserStep) -> None:
    """Instances whose journey has `in_flight: follow` continue with its active version."""
    following = user.context.catalog.following
    for passage in passages(user) if following else ():
        newer = following.get((passage[0].journey, passage[0].version))
        if newer is not None and all(can_follow(one, newer) for one in passage):
            for one in passage:
                user.put(one, replace(one, version=newer.program.version))


def apply_lifecycle(user: UserStep) -> None:
    """Apply the changes of journeys that their instances have not observed yet."""
    catalog = user.context.catalog
    if not catalog.lifecycles:
        return
    turns: dict[str, list[Turn]] = {}
    for instance in tuple(user.instances):
        if instance.branch is not None and not user.is_live(instance):
            continue  # it was archived together with the instance that started it
        if catalog.changed_since(instance):
            _apply(user, instance, catalog.lifecycles[instance.journey], turns)
    for together in turns.values():
        if len(together) > 1:
            _put_in_order(user, together)


def _apply(
    user: UserStep, instance: Instance, history: LifecycleHistory, turns: dict[str, list[Turn]]
) -> None:
    context = user.context
    wall, partition_time = context.clock.wall, context.clock.partition_time
    archived = next((at for at in history.archived_at if at > instance.lifecycle_seen), None)
    if archived is not None:
        at = archived if wall else partition_time
        around, context.cause = context.cause, Cause(timer=format_time(at))
        end_passage(user, instance.id, at, "", "archived")
        context.cause = around
        return
    if not context.runs(instance.journey):
        return  # paused again: the next resume is observed
    resumed = history.resumed_at if wall else partition_time
    due = instance.wait.due
    if instance.held is not None or (due is not None and due <= resumed):
        held_up = _take_turn(instance, history, resumed)
        user.put(instance, held_up)
        if instance.branch is not None:
            since = resumed if due is None else due  # None only in an older record
            turns.setdefault(instance.branch.parent, []).append((since, held_up))
    elif due is not None and instance.wait.fire_at is None:
        # A worker whose clock is ahead had stopped the timer.
        user.put(instance, replace(instance, lifecycle_seen=history.changed, wait=Wait(due, due)))
    else:
        user.put(instance, replace(instance, lifecycle_seen=history.changed))


def _take_turn(instance: Instance, history: LifecycleHistory, resumed: int) -> Instance:
    """An instance that a pause has held up, after its journey was resumed at `resumed` (ms):
    Effect.TAKE_TURN. An instance and its branches continue at the same time."""
    at = resumed + spread_of(passage_of(instance), history.spread)
    held = replace(instance.held or Held(), mute=history.skip)
    return replace(instance, lifecycle_seen=history.changed, wait=Wait(at, at), held=held)


def _put_in_order(user: UserStep, together: list[Turn]) -> None:
    """Put the branches of an instance, which continue at the same time, in the order in which they
    would have continued without the pause: of those due at once, the first one's timer fires first.
    """
    places = [user.instances.index(one) for _, one in together]
    in_order = sorted(together, key=lambda turn: turn[0])
    for place, (_, one) in zip(places, in_order, strict=True):
        user.instances[place] = one


def spread_of(instance: str, spread: int) -> int:
    """How long an instance waits after its journey was resumed, ms: at least 0 and less than
    `spread`, by a hash of its id."""
    return int.from_bytes(message_hash(instance), "big") % spread if spread else 0
