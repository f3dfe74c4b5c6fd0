"""`journeys validate`: whether documents hold, by the given files alone and without Kafka."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Annotated

import typer


def validate(
    files: Annotated[
        list[Path], typer.Argument(metavar="FILE...", help="Files of YAML documents.")
    ],
    as_json: Annotated[bool, typer.Option("--json", help="Print what was found as JSON.")] = False,
) -> None:
    """Check documents, by the given files alone.

    Off a terminal each problem is one line, file:line:col: message. Exit code 1 when there is one.
    """
    from agents.commands import _documents
    from journeys.check import check
    from journeys.documents import Journey

    texts, problems = _documents.read_files(files)
    documents, found = check(texts.items(), {})
    order = {str(path): number for number, path in enumerate(files)}
    problems = sorted(problems + found, key=lambda problem: order[problem.file])
    if as_json:
        shown = [_documents.as_json(problem) for problem in problems]
        typer.echo(json.dumps({"documents": len(documents), "problems": shown}))
    else:
        _documents.print_problems(problems, texts)
    if problems:
        raise typer.Exit(1)
    if not as_json:
        if sys.stdout.isatty():
            for one in documents:
                if isinstance(one.model, Journey):
                    # Every node type there is runs in real time.
                    nodes = _count(len(one.model.nodes), "node")
                    typer.echo(f"⚡ {one.name}: {nodes} in real time")
        counts = f"{_count(len(documents), 'document')} in {_count(len(texts), 'file')}"
        typer.secho(f"{counts}: valid", fg="green", err=True)


def _count(number: int, word: str) -> str:
    return f"{number} {word}" if number == 1 else f"{number} {word}s"
