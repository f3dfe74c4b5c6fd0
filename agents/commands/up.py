"""`journeys up`: all roles on this machine, each worker a supervised process of its own."""

from __future__ import annotations

import os
import sys
import threading
import time
from typing import Annotated

import typer

from agents.commands.worker import ClockOption

_COLOURS = {"register": "magenta", "evaluate": "cyan", "deliver": "green"}


def up(
    clock: ClockOption = None,
    evaluate: Annotated[int, typer.Option(min=1, help="Workers that evaluate journeys.")] = 1,
    deliver: Annotated[int, typer.Option(min=0, help="Workers that call destinations.")] = 1,
) -> None:
    """Run everything on this machine: create missing topics, and keep workers running.

    Ctrl-C or SIGTERM ends all of it within ten seconds.
    """
    from agents.processes.stop_signal import StopSignal, raise_on_signals
    from agents.processes.supervisor import Supervisor
    from agents.settings import Settings

    raise_on_signals()
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
    except StopSignal:
        typer.echo("stopped")


_READY_SECONDS = 120.0


def _make_topics(broker: str, partitions: int) -> None:
    """Makes missing topics: with the partitions of the others unless JOURNEYS_PARTITIONS is set."""
    from agents.kafka.broker import reach
    from agents.kafka.topics import EVENTS, check_topics, create_topics

    existing = reach(broker)
    if "JOURNEYS_PARTITIONS" not in os.environ:
        partitions = existing.get(EVENTS, partitions)
    for name in create_topics(broker, partitions):
        typer.echo(f"made {name}")
    check_topics(broker)


class _Printer:
    """Prints workers' lines as they come, each after its worker's name."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._width = len("evaluate-0")

    def __call__(self, name: str, line: str) -> None:
        self._width = max(self._width, len(name))
        colour = _COLOURS.get(name.rpartition("-")[0])
        prefix = typer.style(f"{name:<{self._width}} |", fg=colour)
        with self._lock:
            typer.echo(f"{prefix} {line}")
