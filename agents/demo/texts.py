"""The demo's texts: its progress, the summary of the account, and commands to try afterwards.

Law: every number comes from the scene or the account.
"""

from __future__ import annotations

from collections.abc import Mapping

from rich.console import RenderableType
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from agents.demo.account import Account
from agents.demo.scene import Scene
from agents.demo.show import day


def line(scene: Scene) -> str:
    """The progress, as one line."""
    if scene.player is None:
        step = scene.steps[-1] if scene.steps else None
        return f"{scene.elapsed:5.1f} s  {step.name if step else 'starting'}"
    types = scene.tally.types
    return (
        f"{scene.elapsed:5.1f} s  {day(scene.player.at)}"
        f"  events {scene.acknowledged:,} of {scene.total:,}, applied {scene.applied:,}"
        f" ({scene.rate:,.0f}/s), lag {scene.lag:,}"
        f"  actions {types['action.requested']:,}, delivered {types['action.delivered']:,},"
        f" retried {scene.tally.retried:,}"
    )


def summary(scene: Scene, account: Account) -> RenderableType:
    """The account as a table."""
    tally = account.tally
    requested = tally.types["action.requested"]
    table = Table.grid(padding=(0, 2))
    table.add_column(style="bold")
    table.add_column(justify="right")
    table.add_column(style="bright_black")
    took = scene.applied_after
    pace = (
        f"applied {took:.1f} s after the first was sent, {tally.events / took:,.0f}/s"
        if took
        else ""
    )
    table.add_row("events", f"{account.acknowledged:,}", pace)
    table.add_row("users", f"{len(tally.users):,}", "records in journeys.users")
    table.add_row(
        "instances", f"{tally.types['journey.entered']:,}", "tickets that entered the journey"
    )
    table.add_row(
        "outcomes",
        f"{len(tally.outcomes):,}",
        "every step of every ticket",
    )
    table.add_row(
        "actions",
        f"{len(tally.actions):,}",
        f"in journeys.actions.*; outcomes report {requested:,} requested",
    )
    retried = f"{account.requests:,} requests, {account.refused:,} answered 503 at first"
    table.add_row("delivered", f"{len(tally.delivered):,}", retried)
    table.add_row("retried", f"{tally.retried:,}", "delivered after the first attempt")
    for name, found in (("lost", account.lost), ("repeated", account.repeated)):
        style = "bold red" if found else "bold green"
        table.add_row(Text(name, style), Text(f"{sum(found.values()):,}", style), _listed(found))
    return Panel(table, title="[bold]the demo's result", border_style="bright_black", expand=False)


def _listed(found: Mapping[str, int]) -> Text:
    listed = ", ".join(f"{what}: {number:,}" for what, number in found.items())
    return Text(
        listed or "topics, receiver and backtest agree",
        "red" if found else "bright_black",
    )


def commands(broker: str, program: str) -> RenderableType:
    """Commands to try while everything runs; `program`: how `journeys` is called here."""
    event = (
        '{"event": "Take in charge ticket", "userId": "you", '
        '"properties": {"ticket_id": "t-1", "service_level": "1", "agent": "me"}}'
    )
    lines = (
        ("in another terminal, in this folder", f"export JOURNEYS_BROKER={broker}"),
        ("all that happened", f"{program} tail outcomes --from-start"),
        ("an event of yours", f"echo '{event}' | {program} send -"),
        ("let its time pass", f"{program} send --advance end"),
        ("change the journey", f"{program} apply examples/helpdesk/journey.yaml"),
    )
    text = Text("Everything stays up until Ctrl-C. To play with it:\n", "bold")
    for what, command in lines:
        text.append(f"\n  # {what}\n", "bright_black").append(f"  {command}\n", "cyan")
    return text
