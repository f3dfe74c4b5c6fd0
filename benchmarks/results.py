"""The results of measurements: one flat object each, in benchmarks/results.json."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Iterable
from pathlib import Path

import msgspec

PATH = Path(__file__).with_name("results.json")


class Result(msgspec.Struct, kw_only=True):
    """One measurement of one contender. A field is None if the part doesn't measure it.

    part: throughput, latency, growth, recovery, restore or backtest
    work: `toy`, or `journeys`: the real set
    guarantee: the contender's delivery guarantee
    round: 1, 2, ...
    events: the number of inputs
    events_per_s: from the first readable output to the last
    events_per_s_warm: the same of the second half
    cpu_s_per_100k, broker_cpu_s_per_100k: CPU seconds per 100,000 events over the same time
    p50_ms, p99_ms, p99_9_ms: from sending an event to its output being readable
    rate: events per second that were sent
    outputs: the number of outputs, for the latencies
    worker_cpu_percent, broker_cpu_percent: of one core, at that rate
    rss_mb: the contender's peak memory, MB (10^6 bytes)
    growth: the parameter that differs, in the part growth
    users, journeys, instances, event_bytes, partitions, workers: the parameters; instances are
        live instances per user before the measurement
    recovery_s: from kill -9 to the first action of an event sent after it
    records_per_s: of the changelog, restored
    verified: whether every output and every record was as expected
    duplicates: the number of duplicate outputs
    problems: what was not as expected
    machine: the machine and the versions
    measured: the time, UTC
    """

    part: str
    contender: str
    work: str
    guarantee: str
    round: int
    events_per_s: float | None = None
    events_per_s_warm: float | None = None
    cpu_s_per_100k: float | None = None
    broker_cpu_s_per_100k: float | None = None
    p50_ms: float | None = None
    p99_ms: float | None = None
    p99_9_ms: float | None = None
    rss_mb: float | None = None
    verified: bool | None = None
    duplicates: int | None = None
    problems: list[str] = []
    rate: int | None = None
    events: int | None = None
    outputs: int | None = None
    worker_cpu_percent: float | None = None
    broker_cpu_percent: float | None = None
    growth: str | None = None
    users: int | None = None
    journeys: int | None = None
    instances: int | None = None
    event_bytes: int | None = None
    partitions: int | None = None
    workers: int | None = None
    recovery_s: float | None = None
    records_per_s: float | None = None
    machine: str = ""
    measured: str = ""


def save(results: Iterable[Result], path: Path = PATH) -> None:
    """Write all results, one per line; the file is replaced atomically."""
    lines = ",\n".join(msgspec.json.encode(one).decode() for one in results)
    temporary = path.with_suffix(".tmp")
    temporary.write_text(f"[\n{lines}\n]\n", "utf-8")
    temporary.replace(path)


def load(path: Path = PATH) -> list[Result]:
    return msgspec.json.decode(path.read_bytes(), type=list[Result])


def rounded(value: float, digits: int = 4) -> float:
    """Round to a number of significant digits."""
    return float(f"{value:.{digits}g}")


def median(
    results: Iterable[Result], figure: str, chosen: Callable[[Result], bool] = lambda one: True
) -> float | None:
    """The median of a figure over the results that have it, or None."""
    found = [
        value for one in results if chosen(one) and (value := getattr(one, figure)) is not None
    ]
    return statistics.median(found) if found else None
