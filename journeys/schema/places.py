"""Places in a document: a walk over its marked fields, and the names that messages use."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, get_args, get_origin

from journeys.problems import short
from journeys.schema.annotations import (
    child,
    entries_of,
    is_model,
    options_of,
    text_at,
    type_of_field,
)
from journeys.schema.marks import Path
from journeys.schema.yaml_source import YamlNode


@dataclass(frozen=True, slots=True)
class Marked:
    """A value of a document whose field has marks."""

    path: Path
    node: YamlNode
    marks: tuple[Any, ...]


def walk(annotation: Any, node: YamlNode, path: Path = ()) -> Iterator[Marked]:
    """Every value whose field has marks, even in a document with mistakes."""
    for base, marks in options_of(annotation, node):
        if marks and node.value is not None:
            yield Marked(path, node, marks)
        if is_model(base):
            for key, below in entries_of(node):
                kind = type_of_field(base, key)
                if kind is not None:
                    yield from walk(kind, below, (*path, key))
        elif get_origin(base) is dict:
            for key, below in entries_of(node):
                yield from walk(get_args(base)[1], below, (*path, key))
        elif get_origin(base) is list and isinstance(node.value, list):
            for index, below in enumerate(node.value):
                yield from walk(get_args(base)[0], below, (*path, index))


def where(root: YamlNode, path: Path) -> str:
    """The name of the mapping at a path in messages: `node 'bought' (wait_for_event)`."""
    if len(path) >= 2 and path[0] == "nodes":
        node = child(child(root, "nodes") or root, path[1])
        kind = text_at(node, "type")
        place = f"node '{short(str(path[1]))}'" + (f" ({short(kind)})" if kind else "")
        rest = path[2:]
    elif path and path[0] == "entry":
        place, rest = "the entry", path[1:]
    else:
        kind, name = text_at(root, "kind") or "the document", text_at(root, "name")
        place, rest = f"{short(kind)} '{short(name)}'" if name else short(kind), path
    return f"'{dotted(rest)}' of {place}" if rest else place


def dotted(path: Path) -> str:
    """A path as text, such as `branches[0].when`."""
    text = ""
    for part in path:
        if isinstance(part, int):
            text += f"[{part}]"
        else:
            text += f".{short(part)}" if text else short(part)
    return text


def field_name(root: YamlNode, path: Path) -> str:
    """The name of the value at a path in messages: `'where' in node 'bought' (wait_for_event)`."""
    named = [index for index, part in enumerate(path) if isinstance(part, str)]
    at = named[-1] if named else 0
    above = path[:at]
    if len(path) == 2 and path[0] == "nodes":
        return where(root, path)
    return f"'{dotted(path[at:])}' in {where(root, above)}"
