"""An input that could not be applied, kept whole with the reason, so that it can be replayed."""

from __future__ import annotations

import base64
import traceback

import msgspec

from journeys.ids import dead_id
from journeys.records.input import Input
from journeys.records.outcome import Cause
from journeys.time import format_time


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
