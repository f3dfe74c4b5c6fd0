"""A destination that keeps failing is not called, then probed, and then called gradually again."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agents.delivery.circuit import (
    FAILURES,
    FIRST_PAUSE,
    LONGEST_PAUSE,
    LOOK_SECONDS,
    Circuit,
    Sign,
    sign_of,
)
from agents.destinations.call_result import CallResult, meaning_of


def status(code: int, wait: int | None = None) -> CallResult:
    return CallResult(meaning_of(code), 0, 0, status=code, retry_after=wait)


def without_answer(reason: str) -> CallResult:
    return CallResult("retriable", 0, 0, reason)


DOWN, UP, BUSY = status(503), status(200), status(429, 7_000)


def fail(circuit: Circuit, times: int, now: float = 0.0) -> list[str | None]:
    return [circuit.answered(circuit.started(), f"a-{n}", DOWN, now) for n in range(times)]


def pause(circuit: Circuit, now: float) -> float:
    """How long no call may start; at its end one may."""
    began = now
    while (wait := circuit.wait(now, 0)) > 0:
        assert wait <= LOOK_SECONDS
        now += wait
    return now - began


@pytest.mark.parametrize(
    ("answer", "sign"),
    [
        (without_answer("timeout"), "down"),
        (without_answer("connection_failed"), "down"),
        (status(500), "down"),
        (status(503, 5_000), "down"),
        (BUSY, "busy"),
        (status(429), "up"),
        (status(429, 0), "up"),
        (status(408), "up"),
        (status(400), "up"),
        (status(302), "up"),
        (status(204), "up"),
        (without_answer("unknown_destination"), "unknown"),
        (without_answer("not_sendable"), "unknown"),
        (without_answer("error"), "unknown"),
        (CallResult("final", 0, 0, "address_refused"), "unknown"),
    ],
)
def test_what_an_answer_says_of_its_destination(answer: CallResult, sign: Sign) -> None:
    assert sign_of(answer) == sign


def test_calls_stop_after_so_many_deliveries_that_failed_in_a_row() -> None:
    circuit = Circuit()
    assert fail(circuit, FAILURES) == [None] * (FAILURES - 1) + ["opened"]
    assert pause(circuit, 0.0) == FIRST_PAUSE


def test_any_answer_between_begins_the_count_anew() -> None:
    circuit = Circuit()
    for answer in (UP, status(404)):
        fail(circuit, FAILURES - 1)
        assert circuit.answered(circuit.started(), "b", answer, 0.0) is None
    fail(circuit, FAILURES - 1)
    assert circuit.wait(0.0, 63) == 0


def test_one_delivery_that_fails_for_ever_stops_no_other() -> None:
    circuit = Circuit()
    for _ in range(10 * FAILURES):
        assert circuit.answered(circuit.started(), "poison", DOWN, 0.0) is None
    assert circuit.wait(0.0, 0) == 0


def test_one_call_is_let_through_and_the_pause_grows_while_it_fails() -> None:
    circuit, now, pauses = Circuit(), 0.0, []
    fail(circuit, FAILURES)
    for _ in range(9):
        pauses.append(pause(circuit, now))
        now += pauses[-1]
        probe = circuit.started()
        assert circuit.wait(now + 3_600, 1) > 0, "a second call beside the probe"
        assert circuit.answered(probe, "a-0", DOWN, now) is None
    assert pauses == [1, 2, 4, 8, 16, 32, LONGEST_PAUSE, LONGEST_PAUSE, LONGEST_PAUSE]
    now += pause(circuit, now)
    assert circuit.answered(circuit.started(), "a-0", UP, now) == "closed"
    assert circuit.wait(now, 0) == 0
    fail(circuit, FAILURES, now)
    assert pause(circuit, now) == FIRST_PAUSE


def test_a_probe_that_was_given_up_makes_way_for_another() -> None:
    circuit = Circuit()
    fail(circuit, FAILURES)
    probe = circuit.started()
    circuit.abandoned(probe)
    assert circuit.wait(FIRST_PAUSE, 0) == 0


def test_a_probe_that_shows_nothing_about_the_destination_is_followed_by_another() -> None:
    circuit = Circuit()
    fail(circuit, FAILURES)
    unknown = without_answer("not_sendable")
    assert circuit.answered(circuit.started(), "b", unknown, FIRST_PAUSE) is None
    assert circuit.stopped_since == 0.0
    assert circuit.wait(FIRST_PAUSE, 0) == 0


def test_what_was_called_before_the_calls_stopped_counts_no_more() -> None:
    circuit = Circuit()
    late = [circuit.started() for _ in range(64)]
    fail(circuit, FAILURES)
    for number, round in enumerate(late):
        assert circuit.answered(round, f"l-{number}", DOWN if number % 2 else UP, 0.5) is None
    assert pause(circuit, 0.0) == FIRST_PAUSE


def test_a_destination_that_is_back_is_not_flooded() -> None:
    circuit, rounds, in_flight = Circuit(), [], 0
    fail(circuit, FAILURES)
    assert circuit.answered(circuit.started(), "b", UP, FIRST_PAUSE) == "closed"
    for _ in range(6):
        while circuit.wait(FIRST_PAUSE, in_flight) == 0 and in_flight < 64:
            circuit.started()
            in_flight += 1
        rounds.append(in_flight)
        for _ in range(in_flight):
            in_flight -= 1
            circuit.answered(1, "b", UP, FIRST_PAUSE)
    assert rounds == [2, 4, 8, 16, 32, 64]


def test_a_429_pauses_for_as_long_as_it_asks_and_counts_as_no_failure() -> None:
    circuit = Circuit()
    fail(circuit, FAILURES - 1)
    assert circuit.answered(circuit.started(), "b", BUSY, 0.0) is None
    assert not circuit.down
    assert pause(circuit, 0.0) == 7
    assert circuit.answered(circuit.started(), "b", BUSY, 7.0) is None
    assert pause(circuit, 7.0) == 7
    assert circuit.stopped_since == 0.0
    assert circuit.answered(circuit.started(), "b", UP, 14.0) is None
    assert circuit.stopped_since is None
    assert fail(circuit, FAILURES - 1, 14.0) == [None] * (FAILURES - 1)


def test_a_429_to_the_probe_says_that_the_destination_is_back() -> None:
    circuit = Circuit()
    fail(circuit, FAILURES)
    assert circuit.answered(circuit.started(), "b", BUSY, 1.0) == "closed"
    assert pause(circuit, 1.0) == 7


@given(st.lists(st.sampled_from([DOWN, UP, BUSY, without_answer("error"), None]), max_size=80))
def test_whatever_is_answered_a_call_starts_within_the_longest_pause(
    answers: list[CallResult | None],
) -> None:
    circuit, now = Circuit(), 0.0
    for number, answer in enumerate(answers):
        waited = pause(circuit, now)
        assert waited <= LONGEST_PAUSE
        now += waited
        round = circuit.started()
        if answer is None:
            circuit.abandoned(round)
        else:
            circuit.answered(round, f"a-{number}", answer, now)
