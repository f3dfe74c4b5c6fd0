"""Options that several commands share."""

from __future__ import annotations

from typing import Annotated

import typer

from agents.terminal.usage import finite

MaxAhead = Annotated[
    str,
    typer.Option(
        metavar="DURATION",
        help="A time that is further ahead of the records around it is cut back.",
    ),
]
"""For commands that read a history; see `json_lines.max_ahead`."""

TrustTimes = Annotated[bool, typer.Option("--trust-times", help="Leave times as they are.")]

VerdictTimeout = Annotated[
    float,
    typer.Option(
        min=0,
        callback=finite,
        metavar="SECONDS",
        help="How long to wait for the verdict.",
    ),
]
"""For commands that push, in seconds."""

VerdictAsJson = Annotated[bool, typer.Option("--json", help="Print the verdict as JSON.")]
