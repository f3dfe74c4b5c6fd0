"""The records of a finished delivery: an outcome, and a dead letter or a response.

A failed action becomes a dead letter, so that it can be replayed. The request of a trigger becomes
a response, failed or not, for the instance that waits. Law: ids follow from the action's position
in the log, so a repeat has the same ids.
"""

from __future__ import annotations

from typing import Any

from agents.destinations.call_result import CallResult
from journeys.ids import outcome_id_of_input
from journeys.records import dead_letter as dead_letters
from journeys.records import headers
from journeys.records.action import MAX_PAYLOAD, Action
from journeys.records.dead_letter import DeadLetter, place_of
from journeys.records.outcome import Cause, Outcome
from journeys.records.response import MAX_TEXT, Response, encode
from journeys.time import format_time
from tables.deliveries import Delivery

ROLE = "deliver"
RETRIES_OVER = "retries_over"
EXPIRED = "expired"
NOT_CONFIGURED = "not_configured"
RESPONSE = headers.build("response")
"""The headers of a response record."""


def delivered(action: Action, cause: Cause, attempts: int, answer: CallResult) -> Outcome:
    """`action.delivered`; `ms` is how long the last call took."""
    detail = {
        "action_id": action.action_id,
        "destination": action.destination,
        "status": answer.status,
        "attempts": attempts,
        "ms": answer.took,
    }
    return _outcome("action.delivered", action, cause, detail, answer.returned_at)


def failed(action: Action, cause: Cause, attempts: int, answer: CallResult) -> Outcome:
    """`action.failed`, with the last answer."""
    detail = {
        "action_id": action.action_id,
        "destination": action.destination,
        "reason": _reason(answer),
        "error": answer.error,
        "status": answer.status,
        "body": answer.body,
        "attempts": attempts,
    }
    return _outcome("action.failed", action, cause, detail, answer.returned_at)


def given_up(action: Action, cause: Cause, delivery: Delivery, answer: CallResult) -> DeadLetter:
    """The dead letter of an action that failed."""
    trace = "" if answer.trace is None else f"\n{answer.trace}"
    return dead_letter(
        _reason(answer),
        f"{answer.error} (attempts: {delivery.attempts}){trace}",
        cause,
        action.user_id.encode(),
        delivery.action,
        answer.returned_at,
    )


def response(action: Action, answer: CallResult) -> bytes:
    """The value of a response record; RESPONSE are its headers."""
    ok = answer.meaning == "delivered"
    common = (action.action_id, action.user_id, action.instance, ok)
    error = None if answer.error is None else answer.error[:MAX_TEXT]
    rest = (answer.status, error, dict(answer.unread))
    whole = encode(Response(*common, dict(answer.labels), *rest))
    if len(whole) <= MAX_PAYLOAD:
        return whole
    return encode(Response(*common, {}, answer.status, error or "its labels are too large"))


def too_late(delivery: Delivery, now: int) -> CallResult:
    """The result if the time for an attempt is over. `now` is in ms."""
    if delivery.attempts:
        return CallResult("final", now, 0, RETRIES_OVER, delivery.error, attempted=False)
    return CallResult(
        "final", now, 0, EXPIRED, "there was no answer within its time limit", attempted=False
    )


def held_up(delivery: Delivery, now: int) -> CallResult:
    """The result if the time for the last attempt is over while the circuit is open. `now` is in
    ms."""
    why = "not called within its time limit: the destination kept failing"
    if delivery.error is not None:
        why = f"{delivery.error}; then {why}"
    return CallResult("final", now, 0, RETRIES_OVER, why, attempted=False)


def _reason(answer: CallResult) -> str:
    if answer.reason == NOT_CONFIGURED:
        return NOT_CONFIGURED
    return RETRIES_OVER if answer.meaning == "retriable" else answer.reason


def dead_letter(
    reason: str, detail: str, cause: Cause, key: bytes | None, value: bytes, at: int
) -> DeadLetter:
    """The dead letter of a record that deliver sets aside. at: ms."""
    return dead_letters.dead_letter(
        role=ROLE, reason=reason, detail=detail, cause=cause, key=key, value=value, at=at
    )


def _outcome(type: str, action: Action, cause: Cause, detail: dict[str, Any], at: int) -> Outcome:
    return Outcome(
        outcome_id=outcome_id_of_input(*place_of(cause), type, 0),
        type=type,
        at=format_time(at),
        user_id=action.user_id,
        journey=action.journey,
        version=action.version,
        instance=action.instance,
        key=action.key,
        node=action.node,
        cause=cause,
        detail=detail,
    )
