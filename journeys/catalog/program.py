"""An accepted version of a journey, prepared to run.

Law: an instance keeps no more of its context than later nodes read.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cached_property
from typing import Any

from journeys.catalog.context_paths import Paths, expression_paths, first_missing, path_tree, prune
from journeys.documents.journey import GlobalExit, Journey
from journeys.documents.ways import BranchNodes, branch_nodes, taken, with_next
from journeys.expressions.expression import (
    ExpressionFailed,
    Scope,
    compile_cel,
    condition,
    prefilter,
)
from journeys.expressions.fast_path import Prefilter
from journeys.expressions.syntax import COUNT
from journeys.expressions.templates import template
from journeys.graph import gathered
from journeys.nodes.base import NodeModel
from journeys.records.user_record import CLAIMED
from journeys.schema.signals import trait_of


class Program:
    """One version of a journey.

    Attributes:
        journey: with its lets written out.
        nodes: as written, with `next` filled in where it is the node below.
        first: the node that a new instance reaches first.
        entry_events: the conditions of `any_of` by signal; an event enters when one holds.
        entry_changes: the changes of traits that may enter.
        key: of the entry, compiled.
        facts: `journey` as the entry's expressions see it.
        one_condition: whether a single condition, `where` or an alternative's, decides the entry.
        counts: the names of the events that its expressions count.
        reads: per node, what an instance that waits at it still needs of its context.
        awaits: per node, the signals that may move an instance from it.
        exits: the global exits by signal.
    """

    def __init__(self, name: str, version: str, journey: Journey) -> None:
        self.name = name
        self.version = version
        self.facts = {"name": name, "version": version}
        self.journey = journey = journey.written_out
        self.nodes = with_next(journey.nodes)
        self.first = journey.first
        entry = journey.entry
        self.entry_events: dict[str, list[str | None]] = {}
        self._alternatives = tuple((one.signal, one.where) for one in entry.events)
        for signal, where in self._alternatives:
            self.entry_events.setdefault(signal, []).append(where)
        self.entry_changes = frozenset(
            signal for signal in self.entry_events if trait_of(signal) is not None
        )
        self.key = None if entry.key is None else compile_cel(entry.key)
        self.one_condition = entry.where is None or not any(w for _, w in self._alternatives)
        entering = frozenset(self.entry_events)
        self.awaits = {
            name: frozenset(node.awaits()) | entering
            if node.takes_entries
            else frozenset(node.awaits())
            for name, node in self.nodes.items()
        }
        self.exits: dict[str, list[GlobalExit]] = {}
        for leaving in journey.exit:
            self.exits.setdefault(leaving.signal, []).append(leaving)
        anywhere = {path for leaving in journey.exit for path in expression_paths(leaving)}
        self.reads: dict[str, Paths] = _Reads(self.nodes, self.awaits, entry.key, anywhere)
        self._event = path_tree(expression_paths(journey), ("event",))
        self._goal: Paths = {}
        if journey.goal is not None:
            paths = set(expression_paths(journey.goal))
            if self.key is not None and journey.goal.match is None:
                paths |= self.key.paths
            self._goal = path_tree(paths, ("entry",))
        # By identity, as the data has no hash; the entry keeps it alive, so its id stays unique.
        self._templates: dict[int, tuple[Any, Callable[[Scope], Any]]] = {}
        self._branches: dict[tuple[str, str], BranchNodes] = {}
        self.counts = frozenset(path[1] for path in expression_paths(journey) if path[0] == COUNT)

    def entering(
        self, signals: tuple[str, ...], scope: Scope
    ) -> tuple[str | None, list[ExpressionFailed]]:
        """The signal of the entry's first alternative that holds, if the entry's `where` is true as
        well; if there is none, None and the conditions that failed."""
        failed: list[ExpressionFailed] = []
        try:
            everyone = self.journey.entry.where
            if everyone is not None and not condition(everyone, scope):
                return None, failed
        except ExpressionFailed as error:
            return None, [error]
        for signal, where in self._alternatives:
            if signal not in signals:
                continue
            try:
                if where is None or condition(where, scope):
                    return signal, []
            except ExpressionFailed as error:
                failed.append(error)
        return None, failed

    def template(self, data: Any) -> Callable[[Scope], Any]:
        """The template of some data of its document."""
        found = self._templates.get(id(data))
        if found is None:
            found = self._templates[id(data)] = data, template(data)
        return found[1]

    def keep(self, node: str, context: Mapping[str, Any]) -> dict[str, Any]:
        """What an instance at `node` keeps of its context."""
        kept = prune(context, self.reads[node])
        if CLAIMED in context:
            kept[CLAIMED] = True
        return kept

    def join(self, at: str) -> str | None:
        """Where the branches of a parallel node join; None: the journey ends there."""
        return getattr(self.nodes.get(at), "next", None)

    def branch(self, at: str, name: str) -> BranchNodes | None:
        """What belongs to a branch of the parallel node `at`; None if there is no such branch."""
        found = self._branches.get((at, name))
        if found is None:
            node = self.nodes.get(at)
            fork = None if node is None else node.forks
            first = None if fork is None else fork.branches.get(name)
            if first is None:
                return None
            found = self._branches[at, name] = branch_nodes(self.nodes, first, self.join(at))
        return found

    def goal_keeps(self, entry: Mapping[str, Any]) -> dict[str, Any]:
        """What the goal reads of the event that started an instance."""
        found: dict[str, Any] = prune({"entry": entry}, self._goal).get("entry", {})
        return found

    def event_keeps(self, event: Mapping[str, Any]) -> dict[str, Any]:
        """What the journey reads of an event, and what identifies the event."""
        read = prune({"event": event}, self._event).get("event", {})
        return {"event": event["event"], "messageId": event["messageId"], **read}

    @cached_property
    def prefilters(self) -> dict[str, tuple[Prefilter, ...]]:
        """By signal: functions of the event. If all return false, the entry's condition is
        false. Where only a step can decide, the function never returns false."""
        found: dict[str, tuple[Prefilter, ...]] = {}
        everyone = _prefilter(self.journey.entry.where)
        for event, ways in self.entry_events.items():
            found[event] = (everyone,) if everyone is not _open else tuple(map(_prefilter, ways))
        return found

    def obstacle(self, other: Program, node: str) -> str | None:
        """Why an instance of another version at `node` can't continue with this version."""
        here, there = self.nodes.get(node), other.nodes[node]
        if here is None:
            return "the node is gone"
        if type(here) is not type(there):
            return "the node is of another type"
        missing = first_missing(other.reads[node], self.reads[node])
        return None if missing is None else f"{'.'.join(missing)} was not kept"


def _open(*_: Mapping[str, Any]) -> None:
    """The prefilter that rules out nothing: every event needs a step."""


def _prefilter(where: str | None) -> Prefilter:
    return _open if where is None else prefilter(where) or _open


class _Reads(dict[str, Paths]):
    """What each node and all nodes after it read, computed on first use.

    Nodes with equal needs share one object, so the memory of a long journey depends on what it
    reads, not on its length.
    """

    def __init__(
        self,
        nodes: Mapping[str, NodeModel],
        awaits: Mapping[str, frozenset[str]],
        key: str | None,
        anywhere: set[tuple[str, ...]],
    ) -> None:
        bits: dict[tuple[str, ...], int] = {}
        here: dict[str, int] = {}
        for name, node in nodes.items():
            paths = {*expression_paths(node), *node.reads(), *anywhere}
            if key is not None and awaits[name] and node.compares_keys:
                paths |= compile_cel(key).paths
            if node.remembers:
                paths |= {("steps", name, label) for label in node.remembers}
            for target in taken(node):
                paths.update(nodes[target].reads_on_entering())
            here[name] = 0
            for path in paths:
                here[name] |= bits.setdefault(path, 1 << len(bits))
        self._paths = list(bits)
        self._bits = gathered({name: taken(node) for name, node in nodes.items()}, here)
        self._trees: dict[int, Paths] = {}

    def __missing__(self, node: str) -> Paths:
        bits = self._bits[node]
        if bits not in self._trees:
            self._trees[bits] = path_tree(
                path for index, path in enumerate(self._paths) if bits >> index & 1
            )
        self[node] = self._trees[bits]
        return self[node]
