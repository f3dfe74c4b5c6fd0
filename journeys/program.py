"""An accepted version of a journey made ready to run, and all that run now, indexed by event name.

Law: what an event's name rules out is never looked at, and an instance keeps no more of its context
than later nodes read.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from pydantic import BaseModel

from journeys.catalog import Catalog
from journeys.cel_ast import COUNT
from journeys.documents import Journey
from journeys.expressions import compile_cel, data_paths
from journeys.fields import Holds
from journeys.nodes.base import ForwardNode, NodeModel, marked
from journeys.time import parse_duration

Paths = dict[str, Any]
"""A tree of paths: what is kept below each name; an empty tree keeps everything below it."""

_KEPT = ("entry", "steps", "attr")


class Program:
    """One version of a journey.

    Attributes:
        nodes: as written, with `next` filled in where it is the node below.
        first: the node that a new instance reaches first.
        entry_events: the conditions of `any_of` by event name; an event enters when one holds.
        counts: what its expressions count: names of events, and the longest window of each, ms.
        reads: per node, what an instance that stands on it still needs of its context.
        awaits: per node, the names of the events that may move an instance from it.
    """

    def __init__(self, name: str, version: str, journey: Journey) -> None:
        self.name = name
        self.version = version
        self.journey = journey
        self.nodes = _with_next(journey)
        self.first = journey.first
        entry = journey.entry
        self.entry_events: dict[str, list[str | None]] = {}
        for one in entry.events:
            self.entry_events.setdefault(one.event, []).append(one.where)
        self.awaits = {name: frozenset(node.awaits()) for name, node in self.nodes.items()}
        self.reads = _reads(self.nodes, entry.key)
        self.counts = _longest(
            (path[1], parse_duration(path[2]))
            for path in expression_paths(journey)
            if path[0] == COUNT
        )

    def keep(self, node: str, context: Mapping[str, Any]) -> dict[str, Any]:
        """What an instance that stands on `node` keeps of its context."""
        return _prune(context, self.reads[node])


def _with_next(journey: Journey) -> dict[str, NodeModel]:
    return {
        name: node.model_copy(update={"next": journey.below(name)})
        if isinstance(node, ForwardNode) and node.next is None
        else node
        for name, node in journey.nodes.items()
    }


def _longest(windows: Iterable[tuple[str, int]]) -> dict[str, int]:
    longest: dict[str, int] = {}
    for event, window in windows:
        longest[event] = max(window, longest.get(event, 0))
    return longest


def _leads_to(node: NodeModel) -> set[str]:
    """The names of the nodes that may come right after this one, whose `next` is filled in."""
    unused = ("next",) if isinstance(node, ForwardNode) and not node.falls_through else None
    return {target.node for target in node.targets() if target.path != unused}


def _reads(nodes: Mapping[str, NodeModel], key: str | None) -> dict[str, Paths]:
    own = {name: {*expression_paths(node), *node.reads()} for name, node in nodes.items()}
    if key is not None:
        for name, node in nodes.items():
            if node.awaits():
                own[name] |= compile_cel(key).paths
    reached = {name: {name} | _leads_to(node) for name, node in nodes.items()}
    grown = True
    while grown:
        grown = False
        for name in nodes:
            more = set().union(*(reached[other] for other in reached[name]))
            if not more <= reached[name]:
                reached[name] |= more
                grown = True
    return {name: _tree(path for other in reached[name] for path in own[other]) for name in nodes}


def expression_paths(part: BaseModel) -> Iterator[tuple[str, ...]]:
    """The path of every value that the expressions below `part` read."""
    for _, value, holds in marked(part, Holds):
        if isinstance(value, str) and value in holds.literals:
            continue
        yield from data_paths(value) if holds.kind == "data" else compile_cel(value).paths


def _tree(paths: Iterable[tuple[str, ...]]) -> Paths:
    tree: Paths = {}
    for path in sorted(set(paths)):  # a shorter path comes before those below it
        branch = tree
        for name in path if path[0] in _KEPT else ():
            if name in branch and not branch[name]:
                break  # all of it is kept already
            branch = branch.setdefault(name, {})
    return tree


def _prune(value: Mapping[str, Any], tree: Paths) -> dict[str, Any]:
    kept = {}
    for name, below in tree.items():
        if name in value:
            inner = value[name]
            if below and isinstance(inner, dict):
                inner = _prune(inner, below)
            kept[name] = inner
    return kept


class RunningCatalog:
    """The programs of a catalog, as steps need them.

    Attributes:
        entries: the journeys that an event of a name may enter, by journey name.
        awaited: which (journey, version, node) an event of a name may move an instance from.
        counted: the longest window, ms, of the events that journeys which are not archived count.
        status: of every journey in force.
        settled: False when there are paused or archived journeys, whose instances are judged
            when their user is touched.
    """

    def __init__(self, catalog: Catalog, previous: RunningCatalog | None = None) -> None:
        known: dict[tuple[str, str], Program] = {}
        if previous is not None:
            known = previous._programs
        self._programs: dict[tuple[str, str], Program] = {
            (name, version): known.get((name, version)) or Program(name, version, journey)
            for (name, version), journey in catalog.versions.items()
        }
        self.status = {name: now.status for name, now in catalog.journeys.items()}
        self.settled = all(status in ("draft", "running") for status in self.status.values())
        entries: dict[str, list[Program]] = {}
        for name, version, status in catalog.in_force():
            if status == "running":
                program = self._programs[name, version]
                for event in program.entry_events:
                    entries.setdefault(event, []).append(program)
        self.entries = {event: tuple(programs) for event, programs in entries.items()}
        awaited: dict[str, set[tuple[str, str, str]]] = {}
        for (name, version), program in self._programs.items():
            for node, events in program.awaits.items():
                for event in events:
                    awaited.setdefault(event, set()).add((name, version, node))
        self.counted = _longest(
            window
            for (name, _), program in self._programs.items()
            if self.status.get(name) != "archived"
            for window in program.counts.items()
        )
        self.awaited = {event: frozenset(places) for event, places in awaited.items()}

    def program(self, journey: str, version: str) -> Program | None:
        """The program of an accepted version, or None where the catalog has none."""
        return self._programs.get((journey, version))
