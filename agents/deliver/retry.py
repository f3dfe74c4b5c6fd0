"""What the answer of a destination means, and when a failed call is repeated.

Law: pure. The same action, attempt and answer give the same decision, jitter included, so that a
worker that takes over repeats at the same time as the one before it would have.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC
from email.utils import parsedate_to_datetime
from hashlib import blake2b
from typing import Any, Literal

from journeys.documents import Retry

Meaning = Literal["delivered", "retriable", "final"]

_RETRIABLE = frozenset({408, 425, 429})
_LONGEST_WAIT = 366 * 86_400_000


@dataclass(frozen=True, slots=True)
class Answer:
    """What came of one attempt, or of the turn of one that may not be made any more.

    started_at: ms, the wall clock. took: ms. attempted: whether it was made.
    reason: why it is final, one word of the outcomes; `refused` is the destination's own answer.
    error: the same for people to read, without secrets; None when delivered.
    status: of the HTTP answer. body: the beginning of its text, without secrets.
    retry_after: ms to wait, as the destination asked for.
    labels: what a trigger wants of the answer, without secrets.
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
    attempted: bool = True

    @property
    def returned_at(self) -> int:
        """Ms, the wall clock."""
        return self.started_at + self.took


def meaning_of(status: int) -> Meaning:
    """2xx is delivered; 408, 425, 429 and 5xx may be better next time; nothing else will be."""
    if 200 <= status < 300:
        return "delivered"
    if status in _RETRIABLE or 500 <= status < 600:
        return "retriable"
    return "final"


def retry_after(header: str | None, now: int) -> int | None:
    """The wait (ms) that a Retry-After header asks for at `now` (ms); None where it says nothing.

    RFC 9110, 10.2.3: whole seconds, or an HTTP date.
    """
    text = (header or "").strip()
    if not text:
        return None
    if text.isascii() and text.isdecimal():
        return min(int(text[:12]) * 1_000, _LONGEST_WAIT)
    try:
        date = parsedate_to_datetime(text)
    except (ValueError, OverflowError):
        return None
    if date.tzinfo is None:
        date = date.replace(tzinfo=UTC)
    return min(max(int(date.timestamp() * 1_000) - now, 0), _LONGEST_WAIT)


def backoff(retry: Retry, action_id: str, attempt: int) -> int:
    """The wait (ms) after the `attempt`-th attempt (from 1): it doubles up to `max_delay`.

    Half of it is jitter ("equal jitter"), drawn from a hash of the action and the attempt: calls
    that failed together don't come back together.
    """
    longest = min(retry.first << min(attempt - 1, 48), max(retry.max_delay, retry.first))
    digest = blake2b(f"{action_id}\0{attempt}".encode(), digest_size=8).digest()
    share = int.from_bytes(digest, "big") / 2**64
    return max(1, round(longest / 2 * (1 + share)))


def next_attempt(
    retry: Retry, action_id: str, attempt: int, first_attempt_at: int, answer: Answer
) -> int | None:
    """When (ms) to try again after a retriable answer; None when `retry.for` is over.

    Retry-After wins over the backoff, except that no destination gets calls closer together than
    `retry.first`. The last attempt is made when `retry.for` ends, however long the wait would be.
    """
    end = first_attempt_at + retry.for_
    if answer.returned_at >= end:
        return None
    return min(_earliest(retry, action_id, attempt, answer), end)


def next_attempt_until(
    retry: Retry, action_id: str, attempt: int, end: int, answer: Answer
) -> int | None:
    """The same for a request that somebody waits for; None when it would be after `end` (ms).

    None is put at the end itself: its answer would come too late.
    """
    at = _earliest(retry, action_id, attempt, answer)
    return at if at <= end else None


def _earliest(retry: Retry, action_id: str, attempt: int, answer: Answer) -> int:
    wait = backoff(retry, action_id, attempt)
    if answer.retry_after is not None:
        wait = max(answer.retry_after, retry.first)
    return answer.returned_at + wait
