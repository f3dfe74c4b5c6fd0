"""Checks of the ways through a journey.

Law: every name of a node is one, every node can be reached, and every cycle waits somewhere.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property

from pydantic import TypeAdapter, ValidationError

from journeys.graph import after, cycles, reachable
from journeys.nodes import Node
from journeys.nodes.base import NextNode, NodeModel
from journeys.problems import suggest
from journeys.schema import Findings, field_name, walk, where
from journeys.schema_types import model_of
from journeys.yaml_source import YamlNode

_NODE: TypeAdapter[NodeModel] = TypeAdapter(Node)


@dataclass
class Graph:
    """The ways through a journey.

    Attributes:
        edges: from every node to those it can lead to.
        certain: False where mistakes hide some of them.
    """

    edges: Mapping[str, Collection[str]]
    certain: bool

    @cached_property
    def _after(self) -> tuple[dict[str, int], dict[str, int]]:
        return after(self.edges)

    def leads(self, first: str, then: str) -> bool:
        """Whether an instance that left `first` can come to `then`."""
        bits, found = self._after
        return bool(found[first] & bits[then])


def check_graph(findings: Findings) -> Graph:
    """Adds what is wrong with the ways through a journey, and returns them."""
    nodes = findings.root.value.get("nodes")
    if nodes is None or not isinstance(nodes.value, dict) or not nodes.value:
        return Graph({}, False)
    names = list(nodes.value)
    edges: dict[str, list[str]] = {name: [] for name in names}
    blocking: set[str] = set()
    certain = True
    for name, below in zip(names, [*names[1:], None], strict=True):
        node = nodes.value[name]
        model = _node_model(node)
        certain = certain and model is not None
        kind = model_of(Node, node)
        if kind is None or getattr(kind, "blocking", False):
            blocking.add(name)
        for path, target in _targets(node, name):
            if target in edges:
                edges[name].append(target)
                continue
            place = findings.node(path)
            tail, near = suggest(target, names)
            findings.at(
                place,
                f"{field_name(findings.root, path)}: '{target}' is not a node{tail}",
                found=target,
                near=near,
            )
            if near is None:
                certain = False
            else:
                edges[name].append(near)
        falls = model.falls_through and getattr(model, "next", None) is None if model else False
        if falls and below is not None:
            edges[name].append(below)
    if certain:
        _reached(findings, edges)
    for cycle in cycles(edges, blocking):
        ring = " -> ".join([*cycle, cycle[0]])
        findings.at(
            findings.key(("nodes", cycle[0])),
            f"the nodes {ring} go round without waiting: "
            "expected a delay or a wait_for_event among them",
            found=ring,
            expected="a delay or a wait_for_event",
        )
    return Graph(edges, certain)


def _reached(findings: Findings, edges: Mapping[str, Collection[str]]) -> None:
    reached = reachable(edges, [next(iter(edges))])
    for name in edges:
        if name not in reached:
            findings.at(
                findings.key(("nodes", name)),
                f"{where(findings.root, ('nodes', name))} can't be reached: no node leads to it",
                found=name,
            )


def _node_model(node: YamlNode) -> NodeModel | None:
    try:
        return _NODE.validate_python(node.plain(), by_alias=True, by_name=False)
    except ValidationError:
        return None


def _targets(node: YamlNode, name: str) -> Iterable[tuple[tuple[str | int, ...], str]]:
    for marked in walk(Node, node, ("nodes", name)):
        if any(isinstance(mark, NextNode) for mark in marked.marks) and isinstance(
            marked.node.value, str
        ):
            yield marked.path, marked.node.value
