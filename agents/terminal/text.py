"""The only module through which commands print.

Law: the content of a document, an event or an answer never controls a terminal, nor adds lines.
Characters that are not printable are escaped; in JSON as JSON escapes, so that it still has the
same value.
"""

from __future__ import annotations

import json
from typing import Any

import typer

from journeys.problems import is_printable, printable

Part = str | tuple[str, str]
"""A text, or a text and its style: `red`, `bold green`, `dim`."""


def echo(*parts: Part, err: bool = False, nl: bool = True) -> None:
    """Prints parts of one line, one after another.

    Args:
        err: to stderr.
        nl: end the line.
    """
    typer.echo("".join(map(_styled, parts)), err=err, nl=nl)


def echo_lines(text: str, *, err: bool = False) -> None:
    """Prints a text of several lines."""
    for line in text.removesuffix("\n").split("\n"):
        echo(line, err=err)


def echo_json(value: Any, *, indent: int | None = None) -> None:
    """Prints a value as JSON; in one line unless it is indented."""
    typer.echo(_escaped(json.dumps(value, ensure_ascii=False, indent=indent)))


def json_line(value: bytes) -> bytes:
    """A JSON record as one line; if it is not JSON, its bytes are escaped, too."""
    line = value.replace(b"\n", b" ").decode("utf-8", "surrogateescape")
    return _escaped(line).encode() + b"\n"


def _styled(part: Part) -> str:
    if isinstance(part, str):
        return printable(part)
    text, style = part
    if style == "dim":
        return typer.style(printable(text), dim=True)
    *bold, colour = style.split()
    return typer.style(printable(text), fg=colour, bold=bool(bold) or None)


def _escaped(text: str) -> str:
    """JSON with every unprintable character escaped; `indent` allows line breaks."""
    if printable(text) == text:
        return text
    return "".join(
        char if char == "\n" or is_printable(char) else json.dumps(char)[1:-1] for char in text
    )
