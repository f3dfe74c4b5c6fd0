"""Applies an event to instances and goals, then the events that nodes emitted meanwhile.

Law: an emitted event is applied in the step that emitted it, right after the event or timer that
led to it, by the same rules as an event from the log; so one journey can start another, and a
replay repeats that. But it carries no traits, is never a duplicate, and fires no timers: they wait
for the log.
"""

from __future__ import annotations

from journeys.catalog.running import Entered
from journeys.engine.entries import enter
from journeys.engine.exits_and_goals import leave, reach
from journeys.engine.step_context import NO_NAMES
from journeys.engine.user_step import UserStep
from journeys.engine.waits import match_event
from journeys.records.event import Arrived, Event


def dispatch(
    user: UserStep,
    event: Event,
    arrived: Arrived,
    signals: tuple[str, ...],
    entered: Entered | None = None,
) -> None:
    """Apply one event: global exits, goals, waits, then entries.

    An event that changes traits is one input: an instance that it starts or moves to a wait has
    not observed these changes.

    Args:
        signals: the event's name, unless it is only changes of traits, and those changes.
        entered: the result of `RunningCatalog.entered_by`, if the event can only start instances.
    """
    context = user.context
    context.event = event.facts(arrived.time)
    context.signals = signals
    context.keys = {}
    context.taken = NO_NAMES
    if entered is None and user.instances:
        leave(user, event, signals, arrived.time)
    if user.goals:
        reach(user, event, signals, arrived)
    if entered is None:
        if user.instances:
            match_event(user, event, signals, arrived.time)
        catalog, traits = context.catalog, context.traits
        after = traits if context.after is None else context.after
        if len(signals) == 1:  # either an event that changes nothing, or a change alone
            entered = catalog.entered_by(event, after, signals[0])
        else:
            entered = catalog.entered_by_any(event, signals, traits, after)
    enter(user, event, arrived, entered)


def dispatch_emitted(user: UserStep) -> None:
    """Apply the emitted events, and those that these emit, in the order of emission."""
    context = user.context
    if not context.emitted:
        return
    around = context.surroundings()
    while context.emitted:
        emitted = context.emitted.popleft()
        context.enter_emitted(emitted)
        if not emitted.changes:
            context.count(emitted.event, emitted.arrived.time)
        signals = emitted.changes or (emitted.event.name,)
        dispatch(user, emitted.event, emitted.arrived, signals)
    context.return_to(around)
