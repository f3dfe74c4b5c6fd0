"""`journeys backtest`: runs journeys on a history of events, without Kafka.

Law: nothing is called and no state is kept. The output files hold everything that would have been
written, in order; each is complete or does not exist.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from operator import attrgetter
from pathlib import Path
from typing import IO, Annotated, Any

import typer

from agents.errors import unwritable
from agents.host.garbage import settle_garbage
from agents.terminal.options import MaxAhead, TrustTimes
from agents.terminal.text import echo, echo_json, echo_lines


def backtest(
    files: Annotated[
        list[Path],
        typer.Argument(metavar="FILE...", help="The documents, as for `apply`."),
    ],
    events: Annotated[
        Path,
        typer.Option(
            metavar="EVENTS",
            help="One JSON event a line, or a table (.csv, .parquet); gzip and zstd are unpacked.",
        ),
    ],
    actions: Annotated[
        Path | None, typer.Option(help="Where the actions go, as JSON lines.")
    ] = None,
    outcomes: Annotated[
        Path | None, typer.Option(help="Where the outcomes go, as JSON lines.")
    ] = None,
    drain: Annotated[
        bool,
        typer.Option(
            "--drain", help="After the last event, advance the clock until nothing waits."
        ),
    ] = False,
    responses: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="YAML with canned responses to the requests of triggers.",
            show_default=False,
        ),
    ] = None,
    max_ahead: MaxAhead = "1h",
    trust_times: TrustTimes = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print the summary as JSON.")] = False,
) -> None:
    """Replay a history through journeys and see what they would have done.

    Time follows the events: timers fire as the history advances. Exit code 1 when a document has
    problems.
    """
    import msgspec

    from agents.terminal import json_lines
    from agents.terminal.documents import canned_responses, running_catalog
    from journeys.simulation.backtest import Backtest

    ahead = json_lines.max_ahead(max_ahead, trust_times)
    catalog = running_catalog(files)
    run = Backtest(catalog, events.name, canned_responses(responses))
    types: Counter[str] = Counter()
    counts: Counter[str] = Counter()
    dead: list[Any] = []
    sent = 0
    encoder = msgspec.json.Encoder()
    settle_garbage()
    with ExitStack() as stack:
        lines = stack.enter_context(json_lines.open_history(events, ahead, progress=True))
        to_actions = stack.enter_context(_written_whole(actions))
        to_outcomes = stack.enter_context(_written_whole(outcomes))
        lines = json_lines.with_absolute_times(lines, str(events))
        for effects in run.run(lines, drain=drain):
            sent += len(effects.actions)
            types.update(map(attrgetter("type"), effects.outcomes))
            counts.update(effects.counts)
            dead += effects.dead
            if to_actions is not None:
                to_actions.write(encoder.encode_lines(effects.actions))
            if to_outcomes is not None:
                to_outcomes.write(encoder.encode_lines(effects.outcomes))
    summary = {
        "events": run.events,
        "users": run.users,
        "repeated": counts["event.repeated"],
        "instances": types["journey.entered"],
        "waiting": run.waiting,
        "actions": sent,
        "outcomes": dict(sorted(types.items())),
        "dead": len(dead),
    }
    if as_json:
        echo_json(summary)
    else:
        _print(summary)
    for letter in dead[:3]:
        echo(f"{events}:{letter.cause.offset}: could not be applied", err=True)
        echo_lines(letter.detail, err=True)


@contextmanager
def _written_whole(path: Path | None) -> Iterator[IO[bytes] | None]:
    """A file to write; it replaces the one at `path` only once it is complete.

    Raises:
        UserError: it can't be written.
    """
    if path is None:
        yield None
    elif path.exists() and not path.is_file():  # a pipe or a device
        with _opened(path, path) as out:
            yield out
    else:
        part = path.with_name(path.name + ".part")
        with _opened(part, path) as out:
            try:
                yield out
                out.close()
                part.replace(path)
            finally:
                part.unlink(missing_ok=True)


def _opened(file: Path, meant: Path) -> IO[bytes]:
    try:
        return file.open("wb")
    except OSError as error:
        raise unwritable(meant, error) from None


def _print(summary: dict[str, Any]) -> None:
    from rich.console import Console
    from rich.table import Table

    table = Table(show_header=False, box=None)
    table.add_column(style="bold")
    table.add_column(justify="right")
    for name, value in summary.items():
        if isinstance(value, dict):
            table.add_row(name, f"{sum(value.values()):,}")
            for inner, count in value.items():
                table.add_row(f"  {inner}", f"{count:,}")
        else:
            table.add_row(name, f"{value:,}")
    Console().print(table)
