"""Names that look the same but differ: `é` as one character or two, different kinds of spaces, and
invisible characters.

Law: names of one kind that a reader can't tell apart are reported, in whichever of the documents
checked together they occur.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from itertools import pairwise

from pydantic import BaseModel

from journeys.checks.expressions import Written
from journeys.problems import short
from journeys.schema.fields import EVENT_NAME, TRAIT_NAME
from journeys.schema.findings import Findings
from journeys.schema.places import walk
from journeys.schema.yaml_source import YamlNode

Name = tuple[str, str, tuple[int, int]]
"""What is named (event, property or trait), the name, and its line and column."""

_KEYS = {"traits": "trait", "traits_once": "trait", "properties": "property"}
_MARKS = {EVENT_NAME: "event", TRAIT_NAME: "trait"}


def look_of(name: str) -> str:
    """How a name looks to a reader: equal for names that look the same."""
    if name.isascii():
        return " ".join(name.split())
    seen = "".join(
        " " if char.isspace() else char
        for char in unicodedata.normalize("NFKC", name)
        if unicodedata.category(char) not in ("Cf", "Cc") or char.isspace()
    )
    return " ".join(seen.split())


def distinguished(name: str, other: str) -> tuple[str, str]:
    """Two names, quoted for a message; escaped if they look the same."""
    if look_of(name) != look_of(other):
        return f"'{name}'", f"'{other}'"
    return f"'{short(ascii(name)[1:-1])}'", f"'{short(ascii(other)[1:-1])}'"


def lint_lookalikes(
    documents: Iterable[tuple[Findings, type[BaseModel], Sequence[Written]]],
) -> None:
    """Adds a warning where a name looks the same as one of another document but differs."""
    first: dict[tuple[str, str], tuple[str, Findings, int]] = {}
    for findings, model, written in documents:
        reported = set()
        for what, name, place in sorted(names_in(findings, model, written), key=lambda one: one[2]):
            other, its, line = first.setdefault((what, look_of(name)), (name, findings, place[0]))
            if other == name or its is findings or (what, name) in reported:
                continue  # within one document `lint` reports every other spelling
            reported.add((what, name))
            shown, meant = distinguished(name, other)
            findings.warn(
                place,
                f"the {what} {shown} looks like {meant} in {its.source.file}:{line}, but is "
                "a different name: write both the same way",
                found=name,
                near=other,
            )


def names_in(
    findings: Findings, model: type[BaseModel], written: Sequence[Written]
) -> Iterator[Name]:
    """The names of events, properties and traits that a document has."""
    for marked in walk(model, findings.root):
        for mark, what in _MARKS.items():
            if mark in marked.marks and isinstance(marked.node.value, str):
                yield what, marked.node.value, (marked.node.line, marked.node.column)
    for one in written:
        for path, offsets in one.expression.offsets.items():
            for at, (inside, name) in enumerate(pairwise(path), 1):
                if (inside in _KEYS and at in (2, 4)) or (inside == "before" and at == 1):
                    offset, lets = one.place(offsets[at])
                    if not lets:  # otherwise it is in the let itself
                        yield (
                            _KEYS.get(inside, "trait"),
                            name,
                            findings.source.position(one.node, offset),
                        )
    nodes = findings.root.value.get("nodes")
    for node in nodes.value.values() if nodes is not None else ():
        for field, what in _KEYS.items():
            part = node.value.get(field)
            if part is not None and isinstance(part.value, dict):
                yield from _keys(part, what)


def _keys(part: YamlNode, what: str) -> Iterator[Name]:
    for name, place in part.keys.items():
        yield what, name, place
