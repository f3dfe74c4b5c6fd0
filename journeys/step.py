"""One step for one user: what one event, or one timer, does to the user's record.

Law: pure and atomic. The same record, input, catalog and times give the same record and effects,
and a step that can't be kept leaves nothing behind but word of it.
"""

from __future__ import annotations

import traceback
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from journeys import seen
from journeys.effects import Cause, Effects, Outcome
from journeys.events import Event
from journeys.expressions import ExpressionFailed, Scope, compile_cel, condition
from journeys.ids import instance_id, message_hash, outcome_id_of_input
from journeys.nodes.base import Go
from journeys.program import Program, RunningCatalog
from journeys.run import Run, as_text
from journeys.state import EMPTY, MAX_INSTANCES, MAX_RECORD, Instance, UserRecord, Wait, encode
from journeys.time import MINUTE, SECOND, format_time

LATE_GRACE = 10 * SECOND
"""How long after its arrival an event that sets an overdue timer can still be answered, ms."""

LATE = MINUTE
"""A timer that fires this much after it was due does so at the time of firing, ms, under wall."""


class Arrived(NamedTuple):
    """Where and when an event came.

    Attributes:
        time: the event time, ms.
        arrival: ms; the partition time where nothing says when it arrived.
        partition_time: the largest event time seen on the partition, this event's included, ms.
        wall: whether timers follow the wall clock.
    """

    topic: str
    partition: int
    offset: int
    time: int
    arrival: int
    partition_time: int
    wall: bool


TellNow = Callable[[str, str, int], bool]
"""Whether a failing entry condition of (journey, version) is to be told at that partition time."""


class RecordTooLarge(Exception):
    """The record would have more than MAX_RECORD bytes, or holds what no record can."""


class UnknownVersion(Exception):
    """A live instance is of a version that the catalog lacks: the worker has read too little."""


FATAL = (MemoryError, OSError, UnknownVersion)
"""What no input and no document can cause; it ends the process."""


class _User:
    """The user while the step lasts: the record's parts, replaced as it goes on."""

    def __init__(
        self, catalog: RunningCatalog, effects: Effects, user_id: str, record: UserRecord
    ) -> None:
        self.catalog = catalog
        self.effects = effects
        self.user_id = user_id
        self.traits = record.traits
        self.instances: list[Instance] = list(record.instances)
        self.past = record.past
        self.changed = False
        self.cause = Cause()
        self.facts: dict[str, Any] | None = None
        self.keys: dict[str, str | None] = {}
        self.arrived: Arrived | None = None
        self.told = 0

    @property
    def user(self) -> Mapping[str, Any]:
        return {"id": self.user_id, "traits": self.traits}

    def fire_at(self, due: int) -> int:
        """An event that sets a timer that is due already leaves time for the rest of an upload."""
        if self.facts is None or self.arrived is None or due > self.arrived.arrival:
            return due
        return max(due, self.arrived.arrival + LATE_GRACE)

    def record(self, memory: bytes) -> UserRecord:
        return UserRecord(self.traits, memory, tuple(self.instances), self.past)

    # Instances.

    def replace(self, old: Instance, run: Run) -> None:
        """Write a run back over the instance that it was."""
        self.changed = True
        at = self.instances.index(old)
        if run.ended:
            del self.instances[at]
            self.past = {**self.past, run.program.name: run.now}
        else:
            self.instances[at] = run.instance()

    def program(self, instance: Instance) -> Program:
        program = self.catalog.program(instance.journey, instance.version)
        if program is None:
            raise UnknownVersion(f"{instance.journey}/{instance.version} is not in the catalog")
        return program

    def runs(self, instance: Instance) -> bool:
        """Whether the instance may move now."""
        return self.catalog.status.get(instance.journey) == "running"

    def end_archived(self, now: int) -> None:
        """Instances of archived journeys end when their user is touched."""
        for instance in tuple(self.instances):
            if self.catalog.status.get(instance.journey) == "archived":
                self.end(instance, now, "archived")

    def end(self, instance: Instance, now: int, reason: str, **detail: Any) -> None:
        program = self.program(instance)
        run = Run.resume(self, program, instance, now)
        run.end(reason, **detail)
        self.replace(instance, run)

    # Timers.

    def fire(self, instance: Instance, now: int) -> None:
        """The instance's timer; one that raises ends the instance."""
        program = self.program(instance)
        before = self.effects.mark(), list(self.instances), self.past
        run = Run.resume(self, program, instance, now)
        try:
            run.follow(program.nodes[instance.node].on_timer(run))
            self.replace(instance, run)
            _check_size(self.record(b""))
        except FATAL:
            raise
        except Exception as error:  # noqa: BLE001 - a timer that raises must not stop the others
            mark, self.instances, self.past = before
            self.effects.roll_back(mark)
            self.end(instance, now, "error", error=_brief(error))

    def fire_due(self, arrived: Arrived) -> None:
        """Fire what is due at or before the event, earliest first, ties: the older instance."""
        while True:
            first: Instance | None = None
            for instance in self.instances:
                due = instance.wait.due
                if (
                    due is not None
                    and due <= arrived.time
                    and (first is None or due < _due(first))
                    and self.runs(instance)
                ):
                    first = instance
            if first is None:
                return
            due = _due(first)
            late = arrived.wall and arrived.time - due > LATE
            now = arrived.time if late else due
            self.cause = Cause(
                arrived.topic,
                arrived.partition,
                arrived.offset,
                format_time(due),
                format_time(now) if late else None,
            )
            self.fire(first, now)

    # Events.

    def merge(self, traits: Mapping[str, Any]) -> None:
        """Traits merge shallowly; null removes."""
        merged = {**self.traits, **traits}
        self.traits = {name: value for name, value in merged.items() if value is not None}
        self.changed = True

    def answer(self, event: Event, now: int) -> None:
        """Every live instance that awaits this event, oldest first, may move."""
        places = self.catalog.awaited.get(event.name)
        if not places:
            return
        for instance in tuple(self.instances):
            place = (instance.journey, instance.version, instance.node)
            if place not in places or not self.runs(instance):
                continue
            program = self.program(instance)
            run = Run.resume(self, program, instance, now, event.message_id)
            verdict = program.nodes[instance.node].on_event(run)
            if verdict is not None:
                run.follow(verdict)
                self.replace(instance, run)

    def enter(self, event: Event, arrived: Arrived, tell_now: TellNow) -> None:
        """The journeys that the event enters, by name."""
        for program in self.catalog.entries.get(event.name, ()):
            entry = program.journey.entry
            scope = Scope(
                event=self.facts,
                entry=self.facts,
                user=self.user,
                journey={"name": program.name, "version": program.version},
                now=arrived.time,
            )
            if not self._wanted(program, event, scope, arrived, tell_now):
                continue
            lateness = arrived.arrival - arrived.time
            if entry.max_lateness is not None and lateness > entry.max_lateness:
                self.reject(program, None, arrived, "too_late", late_ms=lateness)
                continue
            key = None
            if entry.key is not None:
                try:
                    key = as_text(compile_cel(entry.key).evaluate(scope))
                    error = f"{entry.key}: neither text, an integer, true nor false"
                except ExpressionFailed as failed:
                    error = str(failed)
                if key is None:
                    self.reject(program, None, arrived, "no_key", error=error)
                    continue
            refusal = self._refusal(program, key, arrived.time)
            if refusal is not None:
                self.reject(program, key, arrived, refusal)
                continue
            self._start(program, key, event, arrived)

    def _wanted(
        self,
        program: Program,
        event: Event,
        scope: Scope,
        arrived: Arrived,
        tell_now: TellNow,
    ) -> bool:
        """Whether an alternative of the entry's event holds, and its `where`."""
        everyone = program.journey.entry.where
        try:
            if everyone is not None and not condition(everyone, scope):
                return False
        except ExpressionFailed as error:
            self._entry_failed(program, error, arrived, tell_now)
            return False
        for where in program.entry_events[event.name]:
            try:
                if where is None or condition(where, scope):
                    return True
            except ExpressionFailed as error:
                self._entry_failed(program, error, arrived, tell_now)
        return False

    def _entry_failed(
        self, program: Program, error: ExpressionFailed, arrived: Arrived, tell_now: TellNow
    ) -> None:
        self.effects.counts["entry.failed"] += 1
        if tell_now(program.name, program.version, arrived.partition_time):
            self.tell("expression.failed", arrived, program, error=str(error))

    def _refusal(self, program: Program, key: str | None, now: int) -> str | None:
        """Why the journey doesn't take the user in, or None."""
        entry, name = program.journey.entry, program.name
        if entry.reentry == "once" and name in self.past:
            return "once"
        if entry.reentry == "after_exit" and name in self.past:
            if any(live.journey == name for live in self.instances):
                return "already_in"
            if entry.min_gap is not None and now - self.past[name] < entry.min_gap:
                return "min_gap"
        if key is not None and any(
            live.key == key and live.journey == name for live in self.instances
        ):
            return "already_in"
        return "too_many" if len(self.instances) >= MAX_INSTANCES else None

    def _start(self, program: Program, key: str | None, event: Event, arrived: Arrived) -> None:
        run = Run(
            self,
            program,
            arrived.time,
            id=instance_id(program.name, self.user_id, key, event.message_id),
            key=key,
            started=arrived.time,
            entry=self.facts or {},
        )
        run.tell("journey.entered", event=event.name, message_id=event.message_id)
        self.changed = True
        self.past = {**self.past, program.name: self.past.get(program.name, 0)}
        run.follow(Go(program.first))
        if run.ended:
            self.past = {**self.past, program.name: run.now}
        else:
            self.instances.append(run.instance())

    # Outcomes apart from any instance.

    def reject(
        self, program: Program, key: str | None, arrived: Arrived, reason: str, **detail: Any
    ) -> None:
        self.tell("journey.rejected", arrived, program, key, reason=reason, **detail)

    def tell(
        self,
        outcome: str,
        arrived: Arrived,
        program: Program | None = None,
        key: str | None = None,
        **detail: Any,
    ) -> None:
        place = (arrived.topic, arrived.partition, arrived.offset)
        self.effects.outcomes.append(
            Outcome(
                outcome_id_of_input(*place, outcome, self.told),
                outcome,
                format_time(arrived.time),
                self.user_id,
                program.name if program is not None else None,
                program.version if program is not None else None,
                None,
                key,
                None,
                Cause(*place),
                detail,
            )
        )
        self.told += 1


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
    if seen.holds(record.seen, message):
        effects.counts["event.repeated"] += 1
        return record
    memory = seen.remember(record.seen, message, arrived.partition_time)
    traits = event.wire.traits
    if not traits and not record.instances and event.name not in catalog.entries:
        return UserRecord(record.traits, memory, record.instances, record.past)
    mark = effects.mark()
    step = _User(catalog, effects, event.user_id, record)
    step.arrived = arrived
    try:
        if step.instances:
            if not catalog.settled:
                step.cause = Cause(arrived.topic, arrived.partition, arrived.offset)
                step.end_archived(arrived.time)
            step.fire_due(arrived)
        if traits:
            step.merge(traits)
        if not event.backfill and (step.instances or event.name in catalog.entries):
            step.cause = Cause(arrived.topic, arrived.partition, arrived.offset)
            step.facts = event.facts(arrived.time)
            if step.instances:
                step.answer(event, arrived.time)
            step.enter(event, arrived, tell_now)
        kept = step.record(memory)
        if step.changed:
            _check_size(kept)
    except RecordTooLarge as error:
        effects.roll_back(mark)
        step.tell("event.rejected", arrived, reason="record_too_large", error=str(error))
        return UserRecord(record.traits, memory, record.instances, record.past)
    except BaseException:
        effects.roll_back(mark)
        raise
    return kept


def fire_timer(
    catalog: RunningCatalog,
    effects: Effects,
    user_id: str,
    record: UserRecord,
    until: int,
    now: int | None,
) -> UserRecord:
    """Fire the user's earliest timer that a clock may fire at or before `until`, ms.

    Args:
        now: the wall clock, ms; None under the stream clock, whose timers are never late.
    """
    ready = [
        instance
        for instance in record.instances
        if instance.wait.fire_at is not None and instance.wait.fire_at <= until
    ]
    if not ready:
        return record
    instance = min(ready, key=lambda one: (one.wait.fire_at, one.wait.due))
    due = _due(instance)
    late = now is not None and now - due > LATE
    logical = now if now is not None and late else due
    step = _User(catalog, effects, user_id, record)
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


def _due(instance: Instance) -> int:
    due = instance.wait.due
    assert due is not None, "only waits with a deadline are asked for it"
    return due


def _check_size(record: UserRecord) -> None:
    try:
        size = len(encode(record))
    except OverflowError:
        raise RecordTooLarge("a number in it needs more than 64 bits") from None
    if size > MAX_RECORD:
        raise RecordTooLarge(f"found {size} bytes, expected at most {MAX_RECORD}")


def _brief(error: Exception) -> str:
    return "".join(traceback.format_exception_only(error)).strip()[:500]
