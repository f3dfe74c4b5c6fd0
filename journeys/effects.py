"""What a step brings about: actions, outcomes, dead letters and reroutes, as plain records.

Law: effects are values; nothing here sends anything. Field order is that of the published records.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import msgspec
from msgspec import UNSET, UnsetType

MAX_PAYLOAD = 256 * 1024
"""Bytes of JSON that the payload of one action may have."""

OUTCOME_TYPES = frozenset(
    """
    journey.entered journey.rejected journey.exited node.reached goal.reached
    wait.started wait.matched wait.timed_out criteria.matched experiment.assigned expression.failed
    action.requested action.skipped action.delivered action.failed
    profile.changed audience.entered audience.exited
    event.emitted event.rejected event.rerouted config.accepted config.rejected
    """.split()
)
"""What an outcome's `type` can be, so that a misspelt one is seen where an author writes it."""


class Cause(msgspec.Struct, frozen=True, gc=False, omit_defaults=True):
    """Why an outcome is there: the input, the timer, or both where an input fired the timer.

    `timer` is the time the timer was due; `fired` is there when it fired more than a minute late
    and says when, which is then the logical time of the step.
    """

    topic: str | None = None
    partition: int | None = None
    offset: int | None = None
    timer: str | None = None
    fired: str | None = None


class TriggerCall(msgspec.Struct, frozen=True, omit_defaults=True):
    """What makes an action a request whose response the user waits for.

    Attributes:
        within: no attempt starts later than this after the action was written, ms.
        response: which part of the response each label is, such as `payload.score`.
        method: of the request, where it is not the destination's own.
        path: what comes behind the destination's URL, percent-encoded.
    """

    within: int
    response: dict[str, str] = {}
    method: str | None = None
    path: str | None = None


class Action(msgspec.Struct, frozen=True, gc=False):
    """One message to a destination."""

    action_id: str
    at: str
    destination: str
    action: str | None
    event_name: str | None
    send_key: str
    user_id: str
    journey: str
    version: str
    instance: str
    key: str | None
    node: str
    payload: Any
    trigger: TriggerCall | UnsetType = UNSET


class Outcome(msgspec.Struct, frozen=True, gc=False):
    """One thing that happened, for whoever wants to know."""

    outcome_id: str
    type: str
    at: str
    user_id: str | None
    journey: str | None
    version: str | None
    instance: str | None
    key: str | None
    node: str | None
    cause: Cause
    detail: dict[str, Any] | None


class DeadLetter(msgspec.Struct, frozen=True, omit_defaults=True):
    """An input that could not be applied, whole, so that it can be put back."""

    dead_id: str
    at: str
    role: str
    reason: str
    detail: str
    cause: Cause
    key: str | None
    value: str
    key_encoding: str | None = None
    value_encoding: str | None = None
    headers: dict[str, str] | None = None


class Reroute(NamedTuple):
    """An event that belongs to another partition, on its way there."""

    key: bytes
    value: bytes
    headers: list[tuple[str, bytes]]


class Mark(msgspec.Struct, frozen=True):
    """How far the effects had come."""

    actions: int
    outcomes: int


@dataclass(slots=True)
class Effects:
    """The effects of a run of steps, each list in order.

    An outcome without a user is keyed by its input. `counts` are of what is not told one by one.
    """

    actions: list[Action] = field(default_factory=list)
    outcomes: list[Outcome] = field(default_factory=list)
    dead: list[DeadLetter] = field(default_factory=list)
    reroutes: list[Reroute] = field(default_factory=list)
    counts: Counter[str] = field(default_factory=Counter)

    def __len__(self) -> int:
        return len(self.actions) + len(self.outcomes) + len(self.dead) + len(self.reroutes)

    def mark(self) -> Mark:
        """Where to roll back to, should the step that comes now be refused."""
        return Mark(len(self.actions), len(self.outcomes))

    def roll_back(self, to: Mark) -> None:
        """Forget the actions and outcomes since `to`."""
        del self.actions[to.actions :]
        del self.outcomes[to.outcomes :]


def key_of(outcome: Outcome) -> bytes:
    """The Kafka key of an outcome: its user, or its input where no user is known."""
    if outcome.user_id is not None:
        return outcome.user_id.encode()
    cause = outcome.cause
    return f"{cause.topic}-{cause.partition}-{cause.offset}".encode()
