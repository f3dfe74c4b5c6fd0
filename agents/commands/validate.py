"""`journeys validate`: checks documents by the given files alone, without Kafka."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from journeys.views.lanes import Lane


_MARKS = {"real_time": "⚡", "batch": "🐌"}


def validate(
    files: Annotated[
        list[Path], typer.Argument(metavar="FILE...", help="Files of YAML documents.")
    ],
    strict: Annotated[
        bool, typer.Option("--strict", help="Exit code 1 for warnings, too.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print what was found as JSON.")] = False,
) -> None:
    """Check documents, by the given files alone.

    Off a terminal each problem is one line, file:line:col: message, or file:line:col: warning:
    message. Exit code 1 when there is one that is no warning.
    """
    from agents.kinds import KINDS
    from agents.terminal.documents import print_problems, read_files
    from journeys.checks.check import check, warnings
    from journeys.documents.journey import journeys_among
    from journeys.views.lanes import lanes

    texts, unread = read_files(files)
    documents, wrong = check(texts.items(), KINDS)
    lint = warnings(documents)
    errors = len(unread) + len(wrong)
    order = {str(path): number for number, path in enumerate(files)}
    problems = sorted(
        unread + wrong + lint, key=lambda one: (order[one.file], one.line, one.column)
    )
    marks = {one.name: lanes(one) for one in journeys_among(one.model for one in documents)}
    if as_json:
        shown = [asdict(problem) for problem in problems]
        found = {"documents": len(documents), "problems": shown, "lanes": marks}
        typer.echo(json.dumps(found))
    else:
        print_problems(problems, texts)
        if not errors:
            _print_lanes(marks)
            _print_counts(len(documents), len(texts), len(lint))
    if errors or (strict and lint):
        raise typer.Exit(1)


def _print_lanes(journeys: Mapping[str, Mapping[str, Lane]]) -> None:
    """Prints, on a terminal, the lane of each journey and of its nodes."""
    if not sys.stdout.isatty():
        return
    for journey, nodes in journeys.items():
        slowest: Lane = "batch" if "batch" in nodes.values() else "real_time"
        typer.echo(f"{_MARKS[slowest]} {journey}")
        for lane, mark in _MARKS.items():
            names = [name for name, its in nodes.items() if its == lane]
            if names:
                typer.echo(f"   {mark} {', '.join(names)}")


def _print_counts(documents: int, files: int, lint: int) -> None:
    summary = f"{_count(documents, 'document')} in {_count(files, 'file')}: valid"
    if lint:
        summary += f", {_count(lint, 'warning')}"
    typer.secho(summary, fg="yellow" if lint else "green", err=True)


def _count(number: int, word: str) -> str:
    return f"{number} {word}" if number == 1 else f"{number} {word}s"
