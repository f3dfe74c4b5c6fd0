"""`journeys send`: sends a file of events to `journeys.events`, in its order."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from agents.errors import UserError
from agents.terminal.options import MaxAhead, TrustTimes
from agents.terminal.text import echo, echo_json
from agents.terminal.usage import finite

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
        typer.Option(
            min=0.001,
            callback=finite,
            metavar="N",
            help="At most N events a second.",
            show_default=False,
        ),
    ] = None,
    advance: Annotated[
        str | None,
        typer.Option(
            metavar="TIME|end",
            help="After the events, advance the clock of workers that run on the stream clock "
            "to this time (ISO 8601), or until nothing waits.",
            show_default=False,
        ),
    ] = None,
    max_ahead: MaxAhead = "1h",
    trust_times: TrustTimes = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print the counts as JSON.")] = False,
) -> None:
    """Send events from a file.

    Exit code 1 when not all of them were delivered, or the clock could not be advanced.
    """
    from agents.client.send import Sender, clock_record
    from agents.client.stream_clock import StreamClock
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
                absolute = json_lines.with_absolute_times(lines, str(events))
                sender.send(json_lines.numbered(absolute))
            except UserError as error:
                sender.finish()
                raise UserError(f"{error}. {_sent(sender)} before that.") from None
        sender.finish()
    clock: dict[int, int] | None = None
    if advance is not None and not sender.failed:
        watched = StreamClock(broker, partitions)
        offsets = sender.advance(partitions, advance, signatures(settings))
        clock = watched.after(offsets, _APPLIED_SECONDS)
    _print(sender, events is not None, clock, as_json)
    moved = advance is None or clock is None or _report_clock(advance, clock, partitions, as_json)
    if sender.failed or not moved:
        raise typer.Exit(1)


_APPLIED_SECONDS = 10.0


def _report_clock(to: str, clock: dict[int, int], partitions: int, quietly: bool) -> bool:
    """Reports the clock records; returns False if the clock is known to be elsewhere."""
    from journeys.time import format_time, parse_time

    if len(clock) < partitions:
        missing = partitions - len(clock)
        text = f"no worker has advanced the clock to {to} in {missing} of {partitions} partitions"
        echo(f"{text} within {_APPLIED_SECONDS:.0f} s", err=True)
    if not clock:
        return True
    if to == "end":
        if not quietly:
            echo(f"clock advanced to {format_time(max(0, *clock.values()))}; nothing waits")
        return True
    wanted = parse_time(to)
    ahead = {n: time for n, time in clock.items() if time > wanted}
    behind = [n for n, time in clock.items() if time < wanted]
    if behind:
        echo("journeys: the clock has not moved: the workers run on the wall clock", err=True)
    elif ahead:
        where = f"{len(ahead)} of {partitions} partitions" if partitions > 1 else "the partition"
        at = format_time(max(ahead.values()))
        echo(f"journeys: the clock is already ahead of {to} in {where}: at {at}", err=True)
    elif not quietly:
        echo(f"clock advanced to {to}")
    return not behind and not ahead


def _print(sender: Sender, events: bool, clock: dict[int, int] | None, as_json: bool) -> None:
    """Prints the counts, and failures on stderr."""
    rate = sender.delivered / sender.seconds if sender.seconds else 0.0
    if as_json:
        counts: dict[str, Any] = {
            "sent": sender.delivered,
            "failed": sender.failed,
            "without_user": len(sender.without_user),
            "seconds": round(sender.seconds, 3),
            "events_per_second": round(rate),
        }
        if clock is not None:
            counts["clock_ms"] = max(clock.values(), default=None)
        echo_json(counts)
    elif events:
        echo(f"{_sent(sender)} in {sender.seconds:.1f} s ({rate:,.0f} events/s)")
    if sender.without_user:
        echo(
            f"{_named(sender.without_user)} not JSON with a userId or anonymousId: sent "
            "without a key; the engine reports event.rejected",
            err=True,
        )
    if sender.too_large:
        echo(f"{_named(sender.too_large)} too large for the topic (10 MB): not sent", err=True)
    if sender.failed:
        reason = f": {sender.error}" if sender.error else ""
        echo(f"journeys: {sender.failed:,} records were not delivered{reason}", err=True)


def _sent(sender: Sender) -> str:
    return "1 event sent" if sender.delivered == 1 else f"{sender.delivered:,} events sent"


def _named(numbers: list[int]) -> str:
    """The beginning of a sentence about lines: their count and the first line numbers."""
    first = ", ".join(map(str, numbers[:3]))
    if len(numbers) == 1:
        return f"Line {first} is"
    more = ", ..." if len(numbers) > 3 else ""
    return f"{len(numbers):,} lines ({first}{more}) are"
