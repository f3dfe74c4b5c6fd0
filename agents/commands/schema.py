"""`journeys schema`: JSON Schemas for editors and for readers of the engine's records."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import typer

from agents.errors import UserError, unwritable
from agents.terminal.text import echo_lines


def schema(
    name: Annotated[
        str,
        typer.Argument(
            metavar="[NAME]",
            help="documents (any of them), journey, destination, lifecycle, test, responses, "
            "action or outcome.",
        ),
    ] = "documents",
    write: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR", help="Write all of them into this folder instead.", show_default=False
        ),
    ] = None,
) -> None:
    """Print a JSON Schema, generated from what the engine itself reads and writes.

    An editor with the YAML language server takes it from the first line of a document:
    # yaml-language-server: $schema=docs/schema/v1/documents.schema.json
    """
    from journeys.problems import suggest

    known = _schemas()
    if name not in known:
        raise UserError(f"{name!r} is not a schema{suggest(name, known, most=16)[0]}")
    if write is None:
        echo_lines(text(known[name]()))
        return
    try:
        write.mkdir(parents=True, exist_ok=True)
        for one, made in known.items():
            (write / f"{one}.schema.json").write_text(text(made()), encoding="utf-8")
    except OSError as error:
        raise unwritable(write, error) from None


def _schemas() -> dict[str, Callable[[], dict[str, Any]]]:
    from agents.kinds import KINDS
    from journeys.views.json_schema import schemas

    return schemas(KINDS)


def text(schema: dict[str, Any]) -> str:
    """A schema as the text of its file."""
    return json.dumps(schema, indent=2, ensure_ascii=False) + "\n"
