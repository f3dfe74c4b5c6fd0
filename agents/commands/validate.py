"""`journeys validate`: checks documents using only the given files, without Kafka."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from agents.terminal.text import echo, echo_json

if TYPE_CHECKING:
    from agents.terminal.files import Files
    from journeys.problems import Problem
    from journeys.views.lanes import Lane


_MARKS = {"real_time": "⚡", "batch": "🐌"}


def validate(
    files: Annotated[
        list[Path],
        typer.Argument(
            metavar="FILE...", help="Files of documents, tests or responses; folders of them."
        ),
    ],
    strict: Annotated[
        bool, typer.Option("--strict", help="Exit code 1 for warnings, too.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print what was found as JSON.")] = False,
) -> None:
    """Check documents, tests of journeys and canned responses, using only the given files.

    If the output is not a terminal, each problem is one line, file:line:col: message, or
    file:line:col: warning: message. Exit code 1 when one of them is not a warning.
    """
    from agents.kinds import KINDS
    from agents.terminal.documents import print_problems
    from agents.terminal.files import read_files
    from journeys.checks.check import check, warnings
    from journeys.documents.journey import journeys_among
    from journeys.views.lanes import lanes

    read = read_files(files)
    documents, wrong = check(read.documents.items(), KINDS)
    lint = warnings(documents)
    texts = read.documents | read.tests | read.responses
    wrong += [one for one in _beside(read, texts) if one not in wrong]
    errors = len(read.problems) + len(wrong)
    places = list(dict.fromkeys([*read.order, *texts, *(one.file for one in wrong)]))
    order = {name: number for number, name in enumerate(places)}
    problems = sorted(
        read.problems + wrong + lint, key=lambda one: (order[one.file], one.line, one.column)
    )
    marks = {one.name: lanes(one) for one in journeys_among(one.model for one in documents)}
    if as_json:
        shown = [asdict(problem) for problem in problems]
        found = {
            "documents": len(documents),
            "tests": len(read.tests),
            "problems": shown,
            "lanes": marks,
        }
        echo_json(found)
    else:
        print_problems(problems, texts)
        if not errors:
            _print_lanes(marks)
            _print_counts(len(documents), read, len(lint))
    if errors or (strict and lint):
        raise typer.Exit(1)


def _beside(read: Files, texts: dict[str, bytes]) -> Iterator[Problem]:
    """The problems of the tests and the canned responses; documents that tests name are added to
    the texts."""
    from agents.terminal.files import load_tests
    from journeys.problems import Problem
    from journeys.simulation.canned_responses import read_responses

    for name, text in read.tests.items():
        found = load_tests(name, text, texts)
        yield from found if isinstance(found, list) else ()
    for name, text in read.responses.items():
        yield from (one for one in read_responses(text, name) if isinstance(one, Problem))


def _print_lanes(journeys: Mapping[str, Mapping[str, Lane]]) -> None:
    """Prints, on a terminal, the lane of each journey and of its nodes."""
    if not sys.stdout.isatty():
        return
    for journey, nodes in journeys.items():
        slowest: Lane = "batch" if "batch" in nodes.values() else "real_time"
        echo(f"{_MARKS[slowest]} {journey}")
        for lane, mark in _MARKS.items():
            names = [name for name, its in nodes.items() if its == lane]
            if names:
                echo(f"   {mark} {', '.join(names)}")


def _print_counts(documents: int, read: Files, lint: int) -> None:
    found = [
        f"{_count(documents, 'document')} in {_count(len(read.documents), 'file')}",
        f"{_count(len(read.tests), 'file')} of tests",
        f"{_count(len(read.responses), 'file')} of responses",
    ]
    counts = [len(read.documents), len(read.tests), len(read.responses)]
    summary = ", ".join(text for text, count in zip(found, counts, strict=True) if count)
    summary += ": valid"
    if lint:
        summary += f", {_count(lint, 'warning')}"
    echo((summary, "yellow" if lint else "green"), err=True)


def _count(number: int, word: str) -> str:
    return f"{number} {word}" if number == 1 else f"{number} {word}s"
