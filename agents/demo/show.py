"""Draws the scene: a screen that lives on a terminal, plain lines elsewhere, the summary on both.

Law: pure of effects; every number on the screen comes from the scene.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from rich import box
from rich.console import Group, RenderableType
from rich.panel import Panel
from rich.progress_bar import ProgressBar
from rich.spinner import Spinner
from rich.table import Table
from rich.text import Text

from agents.demo.account import Account
from agents.demo.scene import Scene
from agents.demo.tree import Place
from journeys.effects import Outcome

_TYPE_STYLES = {
    "wait_for_event": "cyan",
    "experiment": "magenta",
    "criteria": "yellow",
    "destination": "green",
    "exit": "bright_black",
}
_OUTCOME_STYLES = {
    "journey.entered": "bright_blue",
    "wait.timed_out": "cyan",
    "experiment.assigned": "magenta",
    "criteria.matched": "yellow",
    "action.requested": "green",
    "action.delivered": "bold green",
    "action.failed": "bold red",
    "journey.exited": "bright_black",
}
_BAR = 18
_SIDE = 34
_SPINNER = Spinner("dots", style="cyan")


def screen(scene: Scene, height: int, *, last: bool = False) -> RenderableType:
    """All of it, in at most `height` lines; `last`: the picture that stays."""
    body = Table.grid(expand=True, padding=(0, 1))
    body.add_column(ratio=1)
    body.add_column(width=_SIDE)
    body.add_row(_journey(scene), _numbers(scene))
    parts: list[RenderableType] = [_title(scene), _steps(scene), _progress(scene), body]
    room = height - 4 - (len(scene.tree) + 5) - 3
    if room >= 3 and not last:
        parts.append(_outcomes(scene, min(room, 12)))
    return Group(*parts)


def line(scene: Scene) -> str:
    """How far it is, in one line."""
    if scene.player is None:
        step = scene.steps[-1] if scene.steps else None
        return f"{scene.elapsed:5.1f} s  {step.name if step else 'starting'}"
    types = scene.tally.types
    return (
        f"{scene.elapsed:5.1f} s  {_day(scene.player.at)}"
        f"  events {scene.acknowledged:,} of {scene.total:,}, applied {scene.applied:,}"
        f" ({scene.rate:,.0f}/s), lag {scene.lag('evaluate'):,}"
        f"  actions {types['action.requested']:,}, delivered {types['action.delivered']:,},"
        f" retried {scene.tally.retried:,}"
    )


def summary(scene: Scene, account: Account) -> Table:
    """What became of the history."""
    tally = account.tally
    requested = tally.types["action.requested"]
    table = Table(box=box.SIMPLE_HEAD, title="What became of it", title_style="bold")
    table.add_column("")
    table.add_column("", justify="right")
    table.add_column("", style="bright_black")
    took = scene.player.took if scene.player is not None else None
    pace = f"acknowledged and applied, {tally.events / took:,.0f}/s" if took else ""
    table.add_row("events", f"{account.acknowledged:,}", pace)
    table.add_row("users", f"{len(tally.users):,}", "one record each")
    table.add_row("instances", f"{tally.types['journey.entered']:,}", "journeys entered")
    table.add_row("outcomes", f"{len(tally.outcomes):,}", "told in journeys.outcomes")
    table.add_row("actions", f"{len(tally.actions):,}", f"requested: {requested:,}")
    retried = f"{account.requests:,} requests, {account.refused:,} answered 503 at first"
    table.add_row("delivered", f"{len(tally.delivered):,}", retried)
    table.add_row("retried", f"{tally.retried:,}", "delivered after the first attempt")
    for name, found in (("lost", account.lost), ("repeated", account.repeated)):
        style = "bold red" if found else "bold green"
        table.add_row(Text(name, style), Text(f"{sum(found.values()):,}", style), _told(found))
    return table


def _told(found: Mapping[str, int]) -> Text:
    told = ", ".join(f"{what}: {number:,}" for what, number in found.items())
    return Text(told or "topics, receiver and backtest agree", "red" if found else "bright_black")


def _title(scene: Scene) -> RenderableType:
    grid = Table.grid(expand=True)
    grid.add_column(ratio=1)
    grid.add_column(justify="right")
    title = Text.assemble(
        (" journeys demo ", "bold reverse cyan"), "  four years of a help desk, played through"
    )
    grid.add_row(title, Text(f"{scene.elapsed:.1f} s ", "bold"))
    return grid


def _steps(scene: Scene) -> RenderableType:
    grid = Table.grid(padding=(0, 2, 0, 0))
    cells: list[RenderableType] = [Text("")]
    for step in scene.steps:
        if step.seconds is None:
            _SPINNER.update(text=Text(step.note or step.name, "cyan"))
            cells.append(_SPINNER)
        else:
            text = Text.assemble(("✓ ", "green"), step.name)
            cells.append(text.append(f" {step.seconds:.1f} s", "bright_black"))
    grid.add_row(*cells)
    return grid


def _progress(scene: Scene) -> RenderableType:
    grid = Table.grid(expand=True, padding=(0, 1))
    grid.add_column(width=11)
    grid.add_column(ratio=1)
    grid.add_column(justify="right")
    day = "" if scene.player is None else _day(scene.player.at)
    bar = ProgressBar(scene.total, scene.applied, complete_style="cyan", finished_style="green")
    told = f"{scene.applied:,} of {scene.total:,} events applied "
    grid.add_row(Text(f" {day}", "bold"), bar, told)
    return grid


def _journey(scene: Scene) -> RenderableType:
    table = Table(box=None, expand=True, padding=(0, 1, 0, 0), header_style="bright_black")
    table.add_column("node", ratio=1, no_wrap=True)
    table.add_column("", no_wrap=True, style="bright_black")
    table.add_column("reached", justify="right")
    table.add_column("", width=_BAR)
    table.add_column("waiting", justify="right", style="cyan")
    entered = scene.tally.types["journey.entered"]
    for place in scene.tree:
        reached, waiting = scene.tally.reached[place.name], scene.tally.waiting[place.name]
        style = _TYPE_STYLES.get(place.type, "white")
        name = Text.assemble((place.guide, "bright_black"), (place.name, f"bold {style}"))
        table.add_row(
            name.append(f"  {place.how}", "bright_black") if place.how else name,
            _what(place),
            f"{reached:,}" if reached else Text("·", "bright_black"),
            _bar(reached, entered, style),
            f"{waiting:,}" if waiting > 0 else "",
        )
    return Panel(table, title=f"[bold]{scene.title}", border_style="bright_black")


def _what(place: Place) -> Text:
    return Text(place.what, _TYPE_STYLES.get(place.type, "white"))


def _bar(part: int, whole: int, style: str) -> Text:
    eighths = round(_BAR * 8 * part / whole) if whole else 0
    eighths = max(eighths, 1) if part else 0
    full, rest = divmod(min(eighths, _BAR * 8), 8)
    return Text("█" * full + (" ▏▎▍▌▋▊▉"[rest] if rest else ""), style)


def _numbers(scene: Scene) -> RenderableType:
    table = Table.grid(expand=True, padding=(0, 1))
    table.add_column(ratio=1, no_wrap=True)
    table.add_column(justify="right", no_wrap=True)
    types, receiver = scene.tally.types, scene.receiver
    waiting = types["action.requested"] - scene.tally.ended

    def row(name: str, value: str, style: str = "") -> None:
        table.add_row(Text(name, "bright_black"), Text(value, style))

    row("events sent", f"{scene.acknowledged:,}")
    row("events applied", f"{scene.applied:,}", "bold")
    row("events a second", f"{scene.rate:,.0f}")
    table.add_row()
    row("actions requested", f"{types['action.requested']:,}")
    row("actions delivered", f"{types['action.delivered']:,}", "bold green")
    row("on their way", f"{waiting:,}")
    row("delivered by a retry", f"{scene.tally.retried:,}", "yellow")
    table.add_row()
    row("requests received", f"{receiver.requests if receiver else 0:,}")
    row("answered 503", f"{receiver.refused if receiver else 0:,}", "yellow")
    table.add_row()
    for name, page in scene.pages.items():
        table.add_row(Text(name, "bright_black"), _worker(page))
    return Panel(table, title="[bold]now", border_style="bright_black")


def _worker(page: Mapping[str, Any] | None) -> Text:
    if page is None:
        return Text("starting", "yellow")
    if not page["ready"]:
        return Text("taking over", "yellow")
    lag = sum(partition["lag"] for partition in page["partitions"])
    owned = len(page["partitions"])
    return Text.assemble((f"lag {lag:,}  ", "" if lag else "bright_black"), (f"⚙ {owned}", "green"))


def _outcomes(scene: Scene, count: int) -> RenderableType:
    table = Table.grid(padding=(0, 2, 0, 0))
    table.add_column(style="bright_black", no_wrap=True)
    for _ in range(4):
        table.add_column(no_wrap=True)
    for one in scene.tally.recent(count):
        table.add_row(
            one.at[:16].replace("T", " "),
            Text(one.type, _OUTCOME_STYLES.get(one.type, "")),
            one.user_id,
            Text(one.key or "", "bright_black"),
            _detail(one),
        )
    for _ in range(count - len(table.rows)):
        table.add_row()
    title = "[bold]latest outcomes"
    return Panel(table, title=title, border_style="bright_black")


def _detail(one: Outcome) -> Text:
    detail = one.detail or {}
    told = {
        "journey.exited": detail.get("reason"),
        "experiment.assigned": detail.get("variant"),
        "action.requested": f"→ {detail.get('destination')}",
        "action.delivered": f"→ {detail.get('destination')}, attempt {detail.get('attempts')}",
        "wait.timed_out": f"at {one.node}",
        "criteria.matched": f"at {one.node}",
    }.get(one.type)
    return Text(told or "", "bright_black")


def _day(at: int) -> str:
    return datetime.fromtimestamp(at / 1_000, UTC).date().isoformat()


def commands(broker: str) -> Panel:
    return Panel(broker)
