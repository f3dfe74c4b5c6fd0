"""Dead letters: inputs whose processing failed, stored whole with the reason for replay."""

from __future__ import annotations

import base64
import traceback

import msgspec

from journeys.ids import dead_id
from journeys.records.input import Input
from journeys.records.outcome import Cause
from journeys.time import format_time


class DeadLetter(msgspec.Struct, frozen=True, omit_defaults=True):
    """An input whose processing raised an exception.

    Attributes:
        role: the worker role that failed.
        reason: the name of the exception's type.
        detail: the traceback.
        key_encoding, value_encoding: `base64` where the bytes are not UTF-8.
    """

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
    """The dead letter of an input.

    Args:
        error: what processing it raised.
        at: the time of the failure, ms.
        role: the worker role that failed.
    """
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
