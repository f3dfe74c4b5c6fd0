"""The order of measurements: part by part, within a part round by round, contenders in turn."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import NamedTuple

from benchmarks import growth, latency, pure, recovery, throughput
from benchmarks.cluster import Cluster
from benchmarks.real import GUARANTEE, NAME
from benchmarks.results import Result
from benchmarks.throughput import Load, SharedInput
from benchmarks.toys import TOYS, Toy
from benchmarks.traffic import Traffic

Measure = Callable[[], Result | Iterable[Result]]


class Step(NamedTuple):
    """One measurement, and how its failure is reported."""

    measure: Measure
    failed: Result


@dataclass(frozen=True)
class Plan:
    """The requested measurements.

    Attributes:
        only: names of PARTS, in the order in which they are measured.
        contenders: their names; all where it is empty.
        rounds: how often.
        events: of a throughput run.
        short: whether few figures will do.
    """

    only: Sequence[str]
    contenders: Sequence[str]
    rounds: int
    events: int
    short: bool

    def measures(self, contender: str) -> bool:
        return not self.contenders or contender in self.contenders

    @property
    def toys(self) -> list[Toy]:
        return [toy for toy in TOYS if self.measures(toy.name)]

    def replaces(self, result: Result) -> bool:
        """Whether the plan measures an older result again."""
        return result.part in self.only and self.measures(result.contender)

    def steps(self, cluster: Cluster) -> Iterator[Step]:
        """All steps, generated lazily: run each before taking the next."""
        for part in self.only:
            for number in range(1, self.rounds + 1):
                yield from PARTS[part](self, cluster, number)


def _throughput(plan: Plan, cluster: Cluster, number: int) -> Iterator[Step]:
    whole = Load(Traffic(), plan.events)
    with SharedInput(cluster, whole) as source:
        for toy in plan.toys:
            if toy.share == 1:
                yield _of_toy(toy, number, source, cluster)
                continue
            less = Load(Traffic(), int(plan.events * toy.share))
            with SharedInput(cluster, less) as some:
                yield _of_toy(toy, number, some, cluster)
    if plan.measures(NAME):
        measure = partial(throughput.measure_journeys, cluster, whole, number)
        yield Step(measure, _failed("throughput", number))


def _of_toy(toy: Toy, number: int, source: SharedInput, cluster: Cluster) -> Step:
    measure = partial(throughput.measure_toy, cluster, toy, source, number)
    return Step(measure, _failed("throughput", number, toy))


def _latency(plan: Plan, cluster: Cluster, number: int) -> Iterator[Step]:
    sending = latency.Plan((500, 2_000), 4.0) if plan.short else latency.Plan()
    if plan.measures(NAME):
        measure = partial(latency.measure_journeys, cluster, sending, number)
        yield Step(measure, _failed("latency", number))
    for toy in plan.toys:
        measure = partial(latency.measure_toy, cluster, toy, sending, number)
        yield Step(measure, _failed("latency", number, toy))


def _growth(plan: Plan, cluster: Cluster, number: int) -> Iterator[Step]:
    if plan.measures(NAME):
        for point in growth.points(min(growth.EVENTS, plan.events // 2)):
            if point.brief if plan.short else (number == 1 or not point.once):
                measure = partial(growth.measure, cluster, point, number)
                yield Step(measure, _failed("growth", number))


def _recovery(plan: Plan, cluster: Cluster, number: int) -> Iterator[Step]:
    if plan.measures(NAME):
        for workers in (1, 2):
            measure = partial(recovery.measure, cluster, workers, number)
            yield Step(measure, _failed("recovery", number))


def _restore(plan: Plan, cluster: Cluster, number: int) -> Iterator[Step]:
    if plan.measures(NAME):
        yield Step(partial(recovery.restore, cluster, number), _failed("restore", number))


def _backtest(plan: Plan, cluster: Cluster, number: int) -> Iterator[Step]:
    if plan.measures(NAME):
        yield Step(partial(pure.measure, number), _failed("backtest", number))


PARTS: dict[str, Callable[[Plan, Cluster, int], Iterator[Step]]] = {
    "throughput": _throughput,
    "latency": _latency,
    "growth": _growth,
    "recovery": _recovery,
    "restore": _restore,
    "backtest": _backtest,
}


def _failed(part: str, number: int, toy: Toy | None = None) -> Result:
    return Result(
        part=part,
        contender=NAME if toy is None else toy.name,
        work="journeys" if toy is None else "toy",
        guarantee=GUARANTEE if toy is None else toy.guarantee,
        round=number,
        verified=False,
    )
