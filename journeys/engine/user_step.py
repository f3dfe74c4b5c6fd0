"""The user while a step lasts: the record's parts, replaced as instances move.

Law: what a run did is written back as a whole, and a timer that raises takes only its own instance
with it.
"""

from __future__ import annotations

import traceback
from collections import deque
from collections.abc import Callable, Mapping
from typing import Any

from msgspec.structs import replace

from journeys.catalog.program import Program
from journeys.catalog.running import RunningCatalog
from journeys.engine.instance_run import Run
from journeys.ids import action_id, outcome_id_of_emitted, outcome_id_of_input
from journeys.nodes.base import Go
from journeys.records import traits as profile
from journeys.records.effects import Effects
from journeys.records.event import Arrived, Clock, Emitted, Event
from journeys.records.event_counts import record_event
from journeys.records.outcome import Cause, Outcome
from journeys.records.response import Response
from journeys.records.user_record import (
    MAX_RECORD,
    Goal,
    Held,
    Instance,
    UserRecord,
    deadline_of,
    encode,
    packed_size,
)
from journeys.time import MINUTE, SECOND, format_time

LATE_GRACE = 10 * SECOND
"""How long after its arrival an event that sets an overdue timer can still be answered, ms."""

LATE = MINUTE
"""A timer that fires this much after it was due does so at the time of firing, ms, under wall."""


MAX_HOPS = 16
"""Emitted events that may lead from one to the next in one step."""

_FRAME = 64
"""Bytes of a record that none of its parts has, about twice over."""

MAX_EMITTED = 1_000
"""Events that one step may emit."""


class RecordTooLarge(Exception):
    """The record would have more than MAX_RECORD bytes, or holds what no record can."""


class UnknownVersion(Exception):
    """A live instance is of a version that the catalog lacks: the worker has read too little."""


FATAL = (MemoryError, OSError, UnknownVersion)
"""What no input and no document can cause; it ends the process."""


class User:
    """The user while the step lasts: the record's parts, replaced as it goes on."""

    __slots__ = (
        "arrived",
        "before",
        "catalog",
        "cause",
        "changed",
        "clock",
        "effects",
        "emitted",
        "event_counts",
        "facts",
        "goals",
        "hop",
        "instances",
        "keys",
        "past",
        "settle",
        "told",
        "total",
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
        settle: Callable[[User], None],
    ) -> None:
        """`settle` applies what nodes emitted; called after each timer, whose own step that is."""
        self.catalog = catalog
        self.effects = effects
        self.user_id = user_id
        self.before = record
        self.traits = record.traits
        self.instances: list[Instance] = list(record.instances)
        self.past = record.past
        self.event_counts = record.event_counts
        self.goals: tuple[Goal, ...] = record.goals
        self.changed = False
        self.cause = Cause()
        self.facts: dict[str, Any] | None = None
        self.keys: dict[str, str | None] = {}
        self.arrived: Arrived | None = None
        self.told = 0
        self.clock = clock
        self.settle = settle
        self.emitted: deque[Emitted] = deque()
        self.hop = 0
        self.total = 0

    @property
    def user(self) -> Mapping[str, Any]:
        return {"id": self.user_id, "traits": self.traits}

    def fire_at(self, due: int) -> int:
        """An event that sets a timer that is due already leaves time for the rest of an upload.

        That is so too where it sets the timer by firing another one.
        """
        if self.arrived is None or due > self.arrived.arrival:
            return due
        return max(due, self.arrived.arrival + LATE_GRACE)

    def record(self, memory: bytes) -> UserRecord:
        """What is kept of the user. Raises RecordTooLarge for what no record can hold."""
        instances = tuple(self.instances)
        return UserRecord(
            self.traits,
            memory,
            instances,
            self.past,
            self.event_counts,
            self.goals,
            deadline_of(instances),
            self._size(),
        )

    def _size(self) -> int:
        """At most so many bytes the record has: what it had, and all that is new in it."""
        before = self.before
        known = set(map(id, before.instances))
        new: list[Any] = [one for one in self.instances if id(one) not in known]
        if self.traits is not before.traits:
            new.append(self.traits)
        if self.past is not before.past:
            new.append(self.past)
        if self.event_counts is not before.event_counts:
            new.append(self.event_counts)
        if self.goals is not before.goals:
            new.append(self.goals)
        try:
            return before.size + packed_size(new)
        except OverflowError:
            raise RecordTooLarge("a number in it needs more than 64 bits") from None

    # Instances.

    def write(self, old: Instance, run: Run) -> None:
        """Write a run back over the instance that it was."""
        self.changed = True
        at = self.instances.index(old)
        if run.ended:
            del self.instances[at]
            self.over(run)
        else:
            self.instances[at] = run.instance()

    def over(self, run: Run) -> None:
        """The run has ended its instance, and with it a goal that has no window of its own."""
        self.past = {**self.past, run.program.name: run.now}
        if any(goal.until is None and goal.instance == run.id for goal in self.goals):
            self.goals = tuple(
                goal for goal in self.goals if goal.until is not None or goal.instance != run.id
            )

    def program(self, instance: Instance) -> Program:
        return self.version(instance.journey, instance.version)

    def version(self, journey: str, version: str) -> Program:
        program = self.catalog.program(journey, version)
        if program is None:
            raise UnknownVersion(f"{journey}/{version} is not in the catalog")
        return program

    def runs(self, instance: Instance) -> bool:
        """Whether the instance may move now."""
        return self.catalog.status.get(instance.journey) == "running"

    def lifecycle_seen(self, journey: str) -> int:
        life = self.catalog.lifecycles.get(journey)
        return 0 if life is None else life.changed

    def put(self, old: Instance, new: Instance) -> None:
        self.changed = True
        self.instances[self.instances.index(old)] = new

    def end(self, instance: Instance, now: int, reason: str, **detail: Any) -> None:
        program = self.program(instance)
        run = Run.resume(self, program, instance, now)
        run.end(reason, **detail)
        self.write(instance, run)

    # Timers.

    def fire(self, instance: Instance, now: int) -> None:
        """The instance's timer; one that raises ends the instance."""
        program = self.program(instance)
        before = (
            self.effects.mark(),
            list(self.instances),
            self.past,
            self.traits,
            self.event_counts,
        )
        goals = self.goals
        around = self.facts, self.keys, self.arrived, self.told
        run = Run.resume(self, program, instance, now, "timer")
        held = instance.held or Held()
        run.mute = held.mute
        try:
            if held.decided:
                self.facts, self.keys = held.event, {}
                run.follow(Go(held.to), left=True)
                self.facts, self.keys = around[:2]
            else:
                run.follow(program.nodes[instance.node].on_timer(run))
            self.write(instance, run)
            self.settle(self)
            check_size(self.record(b""))
        except FATAL:
            raise
        except Exception as error:  # noqa: BLE001 - a timer that raises must not stop the others
            mark, self.instances, self.past, self.traits, self.event_counts = before
            self.goals = goals
            self.facts, self.keys, self.arrived, self.told = around
            self.emitted.clear()
            self.hop = self.total = 0
            self.effects.roll_back(mark)
            self.end(instance, now, "error", error=_brief(error))

    # Events.

    def merge(self, traits: Mapping[str, Any]) -> list[str]:
        """Lay traits over the profile; the names of those that changed."""
        self.traits, changed = profile.merge(self.traits, traits)
        self.changed |= bool(changed)
        return changed

    def note(self, event: Event, time: int) -> None:
        """Count the event, if journeys do."""
        if event.name in self.catalog.counted:
            self.event_counts = record_event(
                self.event_counts, event.name, time, self.catalog.counted
            )
            self.changed = True

    def answer(self, event: Event, now: int) -> None:
        """Every live instance that awaits this event, oldest first, may move."""
        places = self.catalog.awaited.get(event.name)
        if not places:
            return
        for instance in tuple(self.instances):
            due = instance.wait.due
            if instance.held is not None or (due is not None and due <= now):
                continue  # its timer wins, though an emitted event comes before it
            if (instance.journey, instance.version, instance.node) not in places:
                continue
            program = self.program(instance)
            node, key = program.nodes[instance.node], program.key
            if (
                key is not None
                and node.keyed
                and self.keys.get(key.text, instance.key) != instance.key
            ):
                continue  # as most of a user's instances are, it is another key's
            run = Run.resume(self, program, instance, now, event.message_id)
            self.move(instance, run, node.on_event(run))

    def answered(self, response: Response, now: int) -> bool:
        """The instance that waits for this response moves; False where none does any more."""
        for instance in self.instances:
            if instance.id == response.instance:
                visit = action_id(instance.id, instance.node, instance.visit)
                due = instance.wait.due
                over = instance.held is not None or (due is not None and due <= now)
                if over or visit != response.action_id:
                    return False
                program = self.program(instance)
                run = Run.resume(self, program, instance, now, "response")
                self.move(instance, run, program.nodes[instance.node].on_response(run, response))
                return True
        return False

    def move(self, instance: Instance, run: Run, verdict: Go | None) -> None:
        """Let the instance go where its node says, at once or when its journey runs again."""
        if verdict is None:
            return
        if self.runs(instance):
            run.follow(verdict)
        else:
            run.hold(verdict)
        self.write(instance, run)

    def emit(self, name: str, properties: dict[str, Any], message_id: str, now: int) -> str | None:
        """Take an event to be applied next; why not, where it is refused."""
        if self.hop >= MAX_HOPS:
            return "loop"
        if self.total >= MAX_EMITTED:
            return "too_many"
        self.total += 1
        here = self.arrived
        if here is None or self.facts is None:  # a timer's step: nothing arrived late
            latest = self.clock.partition_time
            if here is None:
                here = Arrived("", 0, 0, now, now, latest, False)
            else:
                here = replace(here, time=now, arrival=now, partition_time=latest, wall=False)
        event = Event.emitted(name, self.user_id, message_id, properties)
        arrived = replace(here, time=now, emitted=message_id)
        self.emitted.append(Emitted(event, arrived, self.hop + 1))
        return None

    # Outcomes apart from any instance.

    def report(
        self,
        outcome: str,
        arrived: Arrived,
        program: Program | None = None,
        key: str | None = None,
        **detail: Any,
    ) -> None:
        place = (arrived.topic, arrived.partition, arrived.offset)
        if arrived.emitted is None:
            id, cause = outcome_id_of_input(*place, outcome, self.told), Cause(*place)
        else:
            id, cause = outcome_id_of_emitted(arrived.emitted, outcome, self.told), self.cause
        self.effects.outcomes.append(
            Outcome(
                id,
                outcome,
                format_time(arrived.time),
                self.user_id,
                program.name if program is not None else None,
                program.version if program is not None else None,
                None,
                key,
                None,
                cause,
                detail,
            )
        )
        self.told += 1


def due_of(instance: Instance) -> int:
    """The deadline of an instance that has one, ms."""
    due = instance.wait.due
    assert due is not None, "only waits with a deadline are asked for it"
    return due


def check_size(record: UserRecord) -> UserRecord:
    """The record; raises RecordTooLarge when it is too large to be kept.

    Only one that may be is packed to see what it comes to: that takes long where there is much.
    """
    if record.size + len(record.message_ids) + _FRAME <= MAX_RECORD:
        return record
    size = len(encode(record))
    if size > MAX_RECORD:
        raise RecordTooLarge(f"found {size} bytes, expected at most {MAX_RECORD}")
    return replace(record, size=size)


def _brief(error: Exception) -> str:
    return "".join(traceback.format_exception_only(error)).strip()[:500]
