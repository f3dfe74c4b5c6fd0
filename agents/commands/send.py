"""`journeys send`: sends a file of events to `journeys.events`, in its order."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from agents.errors import UserError

if TYPE_CHECKING:
    from agents.client.send import Sender


def send(
    events: Annotated[
        Path | None,
        typer.Argument(
            metavar="[EVENTS]",
            help="One JSON event a line, or a table (.csv, .parquet); gzip and zstd are unpacked, "
            "- reads standard input.",
            show_default=False,
        ),
    ] = None,
    rate: Annotated[
        float | None,
        typer.Option(min=0.001, metavar="N", help="At most N events a second.", show_default=False),
    ] = None,
    advance: Annotated[
        str | None,
        typer.Option(
            metavar="TIME|end",
            help="After the events, move the clock of workers that run on the stream clock on to "
            "this time (ISO 8601), or until nothing waits.",
            show_default=False,
        ),
    ] = None,
    max_ahead: Annotated[
        str,
        typer.Option(
            metavar="DURATION",
            help="A time that is further ahead of the records around it is cut back.",
        ),
    ] = "1h",
    trust_times: Annotated[
        bool, typer.Option("--trust-times", help="Leave times as they are.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print the counts as JSON.")] = False,
) -> None:
    """Send events from a file.

    Exit code 1 when not all of them were delivered.
    """
    from agents.client.send import Sender, clock_record
    from agents.kafka.broker import partitions_of
    from agents.kafka.installation import signatures
    from agents.kafka.topics import EVENTS
    from agents.settings import Settings
    from agents.terminal import json_lines

    if events is None and advance is None:
        raise typer.BadParameter("give a file of events, or --advance", param_hint="EVENTS")
    ahead = json_lines.max_ahead(max_ahead, trust_times)
    if advance is not None:
        try:
            clock_record(advance)
        except ValueError as error:
            raise typer.BadParameter(f"{error}, nor `end`", param_hint="--advance") from None
    settings = Settings.from_env()
    broker = settings.broker
    partitions = partitions_of(broker, EVENTS)
    sender = Sender(broker, rate)
    if events is not None:
        with json_lines.open_history(events, ahead, progress=True) as lines:
            try:
                sender.send(json_lines.numbered(lines))
            except UserError as error:
                sender.finish()
                raise UserError(f"{error}. {_sent(sender)} before that.") from None
        sender.finish()
    if advance is not None and not sender.failed:
        sender.advance(partitions, advance, signatures(settings))
    _print(sender, events is not None, advance, as_json)
    if sender.failed:
        raise typer.Exit(1)


def _print(sender: Sender, events: bool, advance: str | None, as_json: bool) -> None:
    """Prints the counts, and on stderr what went wrong."""
    rate = sender.delivered / sender.seconds if sender.seconds else 0.0
    if as_json:
        counts = {
            "sent": sender.delivered,
            "failed": sender.failed,
            "without_user": len(sender.without_user),
            "seconds": round(sender.seconds, 3),
            "events_per_second": round(rate),
        }
        typer.echo(json.dumps(counts))
    else:
        if events:
            typer.echo(f"{_sent(sender)} in {sender.seconds:.1f} s ({rate:,.0f} events/s)")
        if advance is not None and not sender.failed:
            typer.echo(f"clock moved on to {advance}")
    if sender.without_user:
        typer.echo(
            f"{_named(sender.without_user)} not JSON with a userId or anonymousId: sent "
            "without a key; the engine answers with event.rejected",
            err=True,
        )
    if sender.too_large:
        typer.echo(
            f"{_named(sender.too_large)} too large for the topic (10 MB): not sent", err=True
        )
    if sender.failed:
        reason = f": {sender.error}" if sender.error else ""
        typer.echo(f"journeys: {sender.failed:,} records were not delivered{reason}", err=True)


def _sent(sender: Sender) -> str:
    return "1 event sent" if sender.delivered == 1 else f"{sender.delivered:,} events sent"


def _named(numbers: list[int]) -> str:
    """The beginning of a sentence about lines: their number, and the first of them."""
    first = ", ".join(map(str, numbers[:3]))
    if len(numbers) == 1:
        return f"Line {first} is"
    more = ", ..." if len(numbers) > 3 else ""
    return f"{len(numbers):,} lines ({first}{more}) are"
