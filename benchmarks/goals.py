"""The performance goals, and whether the results reach them.

Law: a ratio is computed within a round, and the result is the median over the rounds; a single
figure is the median of its rounds.
"""

from __future__ import annotations

import statistics
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from benchmarks.results import Result, median
from benchmarks.traffic import USERS

Results = Sequence[Result]


@dataclass(frozen=True)
class Goal:
    """One goal.

    what: the goal in words
    bound: the value to reach, as a lower or an upper bound
    reached: the measured value; None if it was not measured
    unit: the unit of both; `x` is a ratio
    warm: the value for the second half, when a JVM is warm; shown for information
    """

    what: str
    way: Literal["at least", "at most"]
    bound: float
    reached: Callable[[Results], float | None]
    unit: str = "x"
    warm: Callable[[Results], float | None] | None = None

    def is_reached(self, results: Results) -> bool | None:
        found = self.reached(results)
        if found is None:
            return None
        return found >= self.bound if self.way == "at least" else found <= self.bound

    def format(self, value: float | None) -> str:
        """A value with the goal's unit."""
        if value is None:
            return "not measured"
        if self.unit == "x":
            return f"{value:.2f}x"
        return f"{value:,.0f} {self.unit}" if value >= 100 else f"{value:.3g} {self.unit}"


def chosen(results: Iterable[Result], **fields: Any) -> list[Result]:
    """The results whose fields have these values."""
    return [
        one for one in results if all(getattr(one, name) == value for name, value in fields.items())
    ]


def ratio(
    results: Results, figure: str, over: dict[str, Any], under: dict[str, Any]
) -> float | None:
    """The median over the rounds of one figure divided by another of the same round."""
    found = []
    for number in sorted({one.round for one in results}):
        one = median(chosen(results, round=number, **over), figure)
        other = median(chosen(results, round=number, **under), figure)
        if one is not None and other:
            found.append(one / other)
    return statistics.median(found) if found else None


def _throughput(contender: str) -> dict[str, Any]:
    return {"part": "throughput", "contender": contender}


def _latency(contender: str, rate: int) -> dict[str, Any]:
    return {"part": "latency", "contender": contender, "rate": rate}


def _growth(**fields: Any) -> dict[str, Any]:
    return {"part": "growth", **fields}


def _speeds(over: str, under: str) -> dict[str, Any]:
    """The two ratios of the speeds of two contenders, as arguments for Goal."""
    one, other = _throughput(over), _throughput(under)
    return {"reached": _ratio(_SPEED, one, other), "warm": _ratio(_WARM, one, other)}


def _ratio(figure: str, over: dict[str, Any], under: dict[str, Any]) -> Any:
    return lambda results: ratio(results, figure, over, under)


def _median(figure: str, **fields: Any) -> Any:
    return lambda results: median(chosen(results, **fields), figure)


_LOOP, _OURS, _EOS = "journeys-loop", "journeys", "kafka-streams-eos"
_SPEED, _WARM, _CPU = "events_per_s", "events_per_s_warm", "cpu_s_per_100k"


def _of_latency(rate: int) -> list[Goal]:
    what = f"latency at {rate:,} events/s"
    ours, theirs = _latency(_OURS, rate), _latency(_EOS, rate)
    return [
        Goal(f"{what}, p50", "at most", 15, _median("p50_ms", **ours), "ms"),
        Goal(f"{what}, p99", "at most", 40, _median("p99_ms", **ours), "ms"),
        Goal(
            f"{what}, p50, of Kafka Streams exactly_once_v2's",
            "at most",
            1 / 3,
            _ratio("p50_ms", ours, theirs),
        ),
        Goal(
            f"{what}, p99, of Kafka Streams exactly_once_v2's",
            "at most",
            1 / 3,
            _ratio("p99_ms", ours, theirs),
        ),
    ]


GOALS = (
    Goal(
        "toy step on our loop, speed of Quix Streams (at least once)",
        "at least",
        1.4,
        **_speeds(_LOOP, "quix"),
    ),
    Goal(
        "toy step on our loop, speed of Kafka Streams exactly_once_v2",
        "at least",
        1.6,
        **_speeds(_LOOP, _EOS),
    ),
    Goal(
        "toy step on our loop, speed of idiomatic Faust",
        "at least",
        18,
        **_speeds(_LOOP, "faust"),
    ),
    Goal(
        "toy step on our loop, CPU per event of Kafka Streams exactly_once_v2",
        "at most",
        0.5,
        _ratio(_CPU, _throughput(_LOOP), _throughput(_EOS)),
    ),
    Goal(
        "10 real journeys, speed of the toy step on our loop",
        "at least",
        0.6,
        **_speeds(_OURS, _LOOP),
    ),
    Goal(
        "10 real journeys, CPU per event of Kafka Streams exactly_once_v2 doing the toy step",
        "at most",
        1,
        _ratio(_CPU, _throughput(_OURS), _throughput(_EOS)),
    ),
    Goal(
        "1,000 journeys, speed with 10",
        "at least",
        0.8,
        _ratio(_SPEED, _growth(growth="journeys", journeys=1_000), _growth(growth="base")),
    ),
    Goal(
        "100 live instances per user, speed with 1",
        "at least",
        0.5,
        _ratio(
            _SPEED,
            _growth(growth="instances", instances=100),
            _growth(growth="instances", instances=1),
        ),
    ),
    *_of_latency(500),
    *_of_latency(2_000),
    Goal(
        "restore per worker",
        "at least",
        100_000,
        _median("records_per_s", part="restore"),
        "records/s",
    ),
    Goal(
        "from kill -9 of the only worker to the next action",
        "at most",
        8,
        _median("recovery_s", part="recovery", workers=1),
        "s",
    ),
    Goal(
        "from kill -9 of one of two workers to the next action",
        "at most",
        8,
        _median("recovery_s", part="recovery", workers=2),
        "s",
    ),
    Goal(
        f"memory at {USERS:,} users",
        "at most",
        300,
        _median("rss_mb", **_growth(growth="users", users=USERS)),
        "MB",
    ),
    Goal(
        "memory at 2,000,000 users",
        "at most",
        600,
        _median("rss_mb", **_growth(growth="users", users=2_000_000)),
        "MB",
    ),
    Goal(
        "backtest of one journey on one core",
        "at least",
        100_000,
        _median(_SPEED, part="backtest", work="shop"),
        "events/s",
    ),
    Goal(
        "two workers on two cores, CPU per event of one",
        "at most",
        1.15,
        _ratio(_CPU, _growth(growth="workers", workers=2), _growth(growth="workers", workers=1)),
    ),
    Goal(
        "CPU of a nearly idle worker (500 events/s)",
        "at most",
        20,
        _median("worker_cpu_percent", **_latency(_OURS, 500)),
        "% of a core",
    ),
)
