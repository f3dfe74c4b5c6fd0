"""`journeys topics`: creates the engine's topics, checks them, adopts those that have changed."""

from __future__ import annotations

from typing import Annotated

import typer

from agents.terminal.text import echo, echo_json

app = typer.Typer(
    name="topics", help="Create, check and adopt the engine's topics.", no_args_is_help=True
)

_ReplicationOption = Annotated[
    int | None,
    typer.Option(
        min=1,
        help="Copies of each partition; JOURNEYS_REPLICATION, or 3 where there are 3 brokers.",
    ),
]


@app.command()
def create(
    partitions: Annotated[
        int | None,
        typer.Option(min=1, help="Partitions of the events; 4, or JOURNEYS_PARTITIONS."),
    ] = None,
    replication: _ReplicationOption = None,
) -> None:
    """Create the topics of a new installation and record them, then check them all.

    Topics that were recorded and are missing are not recreated: `journeys topics adopt` does that.
    """
    from agents.kafka.checking import check_topics
    from agents.kafka.creating import create_topics
    from agents.settings import Settings

    settings = Settings.from_env()
    copies = replication or settings.replication
    made = create_topics(settings.broker, partitions or settings.partitions, copies)
    for name in made:
        echo(f"made {name}")
    if not made:
        echo("all topics exist already")
    _warn(check_topics(settings.broker, replication=copies).warning)


@app.command()
def check(
    as_json: Annotated[bool, typer.Option("--json", help="Print what was found as JSON.")] = False,
) -> None:
    """Check that the topics are as the engine needs them; exit code 1 when one is not."""
    from agents.kafka.checking import check_topics
    from agents.settings import Settings

    settings = Settings.from_env()
    layout = check_topics(settings.broker, replication=settings.replication)
    if as_json:
        found = {
            "partitions": layout.partitions,
            "destinations": layout.destinations,
            "installation": layout.installation.id,
            "warning": layout.warning,
        }
        echo_json(found)
        return
    names = ", ".join(layout.destinations) or "none yet"
    echo(f"The topics are as required, with {layout.partitions} partitions of events.")
    echo(f"Destinations: {names}.")
    _warn(layout.warning)


@app.command()
def adopt(
    yes: Annotated[bool, typer.Option("--yes", help="Do it without asking.")] = False,
    from_start: Annotated[
        bool,
        typer.Option(
            "--from-start",
            help="Where a table is lost: apply again all records that the log still holds, "
            "instead of continuing at its end.",
        ),
    ] = False,
    same_offsets: Annotated[
        bool,
        typer.Option(
            "--same-offsets",
            help="The topics are copies in which every record has kept its offset.",
        ),
    ] = False,
    replication: _ReplicationOption = None,
) -> None:
    """Continue with topics that are not the recorded ones: after a deletion or a restore.

    It shows what it would do to each topic and what that means, and asks. Stop all workers first.
    """
    from agents.kafka.adopting import adopt as carry_out
    from agents.kafka.adopting import plan_adoption
    from agents.kafka.checking import check_topics
    from agents.settings import Settings

    settings = Settings.from_env()
    plan = plan_adoption(
        settings.broker,
        settings.partitions,
        replication or settings.replication,
        from_start=from_start,
        same_offsets=same_offsets,
    )
    if not plan.steps:
        echo("The topics are the recorded ones: there is nothing to adopt.")
        return
    for step in plan.steps:
        echo(f"{step.topic.name} {step.text}")
    if not yes:
        typer.confirm("Do it?", abort=True)
    carry_out(plan)
    echo("done")
    _warn(check_topics(settings.broker).warning)


def _warn(warning: str | None) -> None:
    if warning is not None:
        echo(f"warning: {warning}", err=True)
