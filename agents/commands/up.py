"""`journeys up`: all roles on this machine, each worker a supervised process of its own."""

from __future__ import annotations

import os
import sys
import threading
import time
from typing import TYPE_CHECKING, Annotated

import typer

from agents.commands.worker import ClockOption
from agents.terminal.text import echo

if TYPE_CHECKING:
    from agents.settings import Settings

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
        _make_topics(settings)
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
                echo((f"ready: {count} workers in {seconds:.1f} s", "bold green"))
                echo("Ctrl-C ends them.")
            else:
                echo("ready")
            workers.wait()
    except StopSignal:
        echo("stopped")


_READY_SECONDS = 120.0


def _make_topics(settings: Settings) -> None:
    """Creates the topics of a fresh installation, with as many partitions as an existing events
    topic unless JOURNEYS_PARTITIONS is set. On any other installation it creates nothing: a missing
    topic has lost its records."""
    from agents.kafka.broker import reach
    from agents.kafka.checking import check_topics
    from agents.kafka.creating import create_topics
    from agents.kafka.topics import EVENTS

    partitions = settings.partitions
    if "JOURNEYS_PARTITIONS" not in os.environ:
        partitions = reach(settings.broker).get(EVENTS, partitions)
    for name in create_topics(settings.broker, partitions, settings.replication):
        echo(f"made {name}")
    layout = check_topics(settings.broker, replication=settings.replication)
    if layout.warning is not None:
        echo(f"warning: {layout.warning}", err=True)


class _Printer:
    """Prints workers' lines as they come, each after its worker's name."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._width = len("evaluate-0")

    def __call__(self, name: str, line: str) -> None:
        self._width = max(self._width, len(name))
        colour = _COLOURS.get(name.rpartition("-")[0])
        prefix = f"{name:<{self._width}} |"
        with self._lock:
            echo((prefix, colour) if colour else prefix, f" {line}")
