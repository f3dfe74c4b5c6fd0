"""`journeys kafka`: the embedded Kafka in the foreground, until Ctrl-C or SIGTERM."""

from __future__ import annotations

import signal
from pathlib import Path
from types import FrameType
from typing import Annotated

import typer


class _Stop(BaseException):
    """The user has had enough."""


def kafka(
    port: Annotated[int, typer.Option(min=1, max=65_535, help="Port on 127.0.0.1.")] = 9092,
    data: Annotated[
        Path | None,
        typer.Option(file_okay=False, help="Folder for the data; without it nothing is kept."),
    ] = None,
) -> None:
    """Run a real Kafka on this machine, for trying things out."""
    from agents.kafka.embedded.broker import EmbeddedKafka

    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _stop)
    try:
        with EmbeddedKafka(data_dir=data, port=port, report=typer.echo) as broker:
            kept = f"Data in {data}." if data else "Its data is thrown away at the end."
            typer.echo(f"Kafka listens on {broker.bootstrap}. {kept} Ctrl-C stops it.")
            broker.wait()
    except _Stop:
        typer.echo("Kafka has stopped.")


def _stop(number: int, frame: FrameType | None) -> None:
    for other in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(other, signal.SIG_IGN)  # the stop itself is not to be interrupted
    raise _Stop
