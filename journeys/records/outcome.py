"""What the engine reports: every outcome says what happened to whom, and why.

Law: field order is that of the published records.
"""

from __future__ import annotations

from typing import Any

import msgspec

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


def key_of(outcome: Outcome) -> bytes:
    """The Kafka key of an outcome: its user, or its input where no user is known."""
    if outcome.user_id is not None:
        return outcome.user_id.encode()
    cause = outcome.cause
    return f"{cause.topic}-{cause.partition}-{cause.offset}".encode()
