"""Dead letters: inputs and actions that can't be processed, stored whole for replay.

Law: the bytes of the key and the value can be restored exactly.
"""

from __future__ import annotations

import base64
import traceback

import msgspec

from journeys.ids import dead_id
from journeys.records import headers
from journeys.records.input import Input
from journeys.records.outcome import Cause
from journeys.time import format_time
from journeys.work import TooMuchWork

TOO_MUCH_WORK = "too_much_work"
"""The reason of an input whose expressions cost too much: a bad input, not a bug of the engine."""


class DeadLetter(msgspec.Struct, frozen=True, omit_defaults=True):
    """A record of `journeys.dead`. Field order is that of the published records.

    Attributes:
        dead_id: computed from `cause`, so a repeat has the same id.
        at: when it was written, ISO 8601.
        role: the role that set it aside, such as `evaluate`.
        reason: one word for programs, or the type of the exception.
        detail: for people; the traceback if an exception was the reason.
        cause: the position of the record.
        key, value: of the record, as text.
        key_encoding, value_encoding: `base64` where the bytes are not UTF-8.
        headers: those of `journeys.records.headers`, if the record had any.
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

    def key_bytes(self) -> bytes | None:
        """The key as it was in the log. Raises ValueError for invalid base64."""
        return None if self.key is None else _bytes(self.key, self.key_encoding)

    def value_bytes(self) -> bytes:
        """The value as it was in the log. Raises ValueError for invalid base64."""
        return _bytes(self.value, self.value_encoding)


def dead_letter(
    *,
    role: str,
    reason: str,
    detail: str,
    cause: Cause,
    key: bytes | None,
    value: bytes,
    at: int,
    kept_headers: dict[str, str] | None = None,
) -> DeadLetter:
    """A dead letter. `cause` must name topic, partition and offset; `at` is in ms."""
    key_text, key_encoding = (None, None) if key is None else _text(key)
    value_text, value_encoding = _text(value)
    return DeadLetter(
        dead_id=dead_id(*place_of(cause)),
        at=format_time(at),
        role=role,
        reason=reason,
        detail=detail,
        cause=cause,
        key=key_text,
        value=value_text,
        key_encoding=key_encoding,
        value_encoding=value_encoding,
        headers=kept_headers,
    )


def dead_input(one: Input, error: Exception, at: int, role: str) -> DeadLetter:
    """The dead letter of an input whose step raised; a defect has its traceback. `at` is in ms."""
    reason, detail = type(error).__name__, ""
    if isinstance(error, TooMuchWork):
        reason, detail = TOO_MUCH_WORK, str(error)
    return dead_letter(
        role=role,
        reason=reason,
        detail=detail or "".join(traceback.format_exception(error)),
        cause=Cause(one.topic, one.partition, one.offset),
        key=one.key,
        value=one.value,
        at=at,
        kept_headers=headers.as_texts(one.kind, one.origin),
    )


def place_of(cause: Cause) -> tuple[str, int, int]:
    """Topic, partition and offset of a cause that has a record and is not only a timer."""
    assert cause.topic is not None
    assert cause.partition is not None
    assert cause.offset is not None
    return cause.topic, cause.partition, cause.offset


def _text(data: bytes) -> tuple[str, str | None]:
    """The bytes as text, and the encoding if they are not UTF-8."""
    try:
        return data.decode(), None
    except UnicodeDecodeError:
        return base64.b64encode(data).decode(), "base64"


def _bytes(text: str, encoding: str | None) -> bytes:
    return base64.b64decode(text) if encoding == "base64" else text.encode()
