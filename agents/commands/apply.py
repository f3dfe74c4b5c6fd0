"""`journeys apply`: pushes documents as one record and waits for the verdict."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from agents.terminal.options import VerdictAsJson, VerdictTimeout
from agents.terminal.text import echo, echo_json


def apply(
    files: Annotated[
        list[Path],
        typer.Argument(metavar="FILE...", help="Files of YAML documents, or folders of them."),
    ],
    timeout: VerdictTimeout = 30.0,
    as_json: VerdictAsJson = False,
) -> None:
    """Push documents: all of them become active, or none.

    Exit code 0: accepted. 1: rejected, nothing has changed. 2: no verdict in time; it may still
    arrive.
    """
    from agents.client.push import REJECTED, Joined, push
    from agents.kinds import KINDS
    from agents.terminal.documents import documents_of, print_problems
    from agents.terminal.files import read_files
    from journeys.checks.check import check, warnings

    read = read_files(files)
    if read.problems:
        print_problems(read.problems, {})
        raise typer.Exit(REJECTED)
    texts = documents_of(read)
    verdict = push(Joined(texts), timeout)
    if as_json:
        echo_json(verdict.as_json())
    elif verdict.problems:
        print_problems(verdict.problems, texts)
    else:
        for one in verdict.documents:
            echo(f"{one['kind']}/{one['name']} {one['version']} ({one['change']})")
        new = {f"{one['kind']}/{one['name']}" for one in verdict.documents if one["changed"]}
        for warning in warnings(check(texts.items(), KINDS)[0]):
            if warning.document in new:
                echo((str(warning), "yellow"), err=True)
    if verdict.problems:
        if not as_json:
            echo(("rejected: nothing has changed", "red"), err=True)
        raise typer.Exit(REJECTED)
