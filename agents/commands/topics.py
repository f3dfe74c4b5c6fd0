"""`journeys topics`: creates the engine's topics and checks them."""

from __future__ import annotations

import json
from typing import Annotated

import typer

app = typer.Typer(help="Create and check the engine's topics.", no_args_is_help=True)


@app.command()
def create(
    partitions: Annotated[
        int | None,
        typer.Option(min=1, help="Partitions of the events; 4, or JOURNEYS_PARTITIONS."),
    ] = None,
    replication: Annotated[
        int | None, typer.Option(min=1, help="Replicas of each partition; the broker's default.")
    ] = None,
) -> None:
    """Create the topics that don't exist yet, then check them all."""
    from agents.kafka.topics import BROKER_DEFAULT, check_topics, create_topics
    from agents.settings import Settings

    settings = Settings.from_env()
    made = create_topics(
        settings.broker, partitions or settings.partitions, replication or BROKER_DEFAULT
    )
    for name in made:
        typer.echo(f"made {name}")
    if not made:
        typer.echo("all topics were there")
    check_topics(settings.broker)


@app.command()
def check(
    as_json: Annotated[bool, typer.Option("--json", help="Print what was found as JSON.")] = False,
) -> None:
    """Check that the topics are as the engine needs them; exit code 1 when one is not."""
    from agents.kafka.topics import check_topics
    from agents.settings import Settings

    layout = check_topics(Settings.from_env().broker)
    if as_json:
        found = {"partitions": layout.partitions, "destinations": layout.destinations}
        typer.echo(json.dumps(found))
        return
    names = ", ".join(layout.destinations) or "none yet"
    typer.echo(f"The topics are as they must be: {layout.partitions} partitions of events.")
    typer.echo(f"Destinations: {names}.")
