"""`journeys tail`: prints the engine's records as they come, for people or as JSON lines.

Law: only committed records are shown, each once.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated

import typer

from agents.client.follow import Follower, Stream
from agents.terminal.text import echo, json_line
from agents.terminal.usage import finite

if TYPE_CHECKING:
    from confluent_kafka import Message


def tail(
    stream: Annotated[
        Stream, typer.Argument(metavar="STREAM", help="What to follow.", show_default=False)
    ],
    from_start: Annotated[
        bool, typer.Option("--from-start", help="Also existing records, not only new ones.")
    ] = False,
    exit_idle: Annotated[
        float | None,
        typer.Option(
            min=0.1,
            callback=finite,
            metavar="SECONDS",
            help="End when no new record has arrived for this time.",
            show_default=False,
        ),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="JSON lines also on a terminal.")] = False,
) -> None:
    """Follow outcomes, actions or dead letters. Ctrl-C ends it.

    If the output is not a terminal, each record is one line of JSON.
    """
    from agents.settings import Settings

    readable = sys.stdout.isatty() and not as_json
    try:
        follower = Follower(Settings.from_env().broker, stream, from_start)
        show = _readable(stream) if readable else _raw
        if not from_start:  # a reader of the pipe may wait for this line before it sends events
            echo((f"following {stream} from now on", "dim"), err=True)
        for messages in follower.batches(exit_idle):
            show(messages)
    except KeyboardInterrupt:
        pass
    except BrokenPipeError:
        # The reader has closed the pipe; Python's own flush at the end would fail, too.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _raw(messages: list[Message]) -> None:
    """Prints each record as one line of JSON; line breaks in it can only be white space."""
    sys.stdout.buffer.write(b"".join(json_line(one.value() or b"null") for one in messages))
    sys.stdout.buffer.flush()


def _readable(stream: Stream) -> Callable[[list[Message]], None]:
    """A function that prints one line per record, cut to the width of the terminal."""
    import json

    from rich.console import Console

    from agents.terminal.records import FORMS

    console, form = Console(highlight=False), FORMS[stream]

    def show(messages: list[Message]) -> None:
        for message in messages:
            try:
                record = json.loads(message.value() or b"")
            except (ValueError, RecursionError):
                record = None
            if isinstance(record, dict):
                console.print(form(record), no_wrap=True, overflow="ellipsis")
            else:
                place = f"{message.topic()}-{message.partition()}@{message.offset()}"
                console.print(f"{place} is not JSON", style="red")

    return show
