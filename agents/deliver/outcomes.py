"""What a delivery tells when it has ended: its outcome and, when it failed, its dead letter.

Law: ids follow from the action's place in the log, so a repeat is seen as one.
"""

from __future__ import annotations

import base64
from typing import Any

from agents.deliver.records import Delivery
from agents.deliver.retry import Answer
from journeys.effects import Action, Cause, DeadLetter, Outcome
from journeys.ids import dead_id, outcome_id_of_input
from journeys.time import format_time

ROLE = "deliver"
RETRIES_OVER = "retries_over"


def delivered(action: Action, cause: Cause, attempts: int, answer: Answer) -> Outcome:
    """`action.delivered`; `ms` is how long the last call took."""
    detail = {
        "action_id": action.action_id,
        "destination": action.destination,
        "status": answer.status,
        "attempts": attempts,
        "ms": answer.took,
    }
    return _outcome("action.delivered", action, cause, detail, answer.returned_at)


def failed(
    action: Action, cause: Cause, delivery: Delivery, answer: Answer
) -> tuple[Outcome, DeadLetter]:
    """`action.failed`, and the action as it was received, so that it can be put back."""
    reason = RETRIES_OVER if answer.meaning == "retriable" else answer.reason
    detail = {
        "action_id": action.action_id,
        "destination": action.destination,
        "reason": reason,
        "error": answer.error,
        "status": answer.status,
        "body": answer.body,
        "attempts": delivery.attempts,
    }
    dead = dead_letter(
        reason,
        f"{answer.error} (attempts: {delivery.attempts})",
        cause,
        action.user_id.encode(),
        delivery.action,
        answer.returned_at,
    )
    return _outcome("action.failed", action, cause, detail, answer.returned_at), dead


def dead_letter(
    reason: str, detail: str, cause: Cause, key: bytes | None, value: bytes, at: int
) -> DeadLetter:
    """A record that deliver sets aside. at: ms."""
    key_text, key_encoding = (None, None) if key is None else _text(key)
    value_text, value_encoding = _text(value)
    return DeadLetter(
        dead_id=dead_id(*_place(cause)),
        at=format_time(at),
        role=ROLE,
        reason=reason,
        detail=detail,
        cause=cause,
        key=key_text,
        value=value_text,
        key_encoding=key_encoding,
        value_encoding=value_encoding,
    )


def _outcome(type: str, action: Action, cause: Cause, detail: dict[str, Any], at: int) -> Outcome:
    return Outcome(
        outcome_id=outcome_id_of_input(*_place(cause), type, 0),
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


def _place(cause: Cause) -> tuple[str, int, int]:
    assert cause.topic is not None
    assert cause.partition is not None
    assert cause.offset is not None
    return cause.topic, cause.partition, cause.offset


def _text(data: bytes) -> tuple[str, str | None]:
    try:
        return data.decode(), None
    except UnicodeDecodeError:
        return base64.b64encode(data).decode(), "base64"
