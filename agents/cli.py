"""The command `journeys`: puts the commands together and prints a user's errors as one line."""

from __future__ import annotations

import importlib.metadata
import sys
from typing import Annotated

import typer

from agents.commands import (
    apply,
    backtest,
    dead,
    draw,
    kafka,
    lifecycle,
    plan,
    schema,
    send,
    simulate,
    tail,
    test,
    topics,
    up,
    validate,
    worker,
)
from agents.compiled import is_compiled, refuse_stale
from agents.demo import command as demo
from agents.errors import UserError

app = typer.Typer(
    name="journeys",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _version(wanted: bool) -> None:
    if wanted:
        engine = ", compiled engine" if is_compiled() else ""
        typer.echo(f"journeys {importlib.metadata.version('journeys-engine')}{engine}")
        raise typer.Exit


# The help shows them in this order, in which they are needed.
_DOCUMENTS, _DATA, _ENGINE = "Journeys", "Data", "The engine"
app.command("validate", rich_help_panel=_DOCUMENTS)(validate.validate)
app.command("test", rich_help_panel=_DOCUMENTS)(test.run_tests)
app.command("simulate", rich_help_panel=_DOCUMENTS)(simulate.simulate)
app.command("draw", rich_help_panel=_DOCUMENTS)(draw.draw)
app.command("backtest", rich_help_panel=_DOCUMENTS)(backtest.backtest)
app.command("schema", rich_help_panel=_DOCUMENTS)(schema.schema)
app.command("plan", rich_help_panel=_DOCUMENTS)(plan.plan)
app.command("apply", rich_help_panel=_DOCUMENTS)(apply.apply)
app.command("pause", rich_help_panel=_DOCUMENTS)(lifecycle.pause)
app.command("resume", rich_help_panel=_DOCUMENTS)(lifecycle.resume)
app.command("archive", rich_help_panel=_DOCUMENTS)(lifecycle.archive)
app.command("send", rich_help_panel=_DATA)(send.send)
app.command("tail", rich_help_panel=_DATA)(tail.tail)
app.add_typer(dead.app, name="dead", rich_help_panel=_DATA)
app.command("demo", rich_help_panel=_ENGINE)(demo.demo)
app.command("up", rich_help_panel=_ENGINE)(up.up)
app.command("worker", rich_help_panel=_ENGINE)(worker.worker)
app.add_typer(topics.app, name="topics", rich_help_panel=_ENGINE)
app.command("kafka", rich_help_panel=_ENGINE)(kafka.kafka)


@app.callback()
def journeys(
    version: Annotated[
        bool,
        typer.Option("--version", callback=_version, is_eager=True, help="Print the version."),
    ] = False,
) -> None:
    """Customer journeys in real time, on Faust and Kafka."""


def main() -> None:
    """Runs the command line. Exit code 1 with one line on stderr for an error a user can fix."""
    try:
        refuse_stale()
        app()
    except UserError as error:
        print(f"journeys: {error}", file=sys.stderr)  # noqa: T201
        sys.exit(1)


if __name__ == "__main__":
    main()
