"""`journeys kafka`: the embedded Kafka in the foreground, until Ctrl-C or SIGTERM."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from agents.terminal.text import echo


def kafka(
    port: Annotated[int, typer.Option(min=1, max=65_535, help="Port on 127.0.0.1.")] = 9092,
    data: Annotated[
        Path | None,
        typer.Option(help="Folder for the data; without it the data is deleted."),
    ] = None,
) -> None:
    """Run a real Kafka on this machine, for trying things out."""
    from agents.kafka.embedded.broker import EmbeddedKafka
    from agents.processes.stop_signal import StopSignal, raise_on_signals

    raise_on_signals()
    try:
        with EmbeddedKafka(data_dir=data, port=port, report=echo) as broker:
            kept = f"Data in {data}." if data else "Its data is deleted at the end."
            echo(f"Kafka listens on {broker.bootstrap}. {kept} Ctrl-C stops it.")
            broker.wait()
    except StopSignal:
        echo("Kafka has stopped.")
