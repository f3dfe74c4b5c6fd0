"""What all parts of one step share: the input, the user's profile, and the effects recorded so far.

Law: a step owns its context and passes it down. Code that receives a context never calls back up.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from typing import Any

from msgspec.structs import replace

from journeys.catalog.program import Program
from journeys.catalog.running import RunningCatalog
from journeys.expressions.scope import Scope
from journeys.ids import outcome_id_of_emitted, outcome_id_of_input
from journeys.records import event_counts, traits
from journeys.records.action import Action
from journeys.records.effects import Effects
from journeys.records.event import Arrived, Clock, Emitted, Event
from journeys.records.outcome import Cause, OutcomeType, of_input
from journeys.records.user_record import UserRecord
from journeys.time import SECOND, format_time

LATE_GRACE = 10 * SECOND
"""If an event sets a timer that is already due, the timer fires only this long, ms, after the
event's arrival, so that late events of the same upload count first."""

_NO_CAUSE = Cause()

MAX_HOPS = 16
"""Longest chain of emitted events in one step."""

MAX_EMITTED = 1_000
"""Events that one step may emit."""

UPDATE = "update_profile"
"""`event.event` where a node of this type has changed a trait."""

MAX_ACTIONS = 1_000
"""Actions that one step may request."""

MAX_STEP_BYTES = 8 * 1024 * 1024
"""Bytes of the payloads of one step's actions, and of the properties of the events it emits."""


NO_NAMES: frozenset[str] = frozenset()


class UnknownVersion(Exception):
    """A live instance has a version that the catalog lacks: the worker has not read all of it."""


class StepContext:
    """The shared part of one step.

    Attributes:
        arrived: where and when the input came; None in the step of a timer alone.
        cause: of the outcomes of instances that are recorded next.
        event: the event as expressions see it; None in the step of a timer or a response.
        before: the traits before the event changed some of them; None: it has changed none.
        after: the traits right after it, if it changed some that journeys listen to, else None. A
            node may have changed the profile again since.
        signals: what the event is to journeys: its name, and the changes of traits that it made.
        keys: the values of key expressions for the event, by their text.
        taken: the journeys that the event starts no instance of, as a digest has collected it.
        claimed: the instances of which a node has claimed the entry event in this step.
        emitted: events that nodes emitted and that are not applied yet.
        changed: whether any part of the user's record has changed.
    """

    __slots__ = (
        "_actions",
        "_bytes",
        "_emitted_in_all",
        "_reported",
        "after",
        "arrived",
        "before",
        "catalog",
        "cause",
        "changed",
        "claimed",
        "clock",
        "effects",
        "emitted",
        "event",
        "event_counts",
        "hop",
        "keys",
        "signals",
        "taken",
        "traits",
        "user_id",
    )

    def __init__(
        self,
        catalog: RunningCatalog,
        effects: Effects,
        user_id: str,
        record: UserRecord,
        clock: Clock,
        arrived: Arrived | None = None,
    ) -> None:
        self.catalog = catalog
        self.effects = effects
        self.user_id = user_id
        self.clock = clock
        self.arrived = arrived
        self.traits = record.traits
        self.event_counts = record.event_counts
        self.changed = False
        self.cause = _NO_CAUSE
        self.event: dict[str, Any] | None = None
        self.before: dict[str, Any] | None = None
        self.after: dict[str, Any] | None = None
        self.signals: tuple[str, ...] = ()
        self.keys: dict[str, str | None] = {}
        self.taken: frozenset[str] = NO_NAMES
        self.claimed: frozenset[str] = NO_NAMES
        self.emitted: deque[Emitted] = deque()
        self.hop = 0
        self._emitted_in_all = 0
        self._actions = 0
        self._bytes = 0
        self._reported = 0

    # What runs of instances read.

    @property
    def user(self) -> Mapping[str, Any]:
        """`user` of the expressions."""
        return {"id": self.user_id, "traits": self.traits}

    def user_with(self, traits: dict[str, Any]) -> Mapping[str, Any]:
        """The same with other traits."""
        return {"id": self.user_id, "traits": traits}

    def program(self, journey: str, version: str) -> Program:
        """Raises UnknownVersion if the catalog has no such version."""
        program = self.catalog.program(journey, version)
        if program is None:
            raise UnknownVersion(f"{journey}/{version} is not in the catalog")
        return program

    def runs(self, journey: str) -> bool:
        """Whether instances of the journey may move now."""
        return self.catalog.status.get(journey) == "running"

    def entry_scope(self, program: Program, now: int) -> Scope:
        """What the expressions of a journey's entry see of the current event: where it is a change
        that the entry listens to, the profile right after that."""
        before, after = self.before, self.after
        user = self.user
        if after is not None and not program.entry_changes.isdisjoint(self.signals):
            user = self.user_with(after)
        return Scope(
            event=self.event,
            entry=self.event,
            user=user,
            journey=program.facts,
            now=now,
            count=self.event_counts,
            before=self.traits if before is None else before,
            meter=self.effects.meter,
        )

    def lifecycle_seen(self, journey: str) -> int:
        """The time of the newest change of the journey's lifecycle, ms; 0 if there is none."""
        history = self.catalog.lifecycles.get(journey)
        return 0 if history is None else history.changed

    def fire_at(self, due: int) -> int:
        """When a clock may fire a timer that is due at `due`; both ms.

        If an event sets a timer that is already overdue, the timer waits for the rest of an upload,
        even if the event sets it by firing another timer.
        """
        if self.arrived is None or due > self.arrived.arrival:
            return due
        return max(due, self.arrived.arrival + LATE_GRACE)

    # What is recorded.

    def merge_traits(self, new: Mapping[str, Any]) -> list[str]:
        """Merge traits into the profile; returns the names of those that changed."""
        self.traits, changed = traits.merge(self.traits, new)
        self.changed |= bool(changed)
        return changed

    def count(self, event: Event, time: int) -> None:
        """Count the event at its time (ms), if any journey counts it."""
        counted = self.catalog.counted
        if event.name in counted:
            self.event_counts = event_counts.record_event(
                self.event_counts, event.name, time, counted
            )
            self.changed = True

    def request(self, action: Action, size: int) -> bool:
        """Add an action with a payload of `size` bytes; returns False if the step has too many."""
        if self._actions >= MAX_ACTIONS or self._bytes + size > MAX_STEP_BYTES:
            return False
        self._actions += 1
        self._bytes += size
        self.effects.size += size
        self.effects.actions.append(action)
        return True

    def emit(
        self, name: str, properties: dict[str, Any], size: int, message_id: str, now: int
    ) -> str | None:
        """Queue an event to be applied at `now` (ms); returns the reason if it is refused, else
        None.

        Args:
            size: of the properties, bytes of JSON.
        """
        event = Event.emitted(name, self.user_id, message_id, properties)
        return self._queue(event, size, now)

    def announce(
        self,
        changes: tuple[str, ...],
        before: dict[str, Any],
        new: Mapping[str, Any],
        message_id: str,
        now: int,
    ) -> str | None:
        """Queue the changes of traits that a node has just made, at `now` (ms), as `emit` does
        events.

        Args:
            changes: their signals.
            before: all traits before.
            new: what the node has set.
        """
        event = Event.emitted(UPDATE, self.user_id, message_id, {}, dict(new))
        return self._queue(event, 0, now, changes, before, self.traits)

    def _queue(
        self,
        event: Event,
        size: int,
        now: int,
        changes: tuple[str, ...] = (),
        before: dict[str, Any] | None = None,
        after: dict[str, Any] | None = None,
    ) -> str | None:
        if self.hop >= MAX_HOPS:
            return "loop"
        if self._emitted_in_all >= MAX_EMITTED or self._bytes + size > MAX_STEP_BYTES:
            return "too_many"
        self._emitted_in_all += 1
        self._bytes += size
        here = self.arrived
        if here is None or self.event is None:  # a timer's step: nothing arrived late
            latest = self.clock.partition_time
            if here is None:
                here = Arrived("", 0, 0, now, now, latest, False)
            else:
                here = replace(here, time=now, arrival=now, partition_time=latest, wall=False)
        arrived = replace(here, time=now, emitted=event.message_id)
        self.emitted.append(Emitted(event, arrived, self.hop + 1, changes, before, after))
        return None

    def report(
        self,
        type: OutcomeType,
        arrived: Arrived,
        program: Program | None = None,
        key: str | None = None,
        **detail: Any,
    ) -> None:
        """Record an outcome of the input itself, apart from any instance."""
        number, self._reported = self._reported, self._reported + 1
        place = (arrived.topic, arrived.partition, arrived.offset)
        if arrived.emitted is None:
            id, cause = outcome_id_of_input(*place, type, number), Cause(*place)
        else:
            id, cause = outcome_id_of_emitted(arrived.emitted, type, number), self.cause
        self.effects.outcomes.append(
            of_input(
                id,
                type,
                format_time(arrived.time),
                self.user_id,
                cause,
                detail,
                journey=None if program is None else program.name,
                version=None if program is None else program.version,
                key=key,
            )
        )

    # Emitted events and timers replace the input for a while.

    def enter_emitted(self, emitted: Emitted) -> None:
        """Make an emitted event the input of the step."""
        self.arrived = emitted.arrived
        self.hop = emitted.hop
        self.before = emitted.before
        self.after = emitted.after
        self._reported = 0

    def surroundings(self) -> Surroundings:
        """The input and what expressions see of it, for `return_to`."""
        return self.event, self.keys, self.arrived, self._reported, self.before, self.after

    def return_to(self, surroundings: Surroundings) -> None:
        """Restore the input that led to the emitted events, which have all been applied."""
        self.event, self.keys, self.arrived, self._reported, self.before, self.after = surroundings
        self.emitted.clear()
        self.hop = self._emitted_in_all = 0


Surroundings = tuple[
    dict[str, Any] | None,
    dict[str, str | None],
    Arrived | None,
    int,
    dict[str, Any] | None,
    dict[str, Any] | None,
]
