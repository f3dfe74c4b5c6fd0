"""`journeys demo`: four years of a real help desk played through the engine on this machine."""

from __future__ import annotations

import os
from typing import Annotated

import typer

from agents.terminal.usage import finite


def demo(
    workers: Annotated[
        int | None,
        typer.Option(
            min=1,
            help="Workers that evaluate journeys: 2, or 1 on fewer than four cores.",
            show_default=False,
        ),
    ] = None,
    seconds: Annotated[
        float,
        typer.Option(
            min=0,
            callback=finite,
            help="How long the four years take; 0: as fast as they go.",
        ),
    ] = 20.0,
    keep: Annotated[
        bool,
        typer.Option("--keep", help="Keep running afterwards, to try things out; Ctrl-C ends it."),
    ] = False,
) -> None:
    """Play 21,348 real events through a Kafka and workers of its own, and count the results.

    Exit code 1 when anything is lost or repeated. Nothing stays behind.
    """
    from rich.console import Console

    from agents.demo.run import run
    from agents.processes.stop_signal import StopSignal, raise_on_signals

    raise_on_signals()
    console = Console()
    try:
        clean = run(workers or _workers(), seconds, keep, console)
    except StopSignal:
        console.print("stopped; nothing stays behind")
        raise typer.Exit(0 if keep else 130) from None
    if not clean:
        raise typer.Exit(1)


def _workers() -> int:
    # Measured on two cores: a second worker makes the start 3 s slower and nothing faster.
    return 2 if (os.cpu_count() or 1) >= 4 else 1
