"""`journeys test`: runs the tests of journeys, without Kafka.

Law: tests run on the real engine; the exit code says whether all passed.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from agents.errors import UserError
from agents.terminal.junit import FinishedTest
from agents.terminal.text import echo

if TYPE_CHECKING:
    from journeys.catalog.running import RunningCatalog
    from journeys.problems import Problem
    from journeys.simulation.testing.suite import SuiteFile


def run_tests(
    paths: Annotated[
        list[Path] | None,
        typer.Argument(
            metavar="[PATH...]",
            help="Files of tests, or folders that are searched for them. Default: here.",
            show_default=False,
        ),
    ] = None,
    junit: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Write the results as JUnit XML.", show_default=False),
    ] = None,
) -> None:
    """Run tests of journeys, on a virtual clock.

    Exit code 1 when one fails, or a file has problems.
    """
    from agents.terminal.documents import print_problems
    from agents.terminal.files import read_files
    from agents.terminal.junit import write_junit

    began = time.perf_counter()
    ran: list[FinishedTest] = []
    read = read_files(paths or [Path()], report=False)
    wrong = [problem for problem in read.problems if not Path(problem.file).is_dir()]
    if not read.tests and not wrong:
        where = ", ".join(map(str, paths or [Path()]))
        raise UserError(f"no tests in {where}: expected files named *.test.yaml")
    texts = {**read.tests}
    for file in read.tests:
        echo(f"{file} ", nl=False)
        prepared = _prepare(file, texts)
        if isinstance(prepared, list):
            wrong += prepared
            echo(("E", "red"))
            continue
        for one in prepared:
            ran.append(one)
            failed = bool(one.result.failures)
            echo(("F", "red") if failed else (".", "green"), nl=False)
        echo("")
    failed_tests = [one for one in ran if one.result.failures]
    if wrong or failed_tests:
        echo("")
    print_problems(wrong, texts)
    for one in failed_tests:
        _print_failure(one)
    if junit is not None:
        write_junit(junit, ran, wrong)
    counts = [
        (len(failed_tests), "failed", "red"),
        (len(ran) - len(failed_tests), "passed", "green"),
        (len(wrong), "problems" if len(wrong) > 1 else "problem", "red"),
    ]
    said = [(f"{count} {word}", colour) for count, word, colour in counts if count]
    commas = [part for one in said for part in (", ", one)][1:]
    echo(*commas, f" in {time.perf_counter() - began:.2f} s")
    if wrong or failed_tests:
        raise typer.Exit(1)


def _prepare(file: str, texts: dict[str, bytes]) -> Iterator[FinishedTest] | list[Problem]:
    """The tests of a file, run one by one as they are read; or the problems of the file."""
    from agents.terminal.files import load_tests
    from journeys.catalog.running import RunningCatalog
    from journeys.simulation.scenario import with_drafts

    loaded = load_tests(file, texts[file], texts)
    if isinstance(loaded, list):
        return loaded
    tests, catalog = loaded
    running = RunningCatalog(with_drafts(catalog))
    return (_run(tests, number, running) for number in range(len(tests.suite.tests)))


def _run(tests: SuiteFile, number: int, catalog: RunningCatalog) -> FinishedTest:
    from journeys.simulation.testing.run import run_test
    from journeys.views.timeline import describe, describe_waits

    began = time.perf_counter()
    result = run_test(tests, number, catalog)
    seconds = time.perf_counter() - began
    story = (
        [*describe(result.timeline, catalog), *describe_waits(result.waiting, catalog)]
        if result.failures
        else []
    )
    return FinishedTest(tests.findings.source.file, result, story, seconds)


def _print_failure(test: FinishedTest) -> None:
    echo(("FAILED", "bold red"), f" {test.file}:{test.result.line}: {test.result.name}")
    for failure in test.result.failures:
        echo(f"  {test.file}:{failure.line}: {failure.what}")
        echo(f"    expected  {failure.expected}")
        echo(f"    found     {failure.found}")
    echo("  what happened:")
    for line in test.timeline:
        echo(f"    {line}")
    echo("")
