"""The result of a delivery attempt, and whether it is retried."""

from __future__ import annotations

import traceback
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC
from email.utils import parsedate_to_datetime
from typing import Any, Literal

Meaning = Literal["delivered", "retriable", "final"]

_RETRIABLE = frozenset({408, 425, 429})
_LONGEST_WAIT = 366 * 86_400_000
_LONGEST_ERROR = 1_000
_LONGEST_TRACE = 16 * 1024
"""Characters."""


@dataclass(frozen=True, slots=True)
class CallResult:
    """The result of one attempt, or of an attempt that may no longer be made.

    started_at: ms, the wall clock. took: ms. attempted: whether it was made.
    reason: why it failed, one word for outcomes; `refused`: by the destination's own answer.
    error: the same for people to read, without secrets; None when delivered.
    status: of the HTTP answer. body: the beginning of its text, without secrets.
    retry_after: ms to wait, as the destination asked for.
    labels: the parts of the answer that a trigger asked for, without secrets.
    unread: by label, why other parts could not be read.
    trace: of an error in the engine, for its dead letter, without secrets.
    """

    meaning: Meaning
    started_at: int
    took: int
    reason: str = "refused"
    error: str | None = None
    status: int | None = None
    body: str | None = None
    retry_after: int | None = None
    labels: Mapping[str, Any] = field(default_factory=dict)
    unread: Mapping[str, str] = field(default_factory=dict)
    attempted: bool = True
    trace: str | None = None

    @property
    def returned_at(self) -> int:
        """Ms, the wall clock."""
        return self.started_at + self.took


def our_error(error: Exception, at: int, masked: Callable[[str], str]) -> CallResult:
    """The result for an error in the engine: final, as every attempt would fail with it. at: ms.
    masked: removes secrets from a text."""
    trace = masked("".join(traceback.format_exception(error)))
    what = masked(f"internal error: {type(error).__name__}: {error}"[:_LONGEST_ERROR])
    return CallResult("final", at, 0, "error", what, trace=trace[-_LONGEST_TRACE:])


def meaning_of(status: int) -> Meaning:
    """2xx is delivered; 408, 425, 429 and 5xx are retriable; anything else is final."""
    if 200 <= status < 300:
        return "delivered"
    if status in _RETRIABLE or 500 <= status < 600:
        return "retriable"
    return "final"


def retry_after(header: str | None, now: int) -> int | None:
    """The wait (ms) that a Retry-After header asks for at `now` (ms); None if it is missing or
    invalid.

    RFC 9110, 10.2.3: whole seconds, or an HTTP date.
    """
    text = (header or "").strip()
    if not text:
        return None
    if text.isascii() and text.isdecimal():
        return min(int(text[:12]) * 1_000, _LONGEST_WAIT)
    try:
        date = parsedate_to_datetime(text)
        if date.tzinfo is None:
            date = date.replace(tzinfo=UTC)
        wait = int(date.timestamp() * 1_000) - now
    except Exception:  # noqa: BLE001 - the parser raises whatever comes to it
        return None
    return min(max(wait, 0), _LONGEST_WAIT)
