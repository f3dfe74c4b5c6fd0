"""Where nodes lead, defined in one place.

Law: an instance leaves a node by a way that the node names, or falls through to the node below if
the node allows that and has no `next`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import zip_longest
from typing import NamedTuple

from pydantic import BaseModel

from journeys.graph import reachable
from journeys.nodes.base import ForwardNode, NodeModel
from journeys.nodes.base import Way as NodeWay
from journeys.schema.marks import Path

Nodes = Mapping[str, NodeModel]
"""The nodes of a journey by name, in the order of the document."""


class Way(NamedTuple):
    """A way from one node to another.

    Attributes:
        path: of the field in the document that names the target; None: the target is the node
            below.
    """

    source: str
    path: Path | None
    target: str


def falls(node: NodeModel, below: str) -> bool:
    """Whether an instance can fall through from a node, as written, to the one below it."""
    return node.falls_through and getattr(node, "next", None) is None and node.leads_down(below)


def ways(nodes: Nodes) -> Iterator[Way]:
    """Every way between nodes: for each node the ways that it names, in the order written, then the
    fall-through to the node below."""
    for (name, node), below in zip_longest(nodes.items(), list(nodes)[1:]):
        for target in node.targets():
            yield Way(name, ("nodes", name, *target.path), target.node)
        if below is not None and falls(node, below):
            yield Way(name, None, below)


def edges(nodes: Nodes) -> dict[str, list[str]]:
    """The names of the nodes that each node can lead to."""
    found: dict[str, list[str]] = {name: [] for name in nodes}
    for way in ways(nodes):
        found[way.source].append(way.target)
    return found


def falls_of(nodes: Nodes) -> dict[str, str]:
    """The target of each node from which an instance can fall through."""
    return {way.source: way.target for way in ways(nodes) if way.path is None}


def with_next(nodes: Nodes) -> dict[str, NodeModel]:
    """The nodes as written, with `next` filled in where it is the node below."""
    return {
        name: node.model_copy(update={"next": below})
        if isinstance(node, ForwardNode)
        and node.next is None
        and (below is None or node.leads_down(below))
        else node
        for (name, node), below in zip_longest(nodes.items(), list(nodes)[1:])
    }


def taken(node: NodeModel) -> set[str]:
    """The nodes that may come right after a node with `next` filled in; a `next` that every branch
    overrides doesn't count."""
    unused = ("next",) if isinstance(node, ForwardNode) and not node.falls_through else None
    return {target.node for target in node.targets() if target.path != unused}


class BranchNodes(NamedTuple):
    """What belongs to one branch of a parallel node: its nodes, and the labels that they set."""

    nodes: frozenset[str]
    labels: frozenset[str]


def branch_nodes(nodes: Nodes, first: str, join: str | None) -> BranchNodes:
    """The nodes from `first` on, up to the node where the branches join.

    Args:
        nodes: with `next` filled in.
        join: None if there is no such node.
    """
    leads = {name: taken(node) for name, node in nodes.items()}
    if join is not None:
        leads[join] = set()
    own = reachable(leads, [first]) - {join}
    return BranchNodes(
        frozenset(own), frozenset(label for name in own for label in labels_of(nodes[name]))
    )


def labels_of(part: BaseModel) -> Iterator[str]:
    """The labels that a node and its branches set."""
    yield from getattr(part, "set", None) or ()
    for name in type(part).model_fields:
        value = getattr(part, name)
        inner = value.values() if isinstance(value, dict) else value
        for one in inner if isinstance(value, dict | list) else ():
            if isinstance(one, BaseModel):
                yield from labels_of(one)


def parts(node: NodeModel) -> Iterator[tuple[Path, bool]]:
    """Branches, variants and the like that an instance can take, and whether each has a `next`;
    without one, it goes where the node itself leads."""
    for name in type(node).model_fields:
        value = getattr(node, name)
        if isinstance(value, dict | list):
            for key, part in value.items() if isinstance(value, dict) else enumerate(value):
                if isinstance(part, NodeWay) and part.leads:
                    yield (name, key), part.next is not None
