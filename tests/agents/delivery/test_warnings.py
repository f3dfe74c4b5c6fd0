"""What the worker logs about deliveries: a line for each problem, not one for each attempt."""

from __future__ import annotations

from agents.delivery.warnings import LINES_A_MINUTE, Warnings
from agents.destinations.call_result import CallResult

FAILED = CallResult("retriable", 0, 0, "refused", "the destination answered 503", 503)


def test_a_missing_setting_is_reported_once_until_it_is_set() -> None:
    lines: list[str] = []
    warnings = Warnings("mail", lines.append)
    for _ in range(3):
        warnings.lacking(["JOURNEYS_SECRET_A is not set"])
    assert len(lines) == 1
    assert lines[0].startswith("deliver: destination mail: JOURNEYS_SECRET_A is not set: ")
    warnings.lacking(["JOURNEYS_SECRET_A is not set", "JOURNEYS_SECRET_B is not set"])
    assert len(lines) == 2
    warnings.lacking([])
    warnings.lacking(["JOURNEYS_SECRET_A is not set"])
    assert len(lines) == 3


def test_a_few_failed_deliveries_a_minute_are_logged_and_the_others_counted() -> None:
    lines: list[str] = []
    now = 0.0
    warnings = Warnings("mail", lines.append, lambda: now)
    for number in range(100):
        warnings.failed(f"a-{number}", FAILED, again=True)
    assert len(lines) == LINES_A_MINUTE
    assert lines[0] == (
        "deliver: destination mail: delivery a-0 failed: the destination answered 503; it will "
        "be retried"
    )
    now = 61.0
    warnings.failed("a-100", FAILED, again=False)
    assert lines[-2].endswith(": 90 more deliveries failed for the first time")
    assert lines[-1].endswith("; it is given up")
    assert len(lines) == LINES_A_MINUTE + 2


def test_a_delivery_that_waits_for_a_setting_has_no_line_of_its_own() -> None:
    lines: list[str] = []
    answer = CallResult("retriable", 0, 0, "not_configured", "JOURNEYS_SECRET_A is not set")
    Warnings("mail", lines.append).failed("a-1", answer, again=True)
    assert lines == []
