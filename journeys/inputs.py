"""One record of the events' log, and what is told of one that could not be applied.

Law: whatever a record is, it is answered: by an outcome, or whole as a dead letter.
"""

from __future__ import annotations

import base64
import traceback
from typing import Any

import msgspec

from journeys.effects import Cause, DeadLetter, Effects, Outcome
from journeys.ids import dead_id, outcome_id_of_input
from journeys.time import format_time


class Input(msgspec.Struct, frozen=True, gc=False):
    """One record of the events' log.

    Attributes:
        arrival: when it arrived, ms, where the log says so.
        kind: the header `journeys-record`; None for a plain event.
        origin: the header `journeys-origin`: where a rerouted event stood first.
    """

    topic: str
    partition: int
    offset: int
    key: bytes | None
    value: bytes
    arrival: int | None = None
    kind: str | None = None
    origin: str | None = None


class ClockRecord(msgspec.Struct):
    """Moves a stream's clock on: to a time, or to its `end`."""

    time: str | int


def reject(
    one: Input, effects: Effects, user_id: str | None, reason: str, detail: str, at: int
) -> None:
    told = {"reason": reason, "error": detail}
    tell(one, effects, "event.rejected", user_id, told, at)


def tell(
    one: Input, effects: Effects, type: str, user_id: str | None, detail: dict[str, Any], at: int
) -> None:
    place = (one.topic, one.partition, one.offset)
    id = outcome_id_of_input(*place, type, 0)
    effects.outcomes.append(
        Outcome(
            id, type, format_time(at), user_id, None, None, None, None, None, Cause(*place), detail
        )
    )


def dead(one: Input, error: Exception, at: int, role: str) -> DeadLetter:
    """The whole input with the traceback; text where it is text, else base64."""
    place = (one.topic, one.partition, one.offset)
    key, key_encoding = _text(one.key) if one.key is not None else (None, None)
    value, value_encoding = _text(one.value)
    headers = {"journeys-record": one.kind, "journeys-origin": one.origin}
    return DeadLetter(
        dead_id=dead_id(*place),
        at=format_time(at),
        role=role,
        reason=type(error).__name__,
        detail="".join(traceback.format_exception(error)),
        cause=Cause(*place),
        key=key,
        value=value,
        key_encoding=key_encoding,
        value_encoding=value_encoding,
        headers={name: text for name, text in headers.items() if text is not None} or None,
    )


def _text(data: bytes) -> tuple[str, str | None]:
    try:
        return data.decode(), None
    except UnicodeDecodeError:
        return base64.b64encode(data).decode(), "base64"
