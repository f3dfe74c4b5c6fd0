"""Poison is set aside; a bug stops the process before it empties the log."""

import pytest

from agents.runtime.poison import WINDOW, PoisonGauge, TooManyDead


def test_half_of_the_inputs_may_be_dead() -> None:
    gauge = PoisonGauge()
    for _ in range(5 * WINDOW):
        gauge.count(2, 1)


def test_more_than_half_of_the_last_inputs_stop_the_process() -> None:
    gauge = PoisonGauge()
    for _ in range(10):
        gauge.count(WINDOW, 0)
    for _ in range(WINDOW // 100 // 2):
        gauge.count(100, 100)
    with pytest.raises(TooManyDead):
        gauge.count(WINDOW, WINDOW)


def test_the_first_inputs_alone_say_nothing() -> None:
    gauge = PoisonGauge()
    gauge.count(WINDOW - 1, WINDOW - 1)
    with pytest.raises(TooManyDead):
        gauge.count(1, 1)


def test_batches_of_timers_alone_take_no_memory() -> None:
    gauge = PoisonGauge()
    for _ in range(10_000):
        gauge.count(0, 0)
    assert len(gauge._batches) == 0
