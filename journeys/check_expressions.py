"""Checks of the expressions in a document, each at its own place in the text.

Law: an expression that is accepted compiles, has a type that its field can use, and names only
nodes, captures and labels that can be there when it is evaluated.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel

from journeys.cel_ast import COUNT
from journeys.check_graph import Graph
from journeys.documents import Destination
from journeys.expressions import CelError, Expression, compile_cel, data_expressions
from journeys.fields import Holds
from journeys.nodes import Node
from journeys.problems import suggest
from journeys.schema import Findings, field_name, walk
from journeys.schema_types import Path, model_of
from journeys.time import is_time
from journeys.yaml_source import YamlNode

_OF_DESTINATIONS = {"user": ("id",), "journey": ("name", "version", "instance", "key")}


@dataclass(frozen=True, slots=True)
class _Names:
    """What expressions of a journey can name."""

    captures: dict[str, frozenset[str]]
    """Of each node, what it captures."""
    types: dict[str, str]
    labels: dict[str, list[str]]
    """Of each label, the nodes that set it."""
    graph: Graph | None

    def before(self, nodes: list[str], here: str) -> bool:
        """Whether an instance can have left one of the nodes when it stands on `here`."""
        if self.graph is None or not self.graph.certain:
            return True
        return any(self.graph.leads(node, here) for node in nodes)


def check_expressions(findings: Findings, model: type[BaseModel], graph: Graph | None) -> None:
    """Adds what is wrong with the expressions of a document; `graph` is a journey's."""
    names = _names(findings.root, graph)
    for marked in walk(model, findings.root):
        for holds in (mark for mark in marked.marks if isinstance(mark, Holds)):
            for node, text, path in _texts(marked.node, marked.path, holds):
                _check(findings, model, holds, names, node, text, path)


def _texts(node: YamlNode, path: Path, holds: Holds) -> Iterator[tuple[YamlNode, str, Path]]:
    """The texts of a field that are or contain expressions."""
    if holds.kind != "data":
        if isinstance(node.value, str) and node.value not in holds.literals:
            yield node, node.value, path
    elif isinstance(node.value, str):
        if "${" in node.value:
            yield node, node.value, path
    elif isinstance(node.value, dict):
        for key, below in node.value.items():
            yield from _texts(below, (*path, key), holds)
    elif isinstance(node.value, list):
        for index, below in enumerate(node.value):
            yield from _texts(below, (*path, index), holds)


def _check(
    findings: Findings,
    model: type[BaseModel],
    holds: Holds,
    names: _Names,
    node: YamlNode,
    text: str,
    path: Path,
) -> None:
    def problem(at: int, message: str, found: str | None = None, near: str | None = None) -> None:
        findings.at(
            findings.source.position(node, at),
            f"{field_name(findings.root, path)}: {message}",
            found=found,
            near=near,
        )

    try:
        if holds.kind == "data":
            found = data_expressions(text, env=holds.env)
        else:
            found = [(compile_cel(text), 0)]
    except CelError as error:
        message = error.message
        if "timestamp" in holds.types and is_time(text):
            message = f"found a plain time, expected CEL: timestamp('{text}')"
        if not text.strip() and holds.kind == "condition":
            message = "an empty condition: expected CEL that is true or false"
        problem(error.offset, message, near=error.nearest)
        return
    for expression, start in found:
        if holds.kind == "condition" and expression.type not in ("bool", "dyn"):
            problem(
                0, f"the condition is {expression.type}, expected true or false", expression.type
            )
        if holds.types and expression.type not in (*holds.types, "dyn"):
            expected = " or ".join([", ".join(holds.types[:-1]), holds.types[-1]])
            problem(0, f"the value is {expression.type}, expected {expected}", expression.type)
        for message, at, near in (
            _destination_names(expression, holds)
            if model is Destination
            else _journey_names(expression, names, path)
        ):
            problem(start + at, message, near=near)


def _journey_names(
    expression: Expression, names: _Names, path: Path
) -> Iterator[tuple[str, int, str | None]]:
    here = str(path[1]) if path[0] == "nodes" else ""
    for reference, offsets in expression.offsets.items():
        if reference[0] not in ("steps", "attr") or len(reference) < 2:
            continue
        root, name = reference[:2]
        if not here:
            if path[0] == "entry":
                yield f"'{root}' has nothing yet in the entry", offsets[0], None
            else:
                why = "it differs from node to node"
                yield f"'{root}' can't be read in '{path[0]}': {why}", offsets[0], None
        elif root == "attr":
            if name not in names.labels:
                tail, near = suggest(name, names.labels)
                yield f"no node sets '{name}'{tail}", offsets[1], near
            elif not names.before(names.labels[name], here):
                yield f"no node on the way to '{here}' sets '{name}'", offsets[1], None
        elif name not in names.captures:
            tail, near = suggest(name, names.captures)
            yield f"'{name}' is not a node{tail}", offsets[1], near
        elif not names.captures[name]:
            yield f"node '{name}' ({names.types[name]}) captures nothing", offsets[1], None
        elif len(reference) > 2 and reference[2] not in names.captures[name]:
            tail, near = suggest(reference[2], names.captures[name])
            yield f"node '{name}' captures no '{reference[2]}'{tail}", offsets[2], near
        elif not names.before([name], here) and not (name == here and "set" in path):
            yield f"node '{name}' is on no way to '{here}': it has nothing yet", offsets[1], None


def _destination_names(
    expression: Expression, holds: Holds
) -> Iterator[tuple[str, int, str | None]]:
    if any(path[0] == COUNT for path in expression.paths):
        yield f"'{COUNT}' is not known to a destination", 0, None
    for reference, offsets in expression.offsets.items():
        known = _OF_DESTINATIONS.get(reference[0])
        if reference[0] == "env" and holds.env:
            continue
        if known is None or len(reference) < 2 or reference[1] not in known:
            expected = "user.id and journey.name, version, instance and key"
            yield (
                f"'{'.'.join(reference)}' is not known to a destination: expected {expected}",
                offsets[0],
                None,
            )


def _names(root: YamlNode, graph: Graph | None) -> _Names:
    nodes = root.value.get("nodes")
    captures: dict[str, frozenset[str]] = {}
    types: dict[str, str] = {}
    labels: dict[str, list[str]] = {}
    if nodes is not None and isinstance(nodes.value, dict):
        for name, node in nodes.value.items():
            model = model_of(Node, node)
            captures[name] = getattr(model, "captures", frozenset())
            types[name] = _type(node)
            for label in _labels(node):
                labels.setdefault(label, []).append(name)
    return _Names(captures, types, labels, graph)


def _type(node: YamlNode) -> str:
    kind = node.value.get("type") if isinstance(node.value, dict) else None
    return str(kind.value) if kind is not None else "without a type"


def _labels(node: YamlNode) -> Iterator[str]:
    """The labels that a node or one of its branches sets."""
    if isinstance(node.value, dict):
        written: Any = node.value.get("set")
        if written is not None and isinstance(written.value, dict):
            yield from written.value
        for key, below in node.value.items():
            if key not in ("set", "payload", "traits", "properties"):
                yield from _labels(below)
    elif isinstance(node.value, list):
        for below in node.value:
            yield from _labels(below)
