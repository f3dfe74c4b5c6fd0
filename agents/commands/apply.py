"""`journeys apply`: pushes documents as one record and waits for the verdict."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def apply(
    files: Annotated[
        list[Path], typer.Argument(metavar="FILE...", help="Files of YAML documents.")
    ],
    timeout: Annotated[
        float, typer.Option(min=0, metavar="SECONDS", help="How long to wait for the verdict.")
    ] = 30.0,
    as_json: Annotated[bool, typer.Option("--json", help="Print the verdict as JSON.")] = False,
) -> None:
    """Push documents: all of them come into force, or none.

    Exit code 0: accepted. 1: rejected, nothing has changed. 2: no verdict in time; it may still
    come.
    """
    from agents.client.push import REJECTED, Joined, push
    from agents.kinds import KINDS
    from agents.terminal.documents import cleaned, print_problems, read_files
    from journeys.checks.check import check, warnings

    texts, problems = read_files(files)
    if problems:
        print_problems(problems, texts)
        raise typer.Exit(REJECTED)
    verdict = push(Joined(texts), timeout)
    if as_json:
        typer.echo(verdict.as_json())
    elif verdict.problems:
        print_problems(verdict.problems, texts)
    else:
        for one in verdict.documents:
            changed = "changed" if one["changed"] else "unchanged"
            typer.echo(f"{one['kind']}/{one['name']} {one['version']} ({changed})")
        new = {f"{one['kind']}/{one['name']}" for one in verdict.documents if one["changed"]}
        for warning in warnings(check(texts.items(), KINDS)[0]):
            if warning.document in new:
                typer.secho(cleaned(str(warning)), fg="yellow", err=True)
    if verdict.problems:
        if not as_json:
            typer.secho("rejected: nothing has changed", fg="red", err=True)
        raise typer.Exit(REJECTED)
