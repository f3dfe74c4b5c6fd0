"""`journeys pause`, `resume` and `archive`: the lifecycle of journeys.

Law: each pushes a document of kind Lifecycle, so a later apply of the journey's file doesn't undo
it.
"""

from __future__ import annotations

from typing import Annotated

import typer

from agents.terminal.options import VerdictAsJson, VerdictTimeout
from agents.terminal.text import echo, echo_json

Names = Annotated[
    list[str], typer.Argument(metavar="NAME...", help="The journeys.", show_default=False)
]


def pause(names: Names, timeout: VerdictTimeout = 30.0, as_json: VerdictAsJson = False) -> None:
    """Pause journeys: nobody enters, nobody moves on; waits are kept.

    Global exits and goals still work. The exit codes are those of `apply`.
    """
    _push(names, "paused", timeout, as_json)


def resume(names: Names, timeout: VerdictTimeout = 30.0, as_json: VerdictAsJson = False) -> None:
    """Run journeys, also drafts; instances held up by a pause continue as `on_resume` says.

    The exit codes are those of `apply`.
    """
    _push(names, "running", timeout, as_json)


def archive(names: Names, timeout: VerdictTimeout = 30.0, as_json: VerdictAsJson = False) -> None:
    """End journeys: nobody enters, and live instances exit with reason `archived`.

    The exit codes are those of `apply`.
    """
    _push(names, "archived", timeout, as_json)


def _push(names: list[str], status: str, timeout: float, as_json: bool) -> None:
    import yaml

    from agents.client.push import REJECTED, Joined, push

    documents = [{"kind": "Lifecycle", "name": name, "status": status} for name in names]
    text = yaml.safe_dump_all(documents, sort_keys=False, allow_unicode=True).encode()
    verdict = push(Joined({"journeys": text}), timeout)
    if as_json:
        echo_json(verdict.as_json())
    else:
        for problem in verdict.problems:
            echo(f"journeys: {problem.message}", err=True)
        for one in verdict.documents:
            changed = "" if one["changed"] else ", as before"
            echo(f"Journey/{one['name']} {one['version']} is {one['status']}{changed}")
    if verdict.problems:
        raise typer.Exit(REJECTED)
