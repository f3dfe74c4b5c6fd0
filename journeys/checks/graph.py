"""Checks of the ways through a journey.

Law: every node that is named exists, every node can be reached, and every cycle has a node at which
instances wait.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property

from pydantic import TypeAdapter, ValidationError

from journeys.checks.branches import check_branches
from journeys.documents.ways import Way, falls
from journeys.graph import after, cycles, reachable
from journeys.nodes import Node
from journeys.nodes.base import NodeModel
from journeys.problems import short, suggest
from journeys.schema.annotations import model_of
from journeys.schema.findings import Findings
from journeys.schema.marks import NextNode, Path
from journeys.schema.places import field_name, walk, where
from journeys.schema.yaml_source import YamlNode

_NODE: TypeAdapter[NodeModel] = TypeAdapter(Node)

_HINTS = {
    "all": ", or in a branch on every way through it",
    "any": ", or in each branch on every way through it",
}
"""What else makes a cycle wait at its parallel node, by `join`."""


@dataclass
class Graph:
    """The ways through a journey.

    Attributes:
        edges: from every node to those it can lead to.
        ways: the same, with the fields that name the target.
        certain: False where mistakes hide some of them.
    """

    edges: Mapping[str, Collection[str]]
    ways: Collection[Way]
    certain: bool

    @cached_property
    def _after(self) -> tuple[dict[str, int], dict[str, int]]:
        return after(self.edges)

    def leads(self, first: str, then: str) -> bool:
        """Whether an instance that left `first` can reach `then`."""
        bits, found = self._after
        return bool(found[first] & bits[then])

    def ways_from(self, part: Path) -> Iterator[Way]:
        """The ways that begin at a node, or at a part of it such as a branch."""
        own = False
        for way in self._from.get(str(part[1]), ()):
            if way.path is not None and way.path[: len(part)] == part:
                own = own or way.path == (*part, "next")
                yield way
        if len(part) == 2 or not own:  # a part without `next` leads where its node leads
            for way in self._from.get(str(part[1]), ()):
                if way.path is None or (len(part) > 2 and way.path == (*part[:2], "next")):
                    yield way

    @cached_property
    def _from(self) -> dict[str, list[Way]]:
        found: dict[str, list[Way]] = {}
        for way in self.ways:
            found.setdefault(way.source, []).append(way)
        return found


def check_graph(findings: Findings) -> Graph:
    """Adds the problems of the ways through a journey, and returns the ways."""
    nodes = findings.root.value.get("nodes")
    if nodes is None or not isinstance(nodes.value, dict) or not nodes.value:
        return Graph({}, (), False)
    names = list(nodes.value)
    edges: dict[str, list[str]] = {name: [] for name in names}
    ways: list[Way] = []
    blocking: set[str] = set()
    models: dict[str, NodeModel] = {}
    certain = True
    for name, below in zip(names, [*names[1:], None], strict=True):
        node = nodes.value[name]
        model = _node_model(node)
        if model is not None:
            models[name] = model
        certain = certain and model is not None
        kind = model_of(Node, node)
        if kind is None or getattr(kind, "blocking", False):
            blocking.add(name)
        for path, target in _targets(node, name):
            if target in edges:
                edges[name].append(target)
                ways.append(Way(name, path, target))
                continue
            place = findings.node(path)
            tail, near = suggest(target, names)
            findings.at(
                place,
                f"{field_name(findings.root, path)}: '{short(target)}' is not a node{tail}",
                found=target,
                near=near,
            )
            if near is None:
                certain = False
            else:
                edges[name].append(near)
                ways.append(Way(name, path, near))
        if below is not None and model is not None and falls(model, below):
            edges[name].append(below)
            ways.append(Way(name, None, below))
    if certain:
        reached = _reached(findings, edges)
        joins = check_branches(findings, models, [w for w in ways if w.source in reached])
        ways = [way for way in ways if way not in joins.apart]
        for way in joins.apart:
            edges[way.source].remove(way.target)
        blocking |= joins.waiting
    else:
        blocking |= {name for name, model in models.items() if model.forks is not None}
    for cycle in cycles(edges, blocking):
        shown = [*cycle[:8], "..."] if len(cycle) > 9 else cycle
        forks = (models[name].forks for name in cycle if name in models)
        hint = next((_HINTS[fork.join] for fork in forks if fork and fork.join in _HINTS), "")
        ring = " -> ".join(short(name) for name in [*shown, cycle[0]])
        findings.at(
            findings.key(("nodes", cycle[0])),
            f"the nodes {ring} form a cycle without a wait: "
            f"expected a delay, a wait_for_event or a digest among them{hint}",
            found=ring,
            expected="a delay, a wait_for_event or a digest",
        )
    return Graph(edges, ways, certain)


def _reached(findings: Findings, edges: Mapping[str, Collection[str]]) -> set[str]:
    """The nodes that can be reached; the others are problems."""
    reached = reachable(edges, [next(iter(edges))])
    for name in edges:
        if name not in reached:
            findings.at(
                findings.key(("nodes", name)),
                f"{where(findings.root, ('nodes', name))} can't be reached: no node leads to it",
                found=name,
            )
    return reached


def _node_model(node: YamlNode) -> NodeModel | None:
    try:
        return _NODE.validate_python(node.plain(), by_alias=True, by_name=False)
    except ValidationError:
        return None


def _targets(node: YamlNode, name: str) -> Iterable[tuple[Path, str]]:
    for marked in walk(Node, node, ("nodes", name)):
        if any(isinstance(mark, NextNode) for mark in marked.marks) and isinstance(
            marked.node.value, str
        ):
            yield marked.path, marked.node.value
