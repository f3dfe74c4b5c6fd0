"""`journeys demo`: four years of a real help desk played through the engine on this machine."""

from __future__ import annotations

import os
import signal
from types import FrameType
from typing import Annotated

import typer


class _Stop(BaseException):
    """The user has had enough."""


def demo(
    workers: Annotated[
        int | None,
        typer.Option(
            min=1,
            help="Workers that move users on: 2, or 1 on fewer than four cores.",
            show_default=False,
        ),
    ] = None,
    seconds: Annotated[
        float, typer.Option(min=0, help="How long the four years take; 0: as fast as they go.")
    ] = 20.0,
    keep: Annotated[
        bool, typer.Option("--keep", help="Stay up afterwards, to be played with; Ctrl-C ends it.")
    ] = False,
) -> None:
    """Play 21,348 real events through a Kafka and workers of its own, and count what comes of it.

    Exit code 1 when anything is lost or repeated. Nothing stays behind.
    """
    from rich.console import Console

    from agents.demo.run import run

    for number in _SIGNALS:
        signal.signal(number, _stop)
    console = Console()
    try:
        clean = run(workers or _workers(), seconds, keep, console)
    except _Stop:
        console.print("stopped; nothing stays behind")
        raise typer.Exit(0 if keep else 130) from None
    if not clean:
        raise typer.Exit(1)


def _workers() -> int:
    # Measured on two cores: a second worker makes the start 3 s longer and nothing faster.
    return 2 if (os.cpu_count() or 1) >= 4 else 1


_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def _stop(number: int, frame: FrameType | None) -> None:
    for other in _SIGNALS:
        signal.signal(other, signal.SIG_IGN)  # the stop itself is not to be interrupted
    raise _Stop
