"""The command `journeys`: puts the commands together and tells a user's errors in one line."""

from __future__ import annotations

import sys

import typer

from agents.commands import apply, backtest, kafka, topics, up, validate, worker
from agents.errors import UserError

app = typer.Typer(
    name="journeys",
    help="Customer journeys in real time, on Faust and Kafka.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)
app.command("up")(up.up)
app.command("worker")(worker.worker)
app.command("validate")(validate.validate)
app.command("apply")(apply.apply)
app.command("backtest")(backtest.backtest)
app.command("kafka")(kafka.kafka)
app.add_typer(topics.app, name="topics")


def main() -> None:
    """Runs the command line. Exit code 1 with one line on stderr for an error a user can mend."""
    try:
        app()
    except UserError as error:
        print(f"journeys: {error}", file=sys.stderr)  # noqa: T201
        sys.exit(1)


if __name__ == "__main__":
    main()
