"""Outcomes, actions and dead letters as one line each, for people."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from rich.text import Text

from journeys.problems import printable

if TYPE_CHECKING:
    from agents.client.dead_letters import Letter

_ID_WIDTH = 8
_MAX_COLUMN_WIDTH = 40

# By the beginning of an outcome's type; the first match is used.
_STYLES = {
    "journey.entered": "bold green",
    "journey.exited": "green",
    "journey.rejected": "yellow",
    "goal.": "bold green",
    "action.delivered": "green",
    "action.failed": "bold red",
    "action.skipped": "yellow",
    "action.": "magenta",
    "expression.failed": "red",
    "event.rejected": "red",
    "config.rejected": "bold red",
    "config.accepted": "bold green",
    "wait.": "blue",
    "experiment.": "cyan",
    "criteria.": "cyan",
}


def outcome(record: dict[str, Any]) -> Text:
    """Time, user, journey and node, what happened, and its detail."""
    type_ = _text(record.get("type"))
    style = next((style for start, style in _STYLES.items() if type_.startswith(start)), "")
    detail = record.get("detail")
    return _line(record, (f"{type_:<19}", style), (_detail(detail), "dim"))


def action(record: dict[str, Any]) -> Text:
    """Time, user, journey and node, the destination and the request to it."""
    what = "→ " + _text(record.get("destination"))
    name = record.get("action") or record.get("event_name")
    if name:
        what += f" · {_text(name)}"
    return _line(record, (what, "magenta"), (_detail(record.get("payload")), "dim"))


def dead(record: dict[str, Any]) -> Text:
    """Time, role, the record's position, the reason and the last line of the detail; for a mark,
    the status and the letter's id."""
    if "mark" in record:
        return Text.assemble(
            (_time(record) + "  ", "dim"),
            (printable(_text(record["mark"])) + "  ", "bold"),
            (printable(_text(record.get("dead_id"))), "cyan"),
        )
    cause = record.get("cause") or {}
    place = f"{cause.get('topic')}-{cause.get('partition')}@{cause.get('offset')}"
    detail = _text(record.get("detail")).strip().splitlines() or [""]
    return Text.assemble(
        (_time(record) + "  ", "dim"),
        printable(f"{_text(record.get('role'))} "),
        (printable(place) + "  ", "cyan"),
        (printable(_text(record.get("reason"))) + "  ", "bold red"),
        (printable(detail[-1]), "dim"),
    )


def print_letters(letters: list[Letter]) -> None:
    """Prints a table of letters, cut to the width of the terminal."""
    from rich.console import Console

    from journeys.time import format_time

    rows: list[tuple[str, ...]] = [
        ("id", "dead-lettered", "role", "reason", "user", "what", "status", "detail")
    ]
    for letter in letters:
        record = letter.record
        event = letter.event or record.cause.topic
        rows.append(
            (
                letter.id[:_ID_WIDTH],
                format_time(letter.at).replace("T", " ").removesuffix("Z"),
                record.role,
                record.reason,
                letter.user or "–",
                (f"→ {letter.destination}" if letter.destination else event) or "–",
                letter.status,
                (record.detail.strip().splitlines() or [""])[-1],
            )
        )
    rows = [tuple(map(printable, row)) for row in rows]
    widths = [
        min(max(map(len, column)), _MAX_COLUMN_WIDTH)
        for column in list(zip(*rows, strict=True))[:-1]
    ]
    console = Console(highlight=False, markup=False)
    for number, row in enumerate(rows):
        cells = [f"{cell[:width]:<{width}}" for cell, width in zip(row, widths, strict=False)]
        line = Text("  ".join([*cells, row[-1]]), style="dim" if number == 0 else "")
        console.print(line, no_wrap=True, overflow="ellipsis")


FORMS: dict[str, Callable[[dict[str, Any]], Text]] = {
    "outcomes": outcome,
    "actions": action,
    "dead": dead,
}


def _line(record: dict[str, Any], *what: tuple[str, str]) -> Text:
    user = printable(_text(record.get("user_id") or "–"))
    where = "/".join(_text(record[name]) for name in ("journey", "node") if record.get(name))
    detail = record.get("detail")
    if isinstance(detail, dict) and "kind" in detail:  # an outcome of a push
        where = f"{_text(detail['kind'])}/{_text(detail.get('name'))}"
    parts = [(printable(text), style) for text, style in what]
    return Text("  ").join(
        [
            Text(_time(record), "dim"),
            Text(f"{user:<14}", "bold"),
            Text(f"{printable(where) or '–':<34}", "cyan"),
            *(Text(text, style) for text, style in parts),
        ]
    )


def _time(record: dict[str, Any]) -> str:
    return printable(_text(record.get("at")).replace("T", " ").removesuffix("Z"))


def _detail(detail: Any) -> str:
    """`name=value` of each field that has one; nested values as JSON."""
    if not isinstance(detail, dict):
        return "" if detail is None else _text(detail)
    if problems := detail.get("problems"):
        first = problems[0]
        more = f" (and {len(problems) - 1} more)" if len(problems) > 1 else ""
        return f"{first.get('line')}:{first.get('column')}: {first.get('message')}{more}"
    return " ".join(f"{name}={_text(value)}" for name, value in detail.items() if value is not None)


def _text(value: Any) -> str:
    if isinstance(value, str):
        return value
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))
