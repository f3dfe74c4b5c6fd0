"""Outcomes: the records in which the engine reports what happened, to which user, and why.

Law: the order of the fields is that of the published records.
"""

from __future__ import annotations

from typing import Any, Literal, get_args

import msgspec

OutcomeType = Literal[
    "journey.entered",
    "journey.rejected",
    "journey.exited",
    "node.reached",
    "goal.reached",
    "branch.started",
    "branch.ended",
    "branches.joined",
    "wait.started",
    "wait.rescheduled",
    "wait.matched",
    "wait.timed_out",
    "digest.collected",
    "digest.overflowed",
    "digest.closed",
    "criteria.matched",
    "experiment.assigned",
    "expression.failed",
    "action.requested",
    "action.skipped",
    "action.delivered",
    "action.failed",
    "profile.changed",
    "audience.entered",
    "audience.exited",
    "event.emitted",
    "event.altered",
    "event.rejected",
    "event.rerouted",
    "config.accepted",
    "config.rejected",
]
"""What an outcome's `type` can be."""

OUTCOME_TYPES: frozenset[str] = frozenset(get_args(OutcomeType))

DETAILS: dict[OutcomeType, tuple[str, ...]] = {
    "journey.entered": ("event", "message_id", "changes"),
    "journey.rejected": ("reason", "error", "late_ms"),
    "journey.exited": ("reason", "error", "event", "message_id", "changes"),
    "node.reached": (),
    "branch.started": ("branch", "parent"),
    "branch.ended": (
        "branch",
        "parent",
        "reason",
        "error",
        "event",
        "message_id",
        "changes",
    ),
    "branches.joined": ("join", "branch"),
    "wait.started": ("due",),
    "wait.rescheduled": ("due", "event", "message_id", "changes"),
    "wait.matched": (
        "event",
        "message_id",
        "changes",
        "action_id",
        "ok",
        "status_code",
        "error",
        "unread",
    ),
    "wait.timed_out": (),
    "digest.collected": ("event", "message_id", "count", "cut", "more"),
    "digest.overflowed": ("event", "message_id", "count", "reason"),
    "digest.closed": ("count", "kept"),
    "criteria.matched": ("branch", "case", "next"),
    "experiment.assigned": ("variant",),
    "expression.failed": ("error", "kind"),
    "action.requested": ("destination", "action_id"),
    "action.skipped": ("destination", "reason", "bytes"),
    "action.delivered": ("action_id", "destination", "status", "attempts", "ms"),
    "action.failed": (
        "action_id",
        "destination",
        "reason",
        "error",
        "status",
        "body",
        "attempts",
    ),
    "goal.reached": ("event", "message_id", "changes"),
    "profile.changed": ("traits", "more"),
    "event.emitted": ("event", "message_id"),
    "event.altered": ("fields",),
    "event.rejected": ("reason", "error", "event", "message_id", "action_id"),
    "event.rerouted": ("from", "to"),
    "config.accepted": ("kind", "name", "status", "changed", "documents"),
    "config.rejected": ("problems",),
}
"""What an outcome's `detail` may hold, by its type; no other type is written yet."""


MAX_SHOWN = 1024
"""Most bytes of UTF-8 that an outcome shows of a text from data."""


def shown(text: str) -> str:
    """The text as an outcome shows it: cut if it is long."""
    if len(text) <= MAX_SHOWN // 4 or len(data := text.encode(errors="replace")) <= MAX_SHOWN:
        return text
    return data[: MAX_SHOWN - 3].decode(errors="ignore") + "…"


class Cause(msgspec.Struct, frozen=True, gc=False, omit_defaults=True):
    """The cause of an outcome: an input, or a timer with the place of the log where it fired."""

    topic: str | None = None
    """The topic of the input; for a timer, of the record before which it fired. `TOPIC#ID`, with
    Kafka's id of the topic, if it was recreated and its offsets restarted."""
    partition: int | None = None
    """Its partition."""
    offset: int | None = None
    """Its offset."""
    timer: str | None = None
    """When the timer was due, ISO 8601."""
    fired: str | None = None
    """When it fired, if that was more than a minute late: then the logical time of the step."""
    after: bool = False
    """Whether the timer fired right after that record instead, once it had been applied."""


class Outcome(msgspec.Struct, frozen=True, gc=False):
    """One thing that happened, as written to the outcomes topic."""

    outcome_id: str
    """The id of the outcome: the same in every repetition."""
    type: str
    """What happened."""
    at: str
    """The logical time of the step."""
    user_id: str | None
    """The user's id."""
    journey: str | None
    """The journey."""
    version: str | None
    """The version of the journey's document."""
    instance: str | None
    """The id of the instance."""
    key: str | None
    """The instance's key."""
    node: str | None
    """The node."""
    cause: Cause
    """The record or the timer that caused it."""
    detail: dict[str, Any] | None
    """Details, depending on the type."""


def of_input(
    outcome_id: str,
    type: OutcomeType,
    at: str,
    user_id: str | None,
    cause: Cause,
    detail: dict[str, Any],
    *,
    journey: str | None = None,
    version: str | None = None,
    instance: str | None = None,
    key: str | None = None,
    node: str | None = None,
) -> Outcome:
    """The outcome of an input itself, not of an instance's run.

    Args:
        at: ISO 8601.
        journey: and the following: if the input concerns them.
    """
    return Outcome(
        outcome_id, type, at, user_id, journey, version, instance, key, node, cause, detail
    )


def key_of(outcome: Outcome) -> bytes:
    """The Kafka key of an outcome: its user id, or its input's position if no user is known."""
    if outcome.user_id is not None:
        return outcome.user_id.encode()
    cause = outcome.cause
    return f"{cause.topic}-{cause.partition}-{cause.offset}".encode()
