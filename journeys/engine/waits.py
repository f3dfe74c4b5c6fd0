"""Moves instances by the event or the response that they wait for.

Law: once a deadline has passed, a later event or response no longer moves the instance.
"""

from __future__ import annotations

from journeys.engine.branches import move
from journeys.engine.instance_run import InstanceRun
from journeys.engine.instance_states import Effect, Trigger, effect_of
from journeys.engine.user_step import UserStep
from journeys.ids import action_id
from journeys.nodes.base import Go, Stay
from journeys.records.event import Event
from journeys.records.response import Response
from journeys.records.user_record import Instance

_NOWHERE: frozenset[tuple[str, str, str]] = frozenset()


def match_event(user: UserStep, event: Event, signals: tuple[str, ...], now: int) -> None:
    """Let every live instance that awaits one of the signals move at `now` (ms), oldest first."""
    context = user.context
    awaited = context.catalog.awaited
    places = awaited.get(signals[0], _NOWHERE)
    for signal in signals[1:]:
        places |= awaited.get(signal, _NOWHERE)
    if not places:
        return
    for instance in tuple(user.instances):
        waits = _waits(instance, now)
        if not waits and instance.held is not None and instance.held.decided:
            continue
        if instance.branch is not None and not user.is_live(instance):
            continue  # the event has moved another branch, and with that cancelled this one
        if (instance.journey, instance.version, instance.node) not in places:
            continue
        program = context.program(instance.journey, instance.version)
        node, key = program.nodes[instance.node], program.key
        if not waits and not node.stays:
            continue
        if (
            key is not None
            and node.keyed
            and context.keys.get(key.text, instance.key) != instance.key
        ):
            continue  # most of a user's instances carry another key
        run = InstanceRun.resume(context, program, instance, now, event.message_id)
        _move(user, instance, run, node.on_event(run))


def match_response(user: UserStep, response: Response, now: int) -> bool:
    """Move the instance that waits for this response, at `now` (ms).

    Returns:
        False if no instance waits for it any more.
    """
    for instance in user.instances:
        if instance.id == response.instance:
            visit = action_id(instance.id, instance.node, instance.visit)
            if visit != response.action_id or not _waits(instance, now):
                return False
            run = user.resume(instance, now, "response")
            node = run.program.nodes[instance.node]
            _move(user, instance, run, node.on_response(run, response))
            return True
    return False


def _waits(instance: Instance, now: int) -> bool:
    """Whether an event or a response at `now` (ms) can move the instance.

    That needs state WAITING (instance_states.py) and no deadline at or before `now`. It is called
    for every instance of a user, so it reads the record directly. Nodes from which events never
    move an instance take them in other states too, see `match_event`.
    """
    due = instance.wait.due
    return instance.held is None and (due is None or due > now)


def _move(user: UserStep, instance: Instance, run: InstanceRun, verdict: Go | Stay | None) -> None:
    """Let the instance go where its node says, now or when its journey is resumed. One that stays
    has not moved on, so a pause makes no difference to it."""
    if verdict is None:
        return
    if isinstance(verdict, Stay):
        user.write(instance, run, run.stay(verdict, instance.held))
        return
    running = user.context.runs(instance.journey)
    effect = effect_of(instance, Trigger.EVENT if running else Trigger.EVENT_PAUSED)
    if effect is Effect.MOVE:
        move(user, instance, run, verdict)
    else:
        user.write(instance, run, run.decide(verdict))
