"""`journeys up`: all roles on this machine, each worker a supervised process of its own."""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from types import FrameType
from typing import Annotated

import typer

from agents.commands.worker import ClockOption

_COLOURS = {"register": "magenta", "evaluate": "cyan", "deliver": "green"}


class _Stop(BaseException):
    """The user has had enough."""


def up(
    clock: ClockOption = None,
    evaluate: Annotated[int, typer.Option(min=1, help="Workers that move users on.")] = 1,
    deliver: Annotated[int, typer.Option(min=0, help="Workers that call destinations.")] = 1,
) -> None:
    """Run everything on this machine: topics that are missing are made, workers are kept running.

    Ctrl-C or SIGTERM ends all of it within ten seconds.
    """
    from agents.processes.supervisor import Supervisor
    from agents.settings import Settings

    for number in _SIGNALS:
        signal.signal(number, _stop)
    try:
        settings = Settings.from_env()
        _make_topics(settings.broker, settings.partitions)
        arguments = () if clock is None else ("--clock", clock.value)
        workers = Supervisor(
            {"register": 1, "evaluate": evaluate, "deliver": deliver},
            arguments=arguments,
            report=_Printer(),
        )
        began = time.monotonic()
        with workers:
            workers.wait_ready(_READY_SECONDS)
            if sys.stdout.isatty():
                count, seconds = len(workers.names), time.monotonic() - began
                typer.secho(f"ready: {count} workers in {seconds:.1f} s", fg="green", bold=True)
                typer.echo("Ctrl-C ends them.")
            else:
                typer.echo("ready")
            workers.wait()
    except _Stop:
        typer.echo("stopped")


_READY_SECONDS = 120.0
_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def _stop(number: int, frame: FrameType | None) -> None:
    for other in _SIGNALS:
        signal.signal(other, signal.SIG_IGN)  # the stop itself is not to be interrupted
    raise _Stop


def _make_topics(broker: str, partitions: int) -> None:
    """Makes the topics that are missing; a partition count that nobody chose yields to theirs."""
    from agents.kafka.broker import reach
    from agents.kafka.topics import EVENTS, check_topics, create_topics

    existing = reach(broker)
    if "JOURNEYS_PARTITIONS" not in os.environ:
        partitions = existing.get(EVENTS, partitions)
    for name in create_topics(broker, partitions):
        typer.echo(f"made {name}")
    check_topics(broker)


class _Printer:
    """Prints workers' lines as they come, each behind its worker's name."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._width = len("evaluate-0")

    def __call__(self, name: str, line: str) -> None:
        self._width = max(self._width, len(name))
        colour = _COLOURS.get(name.rpartition("-")[0])
        prefix = typer.style(f"{name:<{self._width}} |", fg=colour)
        with self._lock:
            typer.echo(f"{prefix} {line}")
