"""A worker keeps to its share of a destination's rate limit, whatever it is asked and when."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agents.delivery.rate import Pace
from journeys.documents.destination import RateLimit


def limit(requests: int, per: str) -> RateLimit:
    return RateLimit.model_validate({"requests": requests, "per": per})


def starts(
    limit: RateLimit, share: float, until: float, idle: tuple[float, ...] = ()
) -> list[float]:
    """When calls start, of a worker that always has one waiting but for some pauses."""
    pace, now, found, pauses = Pace(), 0.0, [], list(idle)
    while now < until:
        wait = pace.take(limit, share, now)
        if wait == 0:
            found.append(now)
            now += pauses.pop() if pauses else 0.0
        now += wait
    return found


@given(
    requests=st.integers(1, 20),
    per=st.sampled_from(["100ms", "1s", "7s"]),
    partitions=st.integers(1, 8),
    idle=st.lists(st.floats(0, 3), max_size=30).map(tuple),
)
def test_no_stretch_of_time_holds_more_than_the_share(
    requests: int, per: str, partitions: int, idle: tuple[float, ...]
) -> None:
    rate = limit(requests, per)
    found = starts(rate, 1 / partitions, 10 * rate.per / 1_000, idle)
    share = requests / partitions
    stretch = rate.per / 1_000 * max(1, int(share)) / share
    for first in found:
        inside = [one for one in found if first <= one < first + stretch - 0.001]
        assert len(inside) <= max(1, int(share))


@pytest.mark.parametrize(
    ("requests", "share", "calls"), [(10, 1.0, 100), (10, 0.25, 25), (1, 0.25, 3), (3, 0.5, 15)]
)
def test_the_share_is_used_in_full(requests: int, share: float, calls: int) -> None:
    found = starts(limit(requests, "1s"), share, 9.99)
    assert abs(len(found) - calls) <= max(1, int(requests * share))


def test_without_a_limit_nothing_waits() -> None:
    pace = Pace()
    assert {pace.take(None, 1.0, 0.0) for _ in range(1_000)} == {0.0}
