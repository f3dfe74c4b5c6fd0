"""The user's record during a step: instances, goals and past journeys, replaced as they change.

Law: a record that can't be stored is never built; what a run returns is written back as a whole.
"""

from __future__ import annotations

from typing import Any

from msgspec.structs import replace

from journeys.engine.instance_run import InstanceRun
from journeys.engine.step_context import StepContext
from journeys.records.user_record import (
    CLAIMED,
    MAX_RECORD,
    Goal,
    Instance,
    UserRecord,
    deadline_of,
    encode,
    packed_size,
)

_FRAME = 64
"""About twice the bytes of a record that belong to none of its parts."""


class RecordTooLarge(Exception):
    """The record would have more than MAX_RECORD bytes, or hold a value that no record can hold."""


class NumberTooLarge(RecordTooLarge):
    """The record would hold an integer of more than 64 bits."""


Saved = tuple[
    list[Instance],
    dict[str, int],
    tuple[Goal, ...],
    dict[str, Any],
    dict[str, bytes],
    frozenset[str],
]


class UserStep:
    """The parts of one user's record, under the step's context.

    Attributes:
        instances: the live ones, oldest first.
        past: per journey that the user ever entered, when an instance last ended (ms; 0: never).
        goals: those not yet reached, oldest first.
    """

    __slots__ = ("before", "context", "goals", "instances", "past")

    def __init__(self, context: StepContext, record: UserRecord) -> None:
        self.context = context
        self.before = record
        self.instances: list[Instance] = list(record.instances)
        self.past = record.past
        self.goals: tuple[Goal, ...] = record.goals

    # Instances.

    def resume(self, instance: Instance, now: int, token: str = "") -> InstanceRun:
        """A run of a live instance, about to move at `now` (ms).

        Args:
            token: tells the steps of one visit apart in the ids of their outcomes: the messageId
                of an event, `timer` or `response`.
        """
        program = self.context.program(instance.journey, instance.version)
        return InstanceRun.resume(self.context, program, instance, now, token)

    def add(self, run: InstanceRun, instance: Instance | None) -> None:
        """Add a new instance after its first run; None: it has already ended."""
        if instance is None:
            self._ended(run)
        else:
            self.instances.append(instance)

    def write(self, old: Instance, run: InstanceRun, new: Instance | None) -> None:
        """Replace an instance by what its run returned; None: it has ended."""
        self.context.changed = True
        at = self.instances.index(old)
        if new is None:
            del self.instances[at]
            self._ended(run)
        else:
            self.instances[at] = new

    def put(self, old: Instance, new: Instance) -> None:
        """Replace an instance that is not running."""
        self.context.changed = True
        self.instances[self.instances.index(old)] = new

    def is_live(self, instance: Instance) -> bool:
        """Whether the instance has neither moved nor ended."""
        return any(one is instance for one in self.instances)

    def _ended(self, run: InstanceRun) -> None:
        """Record the end of an instance; its goal ends too if it has no window and no branch of the
        instance is left."""
        branch = run.branch
        id = run.id if branch is None else branch.parent
        if branch is None:
            self.past = {**self.past, run.program.name: run.now}
        if any(goal.until is None and goal.instance == id for goal in self.goals) and not any(
            one.id == id or (one.branch is not None and one.branch.parent == id)
            for one in self.instances
        ):
            self.goals = tuple(
                goal for goal in self.goals if goal.until is not None or goal.instance != id
            )

    # The record.

    def save(self) -> Saved:
        """Everything that a timer's step may change, for `restore`."""
        context = self.context
        return (
            list(self.instances),
            self.past,
            self.goals,
            context.traits,
            context.event_counts,
            context.claimed,
        )

    def restore(self, saved: Saved) -> None:
        """Restore what `save` returned."""
        context = self.context
        self.instances, self.past, self.goals = saved[:3]
        context.traits, context.event_counts, context.claimed = saved[3:]

    def record(self, message_ids: bytes) -> UserRecord:
        """The user's new record.

        Raises:
            RecordTooLarge: it holds a value that no record can hold.
        """
        context = self.context
        if context.claimed:
            self._mark_claimed(context.claimed)
        instances = tuple(self.instances)
        return UserRecord(
            context.traits,
            message_ids,
            instances,
            self.past,
            context.event_counts,
            self.goals,
            deadline_of(instances),
            self._size(),
        )

    def _mark_claimed(self, claimed: frozenset[str]) -> None:
        """Mark the instances whose entry event was claimed in this step, and their branches."""
        for at, one in enumerate(self.instances):
            entered = one.id if one.branch is None else one.branch.parent
            if entered in claimed and CLAIMED not in one.context:
                self.instances[at] = replace(one, context={**one.context, CLAIMED: True})

    def _size(self) -> int:
        """An upper bound of the record's bytes: the old size plus that of all new parts."""
        before, context = self.before, self.context
        new: list[Any] = list(self.instances)
        if before.instances:
            known = set(map(id, before.instances))
            new = [instance for instance in new if id(instance) not in known]
        if context.traits is not before.traits:
            new.append(context.traits)
        if self.past is not before.past:
            new.append(self.past)
        if context.event_counts is not before.event_counts:
            new.append(context.event_counts)
        if self.goals is not before.goals:
            new.append(self.goals)
        try:
            return before.size + packed_size(new)
        except OverflowError:
            raise NumberTooLarge("a number in it needs more than 64 bits") from None


def check_size(record: UserRecord) -> UserRecord:
    """The record, with its exact size if the bound is over the limit.

    Only a record that may be too large is packed to find its size, as packing a large record is
    slow.

    Raises:
        RecordTooLarge: it has more than MAX_RECORD bytes.
    """
    if record.size + len(record.message_ids) + _FRAME <= MAX_RECORD:
        return record
    size = len(encode(record))
    if size > MAX_RECORD:
        raise RecordTooLarge(f"found {size} bytes, expected at most {MAX_RECORD}")
    return replace(record, size=size)
