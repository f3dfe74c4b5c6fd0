"""What an event of one user moves and starts, and after it the events that nodes emitted meanwhile.

Law: an emitted event is applied in the step that emitted it, right after what emitted it, by the
same rules as one from the log; so one journey starts another, and a replay does so again. But it
carries no traits, is no repeat of anything, and fires no timer: those wait for the log.
"""

from __future__ import annotations

from journeys.catalog.running import Entered
from journeys.engine.entries import TellNow, enter
from journeys.engine.exits_and_goals import leave, reach
from journeys.engine.user_step import User
from journeys.records.event import Arrived, Event


def move(
    user: User, event: Event, arrived: Arrived, tell_now: TellNow, entered: Entered | None = None
) -> None:
    """Global exits, goals, waits, then entries.

    Args:
        entered: what `RunningCatalog.entered_by` gives, where nothing but entries can come of it.
    """
    user.facts = event.facts(arrived.time)
    user.keys = {}
    if entered is None and user.instances:
        leave(user, event, arrived.time)
    if user.goals:
        reach(user, event, arrived)
    if entered is None:
        if user.instances:
            user.answer(event, arrived.time)
        entered = user.catalog.entered_by(event, user.traits)
    enter(user, event, arrived, tell_now, entered)


def settle(user: User, tell_now: TellNow) -> None:
    """Apply the emitted events, and those that these emit, in the order emitted."""
    if not user.emitted:
        return
    around = user.facts, user.keys, user.arrived, user.told
    while user.emitted:
        one = user.emitted.popleft()
        user.arrived = one.arrived
        user.told = 0
        user.hop = one.hop
        user.note(one.event, one.arrived.time)
        move(user, one.event, one.arrived, tell_now)
    user.facts, user.keys, user.arrived, user.told = around
    user.hop = user.total = 0
