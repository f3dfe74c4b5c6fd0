"""Draws the scene as a screen of a terminal.

Law: pure; every number on the screen comes from the scene.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from rich.console import Group, RenderableType
from rich.panel import Panel
from rich.progress_bar import ProgressBar
from rich.spinner import Spinner
from rich.table import Table
from rich.text import Text

from agents.demo.scene import Scene
from journeys.records.outcome import Outcome

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
_BAR = 14
_SIDE = 34
_NUMBERS = 13  # lines, without the workers
_OUTCOMES = 10
_WIDE = 110  # columns; a narrower terminal shows no bars
_SPINNER = Spinner("dots", style="cyan")


def screen(scene: Scene, width: int, height: int, *, last: bool = False) -> RenderableType:
    """The whole screen, of `width` columns and `height` lines; `last`: in its final form."""
    inner = max(len(scene.tree) + 1, _NUMBERS + len(scene.pages))
    body = Table.grid(expand=True, padding=(0, 1))
    body.add_column(ratio=1)
    body.add_column(width=_SIDE)
    wide = width >= _WIDE
    body.add_row(_journey(scene, inner + 2, wide), _numbers(scene, inner + 2))
    parts: list[RenderableType] = [_title(scene), _steps(scene), _progress(scene), body]
    lines = min(height - (inner + 2) - 3 - 2 - 1, _OUTCOMES)
    if lines >= 3 and not last:
        parts.append(_outcomes(scene, lines) if scene.latest else _introduction(scene, lines))
    return Group(*parts)


def _title(scene: Scene) -> RenderableType:
    grid = Table.grid(expand=True)
    grid.add_column(ratio=1)
    grid.add_column(justify="right")
    title = Text.assemble(
        (" journeys demo ", "bold reverse cyan"),
        "  four years of a help desk, through the whole engine",
    )
    grid.add_row(title, Text(f"{scene.elapsed:.1f} s ", "bold"))
    return grid


def _steps(scene: Scene) -> RenderableType:
    grid = Table.grid(padding=(0, 1, 0, 0))
    cells: list[RenderableType] = [Text("")]
    for _ in range(len(scene.steps) + 1):
        grid.add_column(no_wrap=True)
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
    at = "" if scene.player is None else day(scene.player.at)
    bar = ProgressBar(scene.total, scene.applied, complete_style="cyan", finished_style="green")
    applied = f"{scene.applied:,} of {scene.total:,} events applied "
    grid.add_row(Text(f" {at}", "bold"), bar, applied)
    return grid


def _journey(scene: Scene, height: int, wide: bool) -> RenderableType:
    table = Table(box=None, expand=True, padding=(0, 1, 0, 0), header_style="bright_black")
    table.add_column("node", ratio=1, no_wrap=True)
    table.add_column("reached", justify="right", no_wrap=True)
    table.add_column("waiting", justify="right", style="cyan", no_wrap=True)
    if wide:
        table.add_column("", width=_BAR)
        table.add_column("", no_wrap=True)
    entered = scene.tally.types["journey.entered"]
    for place in scene.tree:
        reached, waiting = scene.tally.reached[place.name], scene.tally.waiting[place.name]
        style = _TYPE_STYLES.get(place.type, "white")
        name = Text.assemble((place.guide, "bright_black"), (place.name, f"bold {style}"))
        table.add_row(
            name.append(f"  {place.how}", "bright_black") if place.how else name,
            f"{reached:,}" if reached else Text("·", "bright_black"),
            f"{waiting:,}" if waiting > 0 else "",
            *((_bar(reached, entered, style), Text(place.what, style)) if wide else ()),
        )
    return Panel(table, title=f"[bold]{scene.title}", border_style="bright_black", height=height)


def _bar(part: int, whole: int, style: str) -> Text:
    eighths = round(_BAR * 8 * part / whole) if whole else 0
    eighths = max(eighths, 1) if part else 0
    full, rest = divmod(min(eighths, _BAR * 8), 8)
    return Text("█" * full + (" ▏▎▍▌▋▊▉"[rest] if rest else ""), style)


def _numbers(scene: Scene, height: int) -> RenderableType:
    table = Table.grid(expand=True, padding=(0, 1))
    table.add_column(ratio=1, no_wrap=True)
    table.add_column(justify="right", no_wrap=True)
    types, receiver = scene.tally.types, scene.receiver
    waiting = types["action.requested"] - scene.tally.ended

    def row(name: str, value: str, style: str = "") -> None:
        table.add_row(Text(name, "bright_black"), Text(value, style))

    row("events sent", f"{scene.acknowledged:,}")
    row("events applied", f"{scene.applied:,}", "bold")
    row("lag", f"{scene.lag:,}")
    row("events a second", f"{scene.rate:,.0f}")
    table.add_row()
    row("actions requested", f"{types['action.requested']:,}")
    row("actions delivered", f"{types['action.delivered']:,}", "bold green")
    row("on their way", f"{waiting:,}")
    row("after a retry", f"{scene.tally.retried:,}", "yellow")
    table.add_row()
    row("requests received", f"{receiver.requests if receiver else 0:,}")
    row("answered 503", f"{receiver.refused if receiver else 0:,}", "yellow")
    table.add_row()
    for name, page in scene.pages.items():
        table.add_row(Text(name, "bright_black"), _worker(page))
    return Panel(table, title="[bold]now", border_style="bright_black", height=height)


def _worker(page: Mapping[str, Any] | None) -> Text:
    if page is None:
        return Text("starting", "yellow")
    if not page["ready"]:
        return Text("taking over", "yellow")
    owned = len(page["partitions"])
    count = "1 partition  " if owned == 1 else f"{owned} partitions  "
    return Text.assemble((count, "bright_black"), ("✓", "green"))


def _outcomes(scene: Scene, count: int) -> RenderableType:
    table = Table.grid(padding=(0, 2, 0, 0))
    table.add_column(style="bright_black", no_wrap=True)
    for _ in range(4):
        table.add_column(no_wrap=True)
    for one in scene.latest[-count:]:
        table.add_row(
            _when(one),
            Text(one.type, _OUTCOME_STYLES.get(one.type, "")),
            one.user_id,
            Text(one.key or "", "bright_black"),
            _detail(one),
        )
    return Panel(
        table, title="[bold]latest outcomes", border_style="bright_black", height=count + 2
    )


def _when(one: Outcome) -> str:
    """The time in the history; for outcomes of deliveries, the time of this machine."""
    day, time = one.at[:10], one.at[11:19]
    return f"     now {time}" if one.type.startswith("action.d") else f"{day} {time[:5]}"


def _introduction(scene: Scene, count: int) -> RenderableType:
    """What the demo does, shown until there are outcomes."""
    text = Text.assemble(
        (f"{scene.total:,} real events", "bold"),
        " of four years go to a Kafka on this machine. ",
        ("evaluate", "bold cyan"),
        " moves every ticket through the journey above, on a clock that the events drive; ",
        ("deliver", "bold green"),
        " calls an HTTP receiver, which turns one action in 20 away at first.\n\n",
        "At the end all topics are read once more and compared with the receiver's counts and with "
        "a backtest of the same events: what is missing is ",
        ("lost", "bold"),
        ", what is there too often is ",
        ("repeated", "bold"),
        ".",
    )
    return Panel(text, title="[bold]what this is", border_style="bright_black", height=count + 2)


def _detail(one: Outcome) -> Text:
    detail = one.detail or {}
    text = {
        "journey.exited": detail.get("reason"),
        "experiment.assigned": detail.get("variant"),
        "action.requested": f"→ {detail.get('destination')}",
        "action.delivered": f"→ {detail.get('destination')}, attempt {detail.get('attempts')}",
        "wait.timed_out": f"at {one.node}",
        "criteria.matched": f"at {one.node}",
    }.get(one.type)
    return Text(text or "", "bright_black")


def day(at: int) -> str:
    return datetime.fromtimestamp(at / 1_000, UTC).date().isoformat()
