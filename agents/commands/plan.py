"""`journeys plan`: what `apply` would change in the catalog.

Law: it reads the catalog as workers do and writes nothing.
"""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from agents.terminal.text import echo, echo_json

if TYPE_CHECKING:
    from journeys.catalog.catalog import Catalog
    from journeys.catalog.diff import DocumentChange, FieldChange, InFlight

REJECTED, CHANGES = 1, 2  # exit codes

_SIGNS = {
    "created": ("+", "green"),
    "added": ("+", "green"),
    "changed": ("~", "yellow"),
    "archived": ("-", "red"),
    "removed": ("-", "red"),
    "unchanged": (" ", None),
}


def plan(
    files: Annotated[
        list[Path], typer.Argument(metavar="FILE...", help="The documents, as for `apply`.")
    ],
    detailed_exitcode: Annotated[
        bool,
        typer.Option("--detailed-exitcode", help="Exit code 2 where something would change."),
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print the changes as JSON.")] = False,
) -> None:
    """Show what an apply would change: documents, nodes and fields.

    Exit code 1 when the documents would be rejected.
    """
    from agents.client.push import Joined
    from agents.kafka.topics import CONFIG
    from agents.terminal.documents import documents_of, print_problems
    from agents.terminal.files import read_files
    from journeys.catalog.catalog import Rejected
    from journeys.catalog.diff import plan as plan_push

    read = read_files(files)
    problems = read.problems
    texts = read.documents if problems else documents_of(read)
    joined = Joined(texts)
    changes = Rejected(problems) if problems else plan_push(joined.text, CONFIG, _active_catalog())
    if isinstance(changes, Rejected):
        found = problems or [joined.own(problem) for problem in changes.problems]
        if as_json:
            shown = [asdict(problem) for problem in found]
            echo_json({"accepted": False, "documents": [], "problems": shown})
        else:
            print_problems(found, texts)
        raise typer.Exit(REJECTED)
    if as_json:
        shown = [asdict(change) for change in changes]
        echo_json({"accepted": True, "documents": shown, "problems": []})
    else:
        _print(changes)
    if detailed_exitcode and any(change.change != "unchanged" for change in changes):
        raise typer.Exit(CHANGES)


def _active_catalog() -> Catalog:
    from agents.client.catalog import CatalogReader
    from agents.kafka.broker import partitions_of
    from agents.kafka.client import base_config
    from agents.kafka.topics import CATALOG
    from agents.settings import Settings

    broker = Settings.from_env().broker
    partitions_of(broker, CATALOG)
    return CatalogReader(base_config(broker) | {"log_level": 0}).load()


def _print(changes: list[DocumentChange]) -> None:
    for one in changes:
        version = one.version
        if one.before not in (None, one.version):
            version = f"{one.before} -> {one.version}"
        _line("", one.change, f"{one.kind}/{one.name} {version} ({one.change})")
        for field in one.fields:
            _line("    ", field.change, _field(field))
        for older in one.in_flight:
            _print_in_flight(older)
        for note in one.notes:
            echo(f"    {note}")
    counts = Counter(one.change for one in changes)
    counted = [f"{counts[change]} {change}" for change in _SIGNS if counts[change]]  # type: ignore[index]
    echo(", ".join(counted))


def _print_in_flight(older: InFlight) -> None:
    """Prints what happens to live instances of an older version."""
    if older.follow:
        nodes = ", ".join(older.follow)
        echo(f"    instances of {older.version} at {nodes} continue with the new version")
    reasons: dict[str, list[str]] = {}
    for node, why in older.stay.items():
        reasons.setdefault(why, []).append(node)
    for why, kept in reasons.items():
        echo(f"    instances of {older.version} at {', '.join(kept)} keep their version: {why}")


def _line(indent: str, change: str, text: str) -> None:
    sign, colour = _SIGNS[change]
    shown = f"{indent}{sign} {text}"
    echo((shown, colour) if colour else shown)


def _field(field: FieldChange) -> str:
    """A change as `nodes.wait.within: "1h" -> "2h"`; of a whole node only its type."""
    from journeys.schema.places import dotted

    place = dotted(field.path)
    if field.change == "changed":
        return f"{place}: {_short(field.before)} -> {_short(field.after)}"
    value = field.after if field.change == "added" else field.before
    if len(field.path) == 2 and field.path[0] == "nodes":
        return f"{place} ({value['type']})"
    return f"{place}: {_short(value)}"


def _short(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)
