"""`journeys test`: runs the tests of journeys, without Kafka.

Law: tests run on the engine itself; the exit code says whether all passed.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from agents.errors import UserError
from agents.terminal.junit import FinishedTest

if TYPE_CHECKING:
    from journeys.catalog.running import RunningCatalog
    from journeys.problems import Problem
    from journeys.simulation.testing.suite import SuiteFile

PATTERNS = ("*.test.yaml", "*.test.yml")


def run_tests(
    paths: Annotated[
        list[Path] | None,
        typer.Argument(
            metavar="[PATH...]",
            help="Files of tests, or folders that are searched for *.test.yaml. Default: here.",
            show_default=False,
        ),
    ] = None,
    junit: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Write the results as JUnit XML.", show_default=False),
    ] = None,
) -> None:
    """Run tests of journeys, on a virtual clock.

    Exit code 1 when one fails, or a file is wrong.
    """
    from agents.terminal.documents import print_problems
    from agents.terminal.junit import write_junit

    began = time.perf_counter()
    ran: list[FinishedTest] = []
    wrong: list[Problem] = []
    texts: dict[str, bytes] = {}
    for file in _files(paths or [Path()]):
        typer.echo(f"{file} ", nl=False)
        prepared = _prepare(file, texts)
        if isinstance(prepared, list):
            wrong += prepared
            typer.secho("E", fg="red")
            continue
        for one in prepared:
            ran.append(one)
            failed = bool(one.result.failures)
            typer.secho("F" if failed else ".", fg="red" if failed else "green", nl=False)
        typer.echo()
    failed_tests = [one for one in ran if one.result.failures]
    if wrong or failed_tests:
        typer.echo()
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
    said = ", ".join(
        typer.style(f"{count} {word}", fg=colour) for count, word, colour in counts if count
    )
    typer.echo(f"{said} in {time.perf_counter() - began:.2f} s")
    if wrong or failed_tests:
        raise typer.Exit(1)


def _files(paths: list[Path]) -> list[Path]:
    """The files of tests, each once: those named, and those in the folders named, but for hidden
    folders."""
    found: dict[Path, None] = {}
    for path in paths:
        if not path.exists():
            raise UserError(f"{path} does not exist")
        if not path.is_dir():
            found[path] = None
            continue
        below = sorted(file for pattern in PATTERNS for file in path.rglob(pattern))
        for file in below:
            if not any(part.startswith(".") for part in file.relative_to(path).parts):
                found[file] = None
    if not found:
        where = ", ".join(map(str, paths))
        raise UserError(f"no tests in {where}: expected files named *.test.yaml")
    return list(found)


def _prepare(file: Path, texts: dict[str, bytes]) -> Iterator[FinishedTest] | list[Problem]:
    """The tests of a file, run one by one as they are read; or the problems of the file."""
    from agents.kinds import KINDS
    from agents.terminal.documents import read_files
    from journeys.catalog.catalog import Rejected, catalog_of
    from journeys.catalog.running import RunningCatalog
    from journeys.simulation.scenario import with_drafts
    from journeys.simulation.testing.suite import read_tests
    from journeys.simulation.testing.words import check_names

    read, problems = read_files([file])
    texts |= read
    tests = problems or read_tests(read[str(file)], str(file))
    if isinstance(tests, list):
        return tests
    documents, problems = read_files([file.parent / one for one in tests.documents])
    texts |= documents
    catalog = Rejected(problems) if problems else catalog_of(documents.items(), KINDS)
    if isinstance(catalog, Rejected):
        return catalog.problems
    if problems := check_names(tests, catalog):
        return problems
    running = RunningCatalog(with_drafts(catalog))
    return (_run(tests, number, running) for number in range(len(tests.suite.tests)))


def _run(tests: SuiteFile, number: int, catalog: RunningCatalog) -> FinishedTest:
    from journeys.simulation.testing.run import run_test
    from journeys.views.timeline import describe, describe_wait

    began = time.perf_counter()
    result = run_test(tests, number, catalog)
    seconds = time.perf_counter() - began
    story = (
        [*describe(result.timeline, catalog), *map(describe_wait, result.waiting)]
        if result.failures
        else []
    )
    return FinishedTest(tests.findings.source.file, result, story, seconds)


def _print_failure(test: FinishedTest) -> None:
    from agents.terminal.documents import cleaned

    title = typer.style("FAILED", fg="red", bold=True)
    typer.echo(f"{title} {test.file}:{test.result.line}: {cleaned(test.result.name)}")
    for failure in test.result.failures:
        typer.echo(f"  {test.file}:{failure.line}: {cleaned(failure.what)}")
        typer.echo(f"    expected  {cleaned(failure.expected)}")
        typer.echo(f"    found     {cleaned(failure.found)}")
    typer.echo("  what happened:")
    for line in test.timeline:
        typer.echo(f"    {cleaned(line)}")
    typer.echo()
