"""Measures everything side by side: `make bench`, or a part of it.

    python -m benchmarks [--only PART,...] [--contenders NAME,...] [--rounds 3] [--short]

Within a part the contenders take turns, round by round, on one embedded Kafka. Every measurement
is written into benchmarks/results.json as soon as it is there; what is measured again is replaced.
"""

from __future__ import annotations

import argparse
import sys
import traceback
from collections.abc import Callable, Iterable, Iterator

from benchmarks import growth, latency, machine, pure, recovery, report, results, throughput
from benchmarks.cluster import Cluster
from benchmarks.real import GUARANTEE, NAME
from benchmarks.results import PATH, Result
from benchmarks.tables import one_line, tables
from benchmarks.throughput import Load, SharedInput
from benchmarks.toys import TOYS, Toy
from benchmarks.traffic import Traffic

PARTS = ("throughput", "latency", "growth", "recovery", "restore", "backtest")
SHORT = PATH.with_name("short.json")

Measure = Callable[[], Iterable[Result]]


def main() -> int:
    options = _options()
    path = SHORT if options.short else PATH
    kept = [] if options.short or not path.exists() else results.load(path)
    found = [
        one
        for one in kept
        if one.part not in options.only or (options.contenders and not _chosen(options, one))
    ]
    where = machine.described()
    print(where, flush=True)
    with Cluster() as cluster:
        for part, measure in _measurements(options, cluster):
            for one in _tried(part, measure):
                one.machine, one.measured = where, machine.now()
                found.append(one)
                results.save(found, path)
                print(one_line(one), flush=True)
    print(tables(found))
    if not options.short:
        report.write(found)
    return 0 if all(one.verified is not False for one in found if one.contender == NAME) else 1


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks", description=__doc__.split("\n")[0]
    )
    parser.add_argument("--rounds", type=int, help="how often; 3, and 1 of --short")
    parser.add_argument("--only", type=_listed, default=PARTS, help=f"of {', '.join(PARTS)}")
    parser.add_argument("--contenders", type=_listed, default=(), help="names; all unless given")
    parser.add_argument("--events", type=int, help="of a throughput run; 300,000, or 60,000")
    parser.add_argument(
        "--short",
        action="store_true",
        help="one round with few events, into benchmarks/short.json and without the page",
    )
    options = parser.parse_args()
    if unknown := set(options.only) - set(PARTS):
        parser.error(f"no part is named {', '.join(unknown)}")
    if unknown := set(options.contenders) - {NAME, *(toy.name for toy in TOYS)}:
        parser.error(f"no contender is named {', '.join(unknown)}")
    options.rounds = options.rounds or (1 if options.short else 3)
    options.events = options.events or (60_000 if options.short else 300_000)
    return options


def _listed(text: str) -> tuple[str, ...]:
    return tuple(text.split(","))


def _chosen(options: argparse.Namespace, result: Result) -> bool:
    return result.contender in options.contenders


def _measurements(
    options: argparse.Namespace, cluster: Cluster
) -> Iterator[tuple[Result, Measure]]:
    """What is to be measured, in order, each with what to tell where it fails."""
    toys = [toy for toy in TOYS if not options.contenders or toy.name in options.contenders]
    ours = not options.contenders or NAME in options.contenders
    rounds = range(1, options.rounds + 1)
    for part in options.only:
        if part == "throughput":
            yield from _throughput(cluster, toys, ours, rounds, options.events)
        elif part == "latency":
            yield from _latency(cluster, toys, ours, rounds, options.short)
        elif ours and part == "growth":
            events = min(growth.EVENTS, options.events // 2)
            for number in rounds:
                for point in growth.points(events):
                    if number == 1 or not point.once:
                        if options.short and point.once:
                            continue
                        yield (
                            _failed(part, NAME, "journeys", GUARANTEE, number),
                            lambda p=point, n=number: [growth.measure(cluster, p, n)],
                        )
        elif ours:
            for number in rounds:
                told = _failed(part, NAME, "journeys", GUARANTEE, number)
                if part == "recovery":
                    for workers in (1, 2):
                        yield (
                            told,
                            lambda w=workers, n=number: [recovery.measure(cluster, w, n)],
                        )
                elif part == "restore":
                    yield told, lambda n=number: [recovery.restore(cluster, n)]
                else:
                    yield told, lambda n=number: [pure.measure(n)]


def _throughput(
    cluster: Cluster, toys: list[Toy], ours: bool, rounds: range, events: int
) -> Iterator[tuple[Result, Measure]]:
    whole, part = Load(Traffic(), events), "throughput"
    for number in rounds:
        with SharedInput(cluster, whole) as source:
            for toy in toys:
                told = _failed(part, toy.name, "toy", toy.guarantee, number)
                if toy.share == 1:
                    yield (
                        told,
                        lambda t=toy, n=number: [throughput.measure_toy(cluster, t, source, n)],
                    )
                    continue
                with SharedInput(cluster, Load(Traffic(), int(events * toy.share))) as less:
                    yield (
                        told,
                        lambda t=toy, n=number, s=less: [throughput.measure_toy(cluster, t, s, n)],
                    )
        if ours:
            yield (
                _failed(part, NAME, "journeys", GUARANTEE, number),
                lambda n=number: [throughput.measure_journeys(cluster, whole, n)],
            )


def _latency(
    cluster: Cluster, toys: list[Toy], ours: bool, rounds: range, short: bool
) -> Iterator[tuple[Result, Measure]]:
    plan = latency.Plan(seconds=5.0) if short else latency.Plan()
    for number in rounds:
        if ours:
            yield (
                _failed("latency", NAME, "journeys", GUARANTEE, number),
                lambda n=number: latency.measure_journeys(cluster, plan, n),
            )
        for toy in toys:
            yield (
                _failed("latency", toy.name, "toy", toy.guarantee, number),
                lambda t=toy, n=number: latency.measure_toy(cluster, t, plan, n),
            )


def _failed(part: str, contender: str, work: str, guarantee: str, number: int) -> Result:
    return Result(
        part=part,
        contender=contender,
        work=work,
        guarantee=guarantee,
        round=number,
        verified=False,
    )


def _tried(failed: Result, measure: Measure) -> list[Result]:
    """What was measured, or that it failed: the others are measured all the same."""
    try:
        return list(measure())
    except Exception as error:  # noqa: BLE001 - told as a result
        traceback.print_exc()
        failed.problems = [f"{type(error).__name__}: {error}"]
        return [failed]


if __name__ == "__main__":
    sys.exit(main())
