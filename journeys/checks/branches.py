"""Checks of the branches of parallel nodes.

Law: a node of a branch belongs to that branch alone, except an exit, which may end several; and no
branch has branches of its own. So it is always clear where a branch ends and what it may set.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from typing import NamedTuple

from journeys.documents.ways import Way, labels_of
from journeys.graph import reachable
from journeys.nodes.base import NodeModel
from journeys.problems import short
from journeys.schema.findings import Findings
from journeys.schema.places import where


class Joins(NamedTuple):
    """How the branches of a journey join.

    Attributes:
        apart: the ways on which nothing is handed over to the nodes that follow: from branches for
            which no instance waits.
        waiting: the parallel nodes at which every instance waits, as enough branches wait.
    """

    apart: set[Way]
    waiting: set[str]


def check_branches(
    findings: Findings, nodes: Mapping[str, NodeModel], ways: Collection[Way]
) -> Joins:
    """Adds the problems of the branches of a journey whose ways are all known."""
    found = Joins(set(), set())
    forks = {name: node.forks for name, node in nodes.items() if node.forks is not None}
    index = _Index(nodes, ways if forks else ())
    for name, fork in forks.items():
        branches = _Branches(findings, nodes, index, name)
        branches.check()
        match fork.join:
            case "none":
                found.apart.update(branches.joining())
            case "all" if any(branches.waiting()):
                found.waiting.add(name)
            case "any" if all(branches.waiting()):
                found.waiting.add(name)
    return found


class _Index:
    """The ways of a journey by where they begin and end; built once for all parallel nodes."""

    def __init__(self, nodes: Mapping[str, NodeModel], ways: Collection[Way]) -> None:
        self.leaving: dict[str, list[Way]] = {}
        self.leading: dict[str, list[Way]] = {}
        self.edges: dict[str, list[str]] = {}
        self.at_once: dict[str, list[str]] = {}
        """The edges from nodes at which no instance waits."""
        self.continues: set[str] = set()
        """The nodes with a way of their own to the next node, or to the node below."""
        self.position = {name: place for place, name in enumerate(nodes)}
        for way in ways:
            self.leaving.setdefault(way.source, []).append(way)
            self.leading.setdefault(way.target, []).append(way)
            self.edges.setdefault(way.source, []).append(way.target)
            if not nodes[way.source].blocking:
                self.at_once.setdefault(way.source, []).append(way.target)
            if way.path is None or way.path[2:] == ("next",):
                self.continues.add(way.source)


class _Branches:
    """The branches of one parallel node, and the nodes of each."""

    def __init__(
        self,
        findings: Findings,
        nodes: Mapping[str, NodeModel],
        index: _Index,
        name: str,
    ) -> None:
        self.findings = findings
        self.nodes = nodes
        self.index = index
        self.name = name
        leaving = index.leaving.get(name, [])
        self.starts = [
            (str(way.path[-1]), way.target)
            for way in leaving
            if way.path is not None and way.path[2:3] == ("branches",)
        ]
        joins = [way.target for way in leaving if way.path is None or way.path[2:] == ("next",)]
        self.join = joins[0] if joins else None
        self.own: dict[str, set[str]] = {}
        """The nodes of each branch; up to the first branch that shares some of another."""
        self.owner: dict[str, str] = {}
        self.overlap = False
        edges: dict[str, list[str]] = {**index.edges, name: []}
        if self.join is not None:
            edges[self.join] = []
        for branch, first in self.starts:
            self.own[branch] = reachable(edges, [first]) - {self.join}
            if self._claim(branch):
                break  # one message is enough, and others would reach as much

    def _claim(self, branch: str) -> bool:
        """Note whose nodes they are. Returns whether a node is another branch's already."""
        for node in self._in_order(branch):
            if self.nodes[node].forks is None and not self._ends(node):
                self.overlap = self.owner.setdefault(node, branch) != branch or self.overlap
        return self.overlap

    def _in_order(self, branch: str) -> list[str]:
        """The nodes of a branch in the order of the document."""
        return sorted(self.own[branch], key=self.index.position.__getitem__)

    def joining(self) -> list[Way]:
        """The ways by which a branch ends."""
        leading = [] if self.join is None else self.index.leading.get(self.join, [])
        return [way for way in leading if any(way.source in own for own in self.own.values())]

    def waiting(self) -> Iterator[bool]:
        """For each branch whether it waits on every way through it; taken for granted where nodes
        belong to several branches."""
        if self.overlap:
            return iter([True])
        edges = {**self.index.at_once, **({} if self.join is None else {self.join: []})}
        return (self._waits(first, edges) for _, first in self.starts)

    def _waits(self, first: str, edges: Mapping[str, Collection[str]]) -> bool:
        for node in reachable(edges, [first]):
            model = self.nodes[node]
            over = self._ends(node) or (model.falls_through and node not in self.index.continues)
            if node == self.join or (over and not model.blocking):
                return False
        return True

    def check(self) -> None:
        for branch in self.own:
            for node in self._in_order(branch):
                if self.nodes[node].forks is not None:
                    self._nested(branch, node)
                elif not self._ends(node) and self.owner[node] != branch:
                    self._shared(node, self.owner[node], branch)
                    return  # all that follows the node is shared as well
        self._entered_from_outside()
        self._labels()

    def _ends(self, node: str) -> bool:
        """Whether instances end at the node: it has no way out."""
        model = self.nodes[node]
        return not model.falls_through and not model.targets()

    def _nested(self, branch: str, node: str) -> None:
        found = (
            f"the branch '{short(branch)}' leads back to its own parallel node"
            if node == self.name
            else f"'{short(node)}' is a parallel node inside the branch '{short(branch)}' of "
            f"'{short(self.name)}'"
        )
        self.findings.at(
            self.findings.node(("nodes", node, "type")),
            f"{where(self.findings.root, ('nodes', node))}: {found}: "
            "expected no parallel node inside a branch",
            found=node,
        )

    def _shared(self, node: str, one: str, other: str) -> None:
        self.findings.at(
            self.findings.key(("nodes", node)),
            f"{where(self.findings.root, ('nodes', node))} belongs to the branches "
            f"'{short(one)}' and '{short(other)}' of '{short(self.name)}': "
            f"expected a node of one branch; {self._where_it_ends()}",
            found=node,
        )

    def _where_it_ends(self) -> str:
        if self.join is not None:
            return f"a branch ends where it leads to '{short(self.join)}', or at an exit"
        return "to continue after the branches, name that node as 'next' of the parallel node"

    def _entered_from_outside(self) -> None:
        for node, branch in self.owner.items():
            outside = [
                way
                for way in self.index.leading.get(node, [])
                if way.source != self.name and way.source not in self.own[branch]
            ]
            if not outside:
                continue
            way = outside[0]
            how = "leads" if way.path is not None else "has no 'next' and leads"
            self.findings.at(
                self.findings.key(("nodes", way.target)),
                f"{where(self.findings.root, ('nodes', way.target))} belongs to the branch "
                f"'{short(branch)}' of '{short(self.name)}', but '{short(way.source)}' outside of "
                f"it {how} there: expected only ways from the branch itself",
                found=way.target,
            )

    def _labels(self) -> None:
        setters: dict[str, tuple[str, str]] = {}
        for node, branch in self.owner.items():
            for label in labels_of(self.nodes[node]):
                first, at = setters.setdefault(label, (branch, node))
                if first != branch:
                    self.findings.at(
                        self.findings.key(("nodes", node)),
                        f"{where(self.findings.root, ('nodes', node))} sets '{short(label)}' in "
                        f"the branch '{short(branch)}', and '{short(at)}' sets it in "
                        f"'{short(first)}': expected a label of one branch, as they run side by "
                        "side",
                        found=label,
                    )
