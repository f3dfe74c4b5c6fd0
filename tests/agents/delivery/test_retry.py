"""What an answer means, and when a call is repeated."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agents.delivery.retry import backoff, next_attempt, next_attempt_until
from agents.destinations.call_result import CallResult, meaning_of, retry_after
from journeys.documents.destination import Retry

RETRY = Retry.model_validate({"for": "60s", "first": "1s", "max_delay": "8s"})
NOW = 1_768_746_735_000  # 2026-01-18T14:32:15Z


@pytest.mark.parametrize("status", [200, 201, 204, 299])
def test_2xx_is_delivered(status: int) -> None:
    assert meaning_of(status) == "delivered"


@pytest.mark.parametrize("status", [408, 425, 429, 500, 502, 503, 599])
def test_these_may_be_better_next_time(status: int) -> None:
    assert meaning_of(status) == "retriable"


@pytest.mark.parametrize("status", [300, 301, 304, 400, 401, 404, 410, 422, 499, 600, 999])
def test_nothing_else_will_be(status: int) -> None:
    assert meaning_of(status) == "final"


@pytest.mark.parametrize(
    ("header", "ms"),
    [
        ("120", 120_000),
        (" 0 ", 0),
        ("Sun, 18 Jan 2026 14:33:15 GMT", 60_000),
        ("Sun, 18 Jan 2026 15:33:15 +0100", 3_660_000 - 3_600_000),
        ("Sun, 18 Jan 2026 14:30:00 GMT", 0),
        ("99999999999999999999", 366 * 86_400_000),
        ("", None),
        (None, None),
        ("soon", None),
        ("-5", None),
        ("1.5", None),
        ("Sun, 99 Foo 2026", None),
        ("²", None),
    ],
)
def test_retry_after_is_seconds_or_a_date(header: str | None, ms: int | None) -> None:
    assert retry_after(header, NOW) == ms


@given(st.text())
def test_any_retry_after_header_is_understood_or_ignored(header: str) -> None:
    wait = retry_after(header, NOW)
    assert wait is None or 0 <= wait <= 366 * 86_400_000


@given(st.text(), st.integers(1, 10_000))
def test_the_backoff_doubles_up_to_the_longest_delay_and_half_of_it_is_jitter(
    action_id: str, attempt: int
) -> None:
    longest = min(1_000 * 2 ** (attempt - 1), 8_000)
    wait = backoff(RETRY, action_id, attempt)
    assert longest / 2 <= wait <= longest
    assert wait == backoff(RETRY, action_id, attempt)


def test_calls_that_failed_together_do_not_come_back_together() -> None:
    waits = {backoff(RETRY, f"action-{number}", 4) for number in range(100)}
    assert len(waits) > 90
    assert max(waits) - min(waits) > 3_000


def failure(at: int, wait: int | None = None) -> CallResult:
    return CallResult("retriable", at, 0, retry_after=wait)


def test_retry_after_wins_over_the_longest_delay() -> None:
    assert next_attempt(RETRY, "a", 1, NOW, failure(NOW, 30_000)) == NOW + 30_000


def test_a_retry_after_of_nothing_does_not_make_a_storm() -> None:
    assert next_attempt(RETRY, "a", 9, NOW, failure(NOW, 0)) == NOW + RETRY.first


def test_the_time_counts_from_the_first_attempt_and_the_last_one_is_at_its_end() -> None:
    assert next_attempt(RETRY, "a", 9, NOW, failure(NOW + 59_999)) == NOW + 60_000
    assert next_attempt(RETRY, "a", 9, NOW, failure(NOW + 1, 3_600_000)) == NOW + 60_000
    assert next_attempt(RETRY, "a", 9, NOW, failure(NOW + 60_000)) is None


@given(st.text(max_size=20), st.integers(1, 5_000), st.one_of(st.none(), st.integers(0, 10**9)))
def test_an_action_is_retried_until_its_time_is_over(
    action_id: str, took: int, wait: int | None
) -> None:
    now, attempt = NOW, 0
    while True:
        attempt += 1
        answer = CallResult("retriable", now, took, retry_after=wait)
        at = next_attempt(RETRY, action_id, attempt, NOW, answer)
        if at is None:
            break
        assert now + took < at <= NOW + 60_000
        now = at
    assert now + took >= NOW + 60_000


@given(st.text(max_size=20), st.integers(1, 60_000), st.one_of(st.none(), st.integers(0, 10**6)))
def test_no_attempt_of_a_request_that_is_waited_for_starts_after_its_time(
    action_id: str, took: int, wait: int | None
) -> None:
    now, attempt, end = NOW, 0, NOW + 60_000
    while True:
        attempt += 1
        answer = CallResult("retriable", now, took, retry_after=wait)
        at = next_attempt_until(RETRY, action_id, attempt, end, answer)
        shortest = RETRY.first // 2 if wait is None else max(wait, RETRY.first)
        if at is None:
            longest = RETRY.max_delay if wait is None else shortest
            assert now + took + longest > end
            break
        assert now + took + shortest <= at <= end
        now = at
