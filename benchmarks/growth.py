"""How the evaluate role's figures grow with users, journeys, instances, events and workers.

Law: one parameter differs at a time. Existing users and instances are created by the workers before
the measurement starts.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from benchmarks.cluster import Cluster
from benchmarks.input import baskets, everybody, records, traffic
from benchmarks.journey_set import shops
from benchmarks.processes import Meter
from benchmarks.real import GUARANTEE, NAME, JourneysRun
from benchmarks.results import Result, rounded
from benchmarks.throughput import Load, described, race
from benchmarks.traffic import SIZE, Traffic

EVENTS = 100_000
FEW_USERS = 1_000
"""Where each has many instances."""
MANY_USERS = 2_000_000

Before = Callable[[], Iterator[tuple[str, dict[str, Any]]]]


@dataclass(frozen=True)
class Point:
    """One measurement.

    Attributes:
        growth: the parameter that differs; `base`: none; it is a point of every growth without a
            `before`.
        before: events that the workers apply before the measurement.
        instances: live instances per user after that.
        late: whether the input is written when the workers are ready, instead of before they start.
        once: whether one round is enough.
        brief: whether it is part of a short run.
    """

    growth: str
    traffic: Traffic = field(default_factory=Traffic)
    events: int = EVENTS
    journeys: int = 10
    partitions: int = 4
    workers: int = 1
    before: Before | None = None
    instances: int | None = None
    late: bool = False
    once: bool = False
    brief: bool = False


def points(events: int = EVENTS) -> list[Point]:
    """All points. events: the number of events of each; fewer if events are large."""
    return [
        Point("base", events=events, brief=True),
        *(
            Point(
                "journeys",
                Traffic(shops=shops(count)),
                events,
                journeys=count,
                brief=count == 1_000,
            )
            for count in (1, 100, 1_000)
        ),
        *(
            Point(
                "instances",
                Traffic(users=FEW_USERS),
                events,
                before=lambda each=each: baskets(FEW_USERS, each),
                instances=each,
            )
            for each in (1, 10, 100)
        ),
        *(
            Point(
                "event_bytes",
                Traffic(size=size),
                min(events, events * SIZE * 4 // size),
            )
            for size in (300, 1_000, 5_000)
        ),
        *(Point("partitions", events=events, partitions=count) for count in (1, 8)),
        *(
            Point("workers", events=events, workers=count, late=True, brief=True)
            for count in (1, 2)
        ),
        *(
            Point(
                "users",
                Traffic(users=users),
                events,
                before=lambda users=users: everybody(users),
                once=users == MANY_USERS,
            )
            for users in (20_000, 200_000, MANY_USERS)
        ),
    ]


def measure(cluster: Cluster, point: Point, number: int) -> Result:
    """Measure one point in the round `number`."""
    load = Load(point.traffic, point.events, point.partitions)
    events = traffic(point.traffic, point.events, point.partitions)
    peak = 0.0
    with JourneysRun(cluster, point.journeys, point.partitions, point.workers) as run:
        if point.before is not None:
            peak = _prepare(cluster, run, point)
        starts = run.mark()
        if point.late:
            expected = run.foreseen(events, starts)

            def load_late() -> None:
                run.wait_ready()
                cluster.load(run.input, events)

            figures, problems = race(cluster, run, expected, starts[run.input], load_late)
        else:
            cluster.load(run.input, events)
            expected = run.expected(starts)
            figures, problems = race(cluster, run, expected, starts[run.input])
        run.stop()
        verdict = run.verify(expected, starts)
    if "rss_mb" in figures:
        figures["rss_mb"] = rounded(max(peak, figures["rss_mb"]))
    return Result(
        part="growth",
        growth=point.growth,
        contender=NAME,
        work="journeys",
        guarantee=GUARANTEE,
        round=number,
        journeys=point.journeys,
        workers=point.workers,
        instances=point.instances,
        **described(load, verdict, problems),
        **figures,
    )


def _prepare(cluster: Cluster, run: JourneysRun, point: Point) -> float:
    """Apply the events before the measurement and stop; returns the peak memory, MB."""
    assert point.before is not None
    cluster.load(run.input, records(point.before(), point.partitions))
    run.start()
    run.wait_applied()
    peak = Meter(run.pids(), cluster.pid).peak_mb()
    run.stop()
    return peak
