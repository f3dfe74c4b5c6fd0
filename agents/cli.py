"""The command `journeys`: combines the commands and prints a user's errors as one line.

Law: the exit code is 2 if the command line itself can't be parsed.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Annotated

import typer
from typer.core import TyperGroup

from agents.compiled import is_compiled, refuse_stale
from agents.errors import UserError
from agents.settings import unknown_settings
from agents.terminal.text import echo, echo_lines

if TYPE_CHECKING:
    from typer._click import Context, HelpFormatter

# The help lists them in this order, which is the order of use.
PANELS = {
    "Journeys": "validate test simulate draw backtest schema plan apply pause resume archive",
    "Data": "send tail dead",
    "The engine": "demo up worker topics kafka",
}
NAMES = " ".join(PANELS.values()).split()


def _load(name: str) -> Callable[..., None] | typer.Typer:
    """Imports only this command's module, as importing all takes longer than most commands run."""
    match name:
        case "validate":
            from agents.commands import validate

            return validate.validate
        case "test":
            from agents.commands import test

            return test.run_tests
        case "simulate":
            from agents.commands import simulate

            return simulate.simulate
        case "draw":
            from agents.commands import draw

            return draw.draw
        case "backtest":
            from agents.commands import backtest

            return backtest.backtest
        case "schema":
            from agents.commands import schema

            return schema.schema
        case "plan":
            from agents.commands import plan

            return plan.plan
        case "apply":
            from agents.commands import apply

            return apply.apply
        case "pause" | "resume" | "archive":
            from agents.commands import lifecycle

            found: Callable[..., None] = getattr(lifecycle, name)
            return found
        case "send":
            from agents.commands import send

            return send.send
        case "tail":
            from agents.commands import tail

            return tail.tail
        case "dead":
            from agents.commands import dead

            return dead.app
        case "demo":
            from agents.demo import command

            return command.demo
        case "up":
            from agents.commands import up

            return up.up
        case "worker":
            from agents.commands import worker

            return worker.worker
        case "topics":
            from agents.commands import topics

            return topics.app
        case "kafka":
            from agents.commands import kafka

            return kafka.kafka
    raise KeyError(name)


class _Group(TyperGroup):
    """Lists the commands by panel, in plain text: rich would take longer than everything else."""

    def format_commands(self, ctx: Context, formatter: HelpFormatter) -> None:
        for panel, names in PANELS.items():
            rows = [(name, self.commands[name].get_short_help_str(100)) for name in names.split()]
            with formatter.section(panel):
                formatter.write_dl(rows)


def command_line(names: Sequence[str] = NAMES) -> typer.Typer:
    """The named commands in one program."""
    app = typer.Typer(
        name="journeys",
        cls=_Group,
        no_args_is_help=True,
        pretty_exceptions_enable=False,
        rich_markup_mode=None,
        context_settings={"help_option_names": ["-h", "--help"]},
    )
    app.callback()(journeys)
    for name in names:
        found = _load(name)
        if isinstance(found, typer.Typer):
            app.add_typer(found, name=name)
        else:
            app.command(name)(found)
    return app


def _version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version

        engine = ", compiled engine" if is_compiled() else ""
        echo(f"journeys {version('journeys-engine')}{engine}")
        raise typer.Exit


def journeys(
    version: Annotated[
        bool,
        typer.Option("--version", callback=_version, is_eager=True, help="Print the version."),
    ] = False,
) -> None:
    """Customer journeys in real time, on Faust and Kafka."""


def main(arguments: Sequence[str] | None = None) -> None:
    """Runs the command line. Exit code 1 with one line on stderr for an error a user can fix.

    Args:
        arguments: of the command; by default those of the process.
    """
    words = sys.argv[1:] if arguments is None else list(arguments)
    names: Sequence[str] = NAMES
    # A shell asks for completions through environment variables.
    if "_JOURNEYS_COMPLETE" not in os.environ and words:
        named = words[0]
        names = [named] if named in NAMES else [] if named == "--version" else NAMES
    try:
        refuse_stale()
        for warning in unknown_settings():
            _say(warning)
        code = command_line(names)(words, standalone_mode=False)
    except UserError as error:
        _say(str(error))
        sys.exit(error.exit_code)
    except typer.Abort:
        _say("nothing was done")
        sys.exit(1)
    except typer.TyperException as error:
        if type(error).__name__ == "NoArgsIsHelpError":
            echo_lines(error.message, err=True)
        else:
            from agents.terminal.usage import explain

            _say(explain(error, command_line(names), words))
        sys.exit(_NOT_UNDERSTOOD)
    sys.exit(code if isinstance(code, int) else 0)


_NOT_UNDERSTOOD = 2


def _say(text: str) -> None:
    first, *rest = text.split("\n")
    echo(f"journeys: {first}", err=True)
    for line in rest:
        echo(line, err=True)
