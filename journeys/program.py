"""An accepted version of a journey made ready to run, and all that run now, indexed by event name.

Law: what an event's name rules out is never looked at, and an instance keeps no more of its context
than later nodes read.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from functools import cached_property
from typing import Any, NamedTuple

from pydantic import BaseModel

from journeys.catalog import Catalog, InForce
from journeys.cel_ast import COUNT
from journeys.cel_direct import Declined, Sieve
from journeys.documents import GlobalExit, Journey, Spread
from journeys.event import Event
from journeys.expressions import Scope, compile_cel, sieve
from journeys.fields import Holds
from journeys.graph import gathered
from journeys.nodes.base import ForwardNode, NodeModel, marked
from journeys.state import Instance
from journeys.templates import data_paths, template
from journeys.time import parse_duration

Paths = dict[str, Any]
"""A tree of paths: what is kept below each name; an empty tree keeps everything below it."""

_KEPT = ("entry", "steps", "attr")
_NOTHING: Mapping[str, Any] = {}


class Program:
    """One version of a journey.

    Attributes:
        nodes: as written, with `next` filled in where it is the node below.
        first: the node that a new instance reaches first.
        entry_events: the conditions of `any_of` by event name; an event enters when one holds.
        key: of the entry, compiled.
        facts: `journey` of the expressions that the entry asks.
        one_condition: whether an event that meets `where` or one of the ways enters.
        counts: what its expressions count: names of events, and the longest window of each, ms.
        reads: per node, what an instance that stands on it still needs of its context.
        awaits: per node, the names of the events that may move an instance from it.
        exits: the global exits by event name.
    """

    def __init__(self, name: str, version: str, journey: Journey) -> None:
        self.name = name
        self.version = version
        self.facts = {"name": name, "version": version}
        self.journey = journey
        self.nodes = _with_next(journey)
        self.first = journey.first
        entry = journey.entry
        self.entry_events: dict[str, list[str | None]] = {}
        for one in entry.events:
            self.entry_events.setdefault(one.event, []).append(one.where)
        self.key = None if entry.key is None else compile_cel(entry.key)
        ways = [where for one in self.entry_events.values() for where in one]
        self.one_condition = entry.where is None or not any(ways)
        self.awaits = {name: frozenset(node.awaits()) for name, node in self.nodes.items()}
        self.exits: dict[str, list[GlobalExit]] = {}
        for leaving in journey.exit:
            self.exits.setdefault(leaving.event, []).append(leaving)
        anywhere = {path for leaving in journey.exit for path in expression_paths(leaving)}
        self.reads: dict[str, Paths] = _Reads(self.nodes, entry.key, anywhere)
        self._event = _tree(expression_paths(journey), ("event",))
        self._goal: Paths = {}
        if journey.goal is not None:
            paths = set(expression_paths(journey.goal))
            if self.key is not None and journey.goal.match is None:
                paths |= self.key.paths
            self._goal = _tree(paths, ("entry",))
        # By identity, for which the data stays; it has no hash, and is the document's for good.
        self._templates: dict[int, tuple[Any, Callable[[Scope], Any]]] = {}
        self.counts = _longest(
            (path[1], parse_duration(path[2]))
            for path in expression_paths(journey)
            if path[0] == COUNT
        )

    def template(self, data: Any) -> Callable[[Scope], Any]:
        """The template of some data of its document."""
        found = self._templates.get(id(data))
        if found is None:
            found = self._templates[id(data)] = data, template(data)
        return found[1]

    def keep(self, node: str, context: Mapping[str, Any]) -> dict[str, Any]:
        """What an instance that stands on `node` keeps of its context."""
        return _prune(context, self.reads[node])

    def goal_keeps(self, entry: Mapping[str, Any]) -> dict[str, Any]:
        """What the goal reads of the event that started an instance."""
        found: dict[str, Any] = _prune({"entry": entry}, self._goal).get("entry", {})
        return found

    def event_keeps(self, event: Mapping[str, Any]) -> dict[str, Any]:
        """What the journey reads of an event, and what tells it apart from others."""
        read = _prune({"event": event}, self._event).get("event", {})
        return {"event": event["event"], "messageId": event["messageId"], **read}

    @cached_property
    def sieves(self) -> dict[str, tuple[Sieve, ...]]:
        """By event name: functions of the event that all give false only where its condition is
        false. Where only a step can tell, one that never gives false."""
        found: dict[str, tuple[Sieve, ...]] = {}
        everyone = _sieve(self.journey.entry.where)
        for event, ways in self.entry_events.items():
            found[event] = (everyone,) if everyone is not _open else tuple(map(_sieve, ways))
        return found

    def obstacle(self, other: Program, node: str) -> str | None:
        """Why an instance of another version that stands on `node` can't go on with this one."""
        here, there = self.nodes.get(node), other.nodes[node]
        if here is None:
            return "the node is gone"
        if type(here) is not type(there):
            return "the node is of another type"
        missing = _first_missing(other.reads[node], self.reads[node])
        return None if missing is None else f"{'.'.join(missing)} was not kept"


def _open(*_: Mapping[str, Any]) -> None:
    """The sieve that lets everything through."""


def _sieve(where: str | None) -> Sieve:
    return _open if where is None else sieve(where) or _open


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


class _Reads(dict[str, Paths]):
    """What the nodes from each one on read: made when it is first asked for.

    Nodes that need the same share it, so that a long journey costs no more than what it reads.
    """

    def __init__(
        self, nodes: Mapping[str, NodeModel], key: str | None, anywhere: set[tuple[str, ...]]
    ) -> None:
        bits: dict[tuple[str, ...], int] = {}
        here: dict[str, int] = {}
        for name, node in nodes.items():
            paths = {*expression_paths(node), *node.reads(), *anywhere}
            if key is not None and node.awaits():
                paths |= compile_cel(key).paths
            here[name] = 0
            for path in paths:
                here[name] |= bits.setdefault(path, 1 << len(bits))
        self._paths = list(bits)
        self._bits = gathered({name: _leads_to(node) for name, node in nodes.items()}, here)
        self._trees: dict[int, Paths] = {}

    def __missing__(self, node: str) -> Paths:
        bits = self._bits[node]
        if bits not in self._trees:
            self._trees[bits] = _tree(
                path for index, path in enumerate(self._paths) if bits >> index & 1
            )
        self[node] = self._trees[bits]
        return self[node]


def expression_paths(part: BaseModel) -> Iterator[tuple[str, ...]]:
    """The path of every value that the expressions below `part` read."""
    for _, value, holds in marked(part, Holds):
        if isinstance(value, str) and value in holds.literals:
            continue
        yield from data_paths(value) if holds.kind == "data" else compile_cel(value).paths


def _tree(paths: Iterable[tuple[str, ...]], roots: Collection[str] = _KEPT) -> Paths:
    tree: Paths = {}
    for path in sorted(set(paths)):  # a shorter path comes before those below it
        branch = tree
        for name in path if path[0] in roots else ():
            if name in branch and not branch[name]:
                break  # all of it is kept already
            branch = branch.setdefault(name, {})
    return tree


def _first_missing(kept: Paths, read: Paths) -> tuple[str, ...] | None:
    """A path that one tree reads and another one doesn't keep all of; None: there is none."""
    for name, below in read.items():
        if name not in kept:
            return (name, *_first_path(below))
        if kept[name]:
            missing = _first_missing(kept[name], below) if below else ()
            if missing is not None:
                return (name, *missing)
    return None


def _first_path(tree: Paths) -> tuple[str, ...]:
    for name, below in tree.items():
        return (name, *_first_path(below))
    return ()


def _prune(value: Mapping[str, Any], tree: Paths) -> dict[str, Any]:
    kept = {}
    for name, below in tree.items():
        if name in value:
            inner = value[name]
            if below and isinstance(inner, dict):
                inner = _prune(inner, below)
            kept[name] = inner
    return kept


Entered = list[tuple[Program, bool]]
"""Journeys that an event may enter, and of each whether its condition is known to hold."""


class Following(NamedTuple):
    """A newer version that takes over instances, and the nodes on which it can."""

    program: Program
    nodes: frozenset[str]


class Life(NamedTuple):
    """What became of a journey whose life was changed while users were under way.

    Attributes:
        changed: the time of the newest change that instances must meet, ms.
        resumed_at: when it last went on after a pause, ms; 0: never.
        archived_at: when it was archived, each time, ms.
        spread: what a pause held up goes on within this time after it, ms; 0: at once.
        skip: what a pause held up goes on without its actions.
    """

    changed: int
    resumed_at: int
    archived_at: tuple[int, ...]
    spread: int
    skip: bool


class RunningCatalog:
    """The programs of a catalog, as steps need them.

    Attributes:
        entries: the journeys that an event of a name may enter, by journey name, with their sieves.
        awaited: which (journey, version, node) an event of a name may move an instance from.
        exits: which (journey, version) an event of a name may end instances of.
        goals: which (journey, version) an event of a name may be the goal of.
        listened: the names of all events that may do anything but start an instance.
        following: of the versions that another one takes over, that program and from which nodes.
        counted: the longest window, ms, of the events that journeys which are not archived count.
        status: of every journey in force.
        lives: of the journeys whose instances are judged when their user is touched.
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
        self.lives = {
            name: life
            for name, now in catalog.journeys.items()
            if (life := _life(now, self._programs[name, now.version].journey)).changed
        }
        self.following = dict(self._followed(catalog))
        entries: dict[str, list[tuple[Program, tuple[Sieve, ...]]]] = {}
        for name, version, status in catalog.in_force():
            if status == "running":
                program = self._programs[name, version]
                for event, sieves in program.sieves.items():
                    entries.setdefault(event, []).append((program, sieves))
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
        exits: dict[str, set[tuple[str, str]]] = {}
        goals: dict[str, set[tuple[str, str]]] = {}
        for place, program in self._programs.items():
            for event in program.exits:
                exits.setdefault(event, set()).add(place)
            if program.journey.goal is not None:
                goals.setdefault(program.journey.goal.event, set()).add(place)
        self.exits = {event: frozenset(places) for event, places in exits.items()}
        self.goals = {event: frozenset(places) for event, places in goals.items()}
        self.listened = frozenset({*awaited, *exits, *goals})

    def _followed(self, catalog: Catalog) -> Iterator[tuple[tuple[str, str], Following]]:
        for (name, version), program in self._programs.items():
            now = catalog.journeys.get(name)
            if now is None or now.version == version:
                continue
            newest = self._programs[name, now.version]
            if newest.journey.in_flight == "follow":
                nodes = {node for node in program.nodes if newest.obstacle(program, node) is None}
                yield (name, version), Following(newest, frozenset(nodes))

    def entered_by(self, event: Event, traits: Mapping[str, Any]) -> Entered:
        """The journeys that the event may enter, for a user with these traits, and of each whether
        its condition is known to hold.

        One that is not among them has nothing to tell of the event either: the entry's condition
        is false. That is all most events come to, so it costs no step.
        """
        entered: Entered = []
        programs = self.entries.get(event.name)
        if programs is None:
            return entered
        wire = event.wire
        properties, context = wire.properties or _NOTHING, wire.context or _NOTHING
        for program, sieves in programs:
            try:
                for sieve in sieves:
                    found = sieve(properties, context, traits)
                    if found is not False:
                        entered.append((program, found is True and program.one_condition))
                        break
            except Declined:
                entered.append((program, False))
        return entered

    def changed_since(self, instance: Instance) -> bool:
        """Whether the life of its journey has changed since the instance was last judged."""
        life = self.lives.get(instance.journey)
        return life is not None and instance.judged < life.changed

    def program(self, journey: str, version: str) -> Program | None:
        """The program of an accepted version, or None where the catalog has none."""
        return self._programs.get((journey, version))


def _life(now: InForce, journey: Journey) -> Life:
    policy = journey.on_resume
    return Life(
        max((now.resumed_at, *now.archived_at[-1:])),
        now.resumed_at,
        now.archived_at,
        policy.spread if isinstance(policy, Spread) else 0,
        policy == "skip",
    )
