"""What an edit of a journey does to the users of its nodes, for `journeys plan`.

Law: nodes are compared with their lets written out, and a node that was renamed with what it was.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from operator import eq
from typing import NamedTuple

from journeys.expressions.normal_form import normal_form
from journeys.nodes.base import NodeModel, Place


class Edition(NamedTuple):
    """One version of a journey, with its lets written out.

    Attributes:
        key: the expression of the entry's key.
    """

    journey: str
    version: str
    key: str | None
    nodes: Mapping[str, NodeModel]

    def place(self, node: str) -> Place:
        key = None if self.key is None else normal_form(self.key)
        facts = {"name": self.journey, "version": self.version, "key": ("key", key)}
        return Place(self.journey, node, facts)


def node_notes(old: Edition, new: Edition) -> Iterator[str]:
    """The notes of the nodes of a journey about what has changed since an older version."""
    names = _old_names(old.nodes, new.nodes)
    for name, node in new.nodes.items():
        before = old.nodes.get(names.get(name, ""))
        if before is not None and before.type == node.type and _has_notes(node):
            yield from node.plan_notes(before, old.place(names[name]), new.place(name))


def _old_names(old: Mapping[str, NodeModel], new: Mapping[str, NodeModel]) -> dict[str, str]:
    """By the name of each node the one that it had before: its own, or, of a node that was
    renamed, that of the equal node that is gone, or else of the only one of its type."""
    names = {name: name for name in new if name in old}
    gone = {name for name, one in old.items() if name not in new and _has_notes(one)}
    added = {name for name, one in new.items() if name not in old and _has_notes(one)}
    alike: Callable[[NodeModel, NodeModel], bool]
    for alike in (eq, _of_one_type):
        for name in sorted(added):
            found = [one for one in gone if alike(old[one], new[name])]
            rivals = [one for one in added if alike(new[one], new[name])]
            if len(found) == len(rivals) == 1:
                names[name] = found[0]
                gone, added = gone - {*found}, added - {name}
    return names


def _has_notes(node: NodeModel) -> bool:
    return type(node).plan_notes is not NodeModel.plan_notes


def _of_one_type(one: NodeModel, other: NodeModel) -> bool:
    return one.type == other.type
