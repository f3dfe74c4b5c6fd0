"""What the soak concludes from samples that grow, that do not grow, or that are too few."""

import random

import pytest

from tests.torture.soak import MEASURES, Samples, _t_quantile, findings, slope

HOUR = 3_600


def samples(an_hour: float, noise: float, seconds: int = HOUR) -> list[tuple[float, float]]:
    """One every five seconds; what is beside the slope drifts slowly, as memory does."""
    chance, drift, found = random.Random(7), 0.0, []
    for at in range(0, seconds, 5):
        drift = 0.9 * drift + chance.gauss(0, noise)
        found.append((float(at), 100 + an_hour * at / HOUR + drift))
    return found


@pytest.mark.parametrize("an_hour", [-20.0, 0.0, 5.0, 60.0])
def test_the_interval_holds_the_slope(an_hour: float) -> None:
    found = slope(samples(an_hour, noise=0.5))
    assert found.low <= an_hour <= found.high
    assert found.high - found.low < 5


def test_a_straight_line_is_known_for_certain() -> None:
    found = slope(samples(12, noise=0))
    assert [round(one, 6) for one in (found.estimate, found.low, found.high)] == [12, 12, 12]


@pytest.mark.parametrize(("degrees", "wanted"), [(3, 3.182), (10, 2.228), (30, 2.042)])
def test_quantiles_of_student(degrees: int, wanted: float) -> None:
    assert _t_quantile(degrees) == pytest.approx(wanted, rel=0.02)


def said(an_hour: float, noise: float = 0.5, seconds: int = HOUR) -> str:
    found: Samples = {("evaluate-0", "rss"): samples(an_hour, noise, seconds)}
    (one,) = findings(found, warm_up=0.3 * seconds)
    return one.line().split("]")[1].strip()


def test_growth_is_told_from_none_and_from_what_is_too_short_to_tell() -> None:
    assert said(60) == "grows"
    assert said(0) == ""
    assert said(0, noise=3, seconds=300) == "too short to tell"


def test_every_measure_has_a_bound_that_an_hour_can_exceed() -> None:
    assert all(one.bound > 0 for one in MEASURES)
