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
    for name, node in nodes.items():
        if node.forks is not None:
            branches = _Branches(findings, nodes, ways, name)
            branches.check()
            match node.forks.join:
                case "none":
                    found.apart.update(way for way in ways if branches.joins(way))
                case "all" if any(branches.waiting()):
                    found.waiting.add(name)
                case "any" if all(branches.waiting()):
                    found.waiting.add(name)
    return found


class _Branches:
    """The branches of one parallel node, and the nodes of each."""

    def __init__(
        self,
        findings: Findings,
        nodes: Mapping[str, NodeModel],
        ways: Collection[Way],
        name: str,
    ) -> None:
        self.findings = findings
        self.nodes = nodes
        self.ways = ways
        self.name = name
        self.starts = [
            (str(way.path[-1]), way.target)
            for way in ways
            if way.source == name and way.path is not None and way.path[2:3] == ("branches",)
        ]
        self.join = next(
            (
                way.target
                for way in ways
                if way.source == name and (way.path is None or way.path[2:] == ("next",))
            ),
            None,
        )
        edges: dict[str, list[str]] = {}
        for way in ways:
            if way.source not in (self.join, name):
                edges.setdefault(way.source, []).append(way.target)
        self.own = {
            branch: reachable(edges, [first]) - {self.join} for branch, first in self.starts
        }
        self.owner: dict[str, str] = {}

    def joins(self, way: Way) -> bool:
        """Whether a branch ends by the way."""
        return way.target == self.join and any(way.source in own for own in self.own.values())

    def waiting(self) -> Iterator[bool]:
        """For each branch whether it waits on every way through it."""
        return (self._waits(first) for _, first in self.starts)

    def _waits(self, first: str) -> bool:
        edges: dict[str, list[str]] = {}
        leading = set()
        for way in self.ways:
            if way.source != self.join and not self.nodes[way.source].blocking:
                edges.setdefault(way.source, []).append(way.target)
            if way.path is None or way.path[2:] == ("next",):
                leading.add(way.source)
        for node in reachable(edges, [first]):
            model = self.nodes[node]
            over = self._ends(node) or (model.falls_through and node not in leading)
            if node == self.join or (over and not model.blocking):
                return False
        return True

    def check(self) -> None:
        for branch, own in self.own.items():
            for node in (one for one in self.nodes if one in own):
                if self.nodes[node].forks is not None:
                    self._nested(branch, node)
                elif not self._ends(node):
                    other = self.owner.setdefault(node, branch)
                    if other != branch:
                        self._shared(node, other, branch)
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
        told: set[str] = set()
        for way in self.ways:
            branch = self.owner.get(way.target)
            if branch is None or way.target in told or way.source in (*self.own[branch], self.name):
                continue
            told.add(way.target)
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
