"""`journeys schema`: JSON Schemas for editors and for readers of the engine's records."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from agents.errors import UserError


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
    # yaml-language-server: $schema=docs/schema/documents.schema.json
    """
    from journeys.problems import suggest
    from journeys.views.json_schema import SCHEMAS

    if name not in SCHEMAS:
        raise UserError(f"{name!r} is not a schema{suggest(name, SCHEMAS, most=16)[0]}")
    if write is None:
        typer.echo(text(name), nl=False)
        return
    try:
        write.mkdir(parents=True, exist_ok=True)
        for one in SCHEMAS:
            (write / f"{one}.schema.json").write_text(text(one), encoding="utf-8")
    except OSError as error:
        raise UserError(f"{write} can't be written: {(error.strerror or '').lower()}") from None


def text(name: str) -> str:
    """A schema as its file has it."""
    from journeys.views.json_schema import SCHEMAS

    return json.dumps(SCHEMAS[name](), indent=2, ensure_ascii=False) + "\n"
