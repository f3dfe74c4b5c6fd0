"""Measures everything side by side: `make bench`, or a part of it.

    python -m benchmarks [--only PART,...] [--contenders NAME,...] [--rounds 3] [--short]

Within a part the contenders take turns, round by round, on one embedded Kafka. Every measurement
is saved to benchmarks/results.json immediately; it replaces an older one of the same kind.
"""

from __future__ import annotations

import argparse
import sys
import traceback

from benchmarks import machine, report, results
from benchmarks.cluster import Cluster
from benchmarks.plan import PARTS, Plan, Step
from benchmarks.real import NAME
from benchmarks.results import PATH, Result
from benchmarks.tables import one_line, tables
from benchmarks.toys import TOYS

SHORT = PATH.with_name("short.json")


def main() -> int:
    plan = _plan()
    path = SHORT if plan.short else PATH
    before = [] if plan.short or not path.exists() else results.load(path)
    found = [one for one in before if not plan.replaces(one)]
    where = machine.described()
    print(where, flush=True)
    with Cluster() as cluster:
        for step in plan.steps(cluster):
            for one in _done(step):
                one.machine, one.measured = where, machine.now()
                found.append(one)
                results.save(found, path)
                print(one_line(one), flush=True)
    print(tables(found))
    if not plan.short:
        report.write(found)
    return 0 if all(one.verified is not False for one in found if one.contender == NAME) else 1


def _plan() -> Plan:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks", description=__doc__.split("\n")[0]
    )
    parser.add_argument("--only", type=_listed, help=f"the parts to measure, of {', '.join(PARTS)}")
    parser.add_argument("--contenders", type=_listed, default=(), help="names; all unless given")
    parser.add_argument("--rounds", type=int, help="number of rounds: 3, or 1 with --short")
    parser.add_argument(
        "--events", type=int, help="events of a throughput run: 300,000, or 60,000 with --short"
    )
    parser.add_argument(
        "--short",
        action="store_true",
        help=f"one round with few events, into benchmarks/{SHORT.name} and without the page",
    )
    options = parser.parse_args()
    only = options.only or tuple(PARTS)
    if unknown := set(only) - PARTS.keys():
        parser.error(f"no part is named {', '.join(unknown)}")
    if unknown := set(options.contenders) - {NAME, *(toy.name for toy in TOYS)}:
        parser.error(f"no contender is named {', '.join(unknown)}")
    return Plan(
        only=only,
        contenders=options.contenders,
        rounds=options.rounds or (1 if options.short else 3),
        events=options.events or (60_000 if options.short else 300_000),
        short=options.short,
    )


def _listed(text: str) -> tuple[str, ...]:
    return tuple(text.split(","))


def _done(step: Step) -> list[Result]:
    """Run one measurement; a failure becomes a result, so that the others still run."""
    try:
        measured = step.measure()
    except Exception as error:  # noqa: BLE001 - reported as a result
        traceback.print_exc()
        step.failed.problems = [f"{type(error).__name__}: {error}"]
        return [step.failed]
    return [measured] if isinstance(measured, Result) else list(measured)


if __name__ == "__main__":
    sys.exit(main())
