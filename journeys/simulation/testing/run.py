"""Runs the journey tests of a file and reports each expectation that failed.

Law: a test runs the real engine on a virtual clock; only the responses of destinations are canned.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from journeys.catalog.running import RunningCatalog
from journeys.records.user_record import Instance
from journeys.schema.places import dotted
from journeys.simulation.scenario import Scenario, TimelineEntry, parse_moment
from journeys.simulation.testing.expectations import TestResult, mismatches
from journeys.simulation.testing.suite import Given, SuiteFile, data_of, expects, known_keys
from journeys.time import format_time


@dataclass(frozen=True, slots=True)
class Failure:
    """An expectation that failed.

    Attributes:
        line: where the expectation is written.
        what: the expectation, such as `actions[0].payload`.
        expected, found: both in words.
    """

    line: int
    what: str
    expected: str
    found: str


@dataclass(frozen=True, slots=True)
class Result:
    """The result of one test; it passed if there are no failures."""

    name: str
    line: int
    failures: tuple[Failure, ...]
    timeline: tuple[TimelineEntry, ...]
    waiting: tuple[Instance, ...]


def run_test(tests: SuiteFile, number: int, catalog: RunningCatalog) -> Result:
    """Run one test of a file.

    Args:
        number: its index in the file, from 0.
    """
    suite, case, path = tests.suite, tests.suite.tests[number], ("tests", number)
    start = parse_moment(case.start or suite.start, parse_moment(suite.start, 0))
    canned = [*case.responses, *suite.responses]
    scenario = Scenario(catalog, case.user or suite.user, start, canned)
    timeline: list[TimelineEntry] = []
    profile = {**(suite.profile or {}), **(case.profile or {})}
    if profile:
        moments = [parse_moment(one.at, start) for one in case.events if one.at is not None]
        timeline += scenario.profile(profile, min([start, *moments]))
    for given in case.events:
        timeline += scenario.event(_wire(given, start))
    until = None if case.until == "end" else parse_moment(case.until, start)
    timeline += scenario.finish(until)
    traits = scenario.record.traits
    keys = known_keys([scenario.user, profile, *map(data_of, case.events)])
    keys |= {one.key for part in timeline for one in part.outcomes if one.key is not None}
    result = TestResult(timeline, scenario.waiting, traits, start, keys)
    failures = [
        Failure(tests.line((*path, "expect")), "the engine", "no failure", letter.detail.strip())
        for one in timeline
        for letter in one.dead
    ]
    for at, expect in expects(case, path):
        for where, expected, found in mismatches(expect, result):
            line = tests.line((*at, *where))
            failures.append(Failure(line, dotted((*at, *where)[2:]), expected, found))
    return Result(case.name, tests.line(path), tuple(failures), tuple(timeline), scenario.waiting)


def _wire(given: Given, start: int) -> Mapping[str, Any]:
    wire = given.model_dump(by_alias=True, exclude_none=True, exclude={"received_at"})
    for field in ("properties", "context", "traits", "traits_once"):
        if (value := getattr(given, field)) is not None:
            wire[field] = value  # including its nulls
    if given.received_at is not None:
        wire["receivedAt"] = format_time(parse_moment(given.received_at, start))
    return wire
