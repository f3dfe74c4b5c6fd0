"""When a failed call is retried.

Law: pure. The same action, attempt and answer give the same decision, jitter included, so that a
worker that takes over retries at the same time as its predecessor would have.
"""

from __future__ import annotations

from hashlib import blake2b

from agents.destinations.call_result import CallResult
from journeys.documents.destination import Retry


def backoff(retry: Retry, action_id: str, attempt: int) -> int:
    """The wait (ms) after the `attempt`-th attempt (from 1): it doubles up to `max_delay`.

    Half of it is jitter ("equal jitter"), drawn from a hash of the action and the attempt: calls
    that failed together are not retried together.
    """
    longest = min(retry.first << min(attempt - 1, 48), max(retry.max_delay, retry.first))
    digest = blake2b(f"{action_id}\0{attempt}".encode(), digest_size=8).digest()
    share = int.from_bytes(digest, "big") / 2**64
    return max(1, round(longest / 2 * (1 + share)))


def next_attempt(
    retry: Retry, action_id: str, attempt: int, first_attempt_at: int, answer: CallResult
) -> int | None:
    """When (ms) to retry after a retriable answer; None if `retry.for` is over.

    Retry-After takes precedence over the backoff, but the wait is never shorter than `retry.first`.
    The last attempt is made when `retry.for` ends, however long the wait would be.
    """
    end = first_attempt_at + retry.for_
    if answer.returned_at >= end:
        return None
    return min(_earliest(retry, action_id, attempt, answer), end)


def next_attempt_until(
    retry: Retry, action_id: str, attempt: int, end: int, answer: CallResult
) -> int | None:
    """The same for the request of a trigger; None if it would be after `end` (ms).

    Unlike in `next_attempt`, no last attempt is made at `end`: its response would come too late.
    """
    at = _earliest(retry, action_id, attempt, answer)
    return at if at <= end else None


def _earliest(retry: Retry, action_id: str, attempt: int, answer: CallResult) -> int:
    wait = backoff(retry, action_id, attempt)
    if answer.retry_after is not None:
        wait = max(answer.retry_after, retry.first)
    return answer.returned_at + wait
