"""The programs that run now, indexed by what they listen for.

Law: a journey or instance that the event's name rules out is never examined.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import product
from typing import Any, NamedTuple

from journeys.catalog.catalog import Catalog
from journeys.catalog.program import Program
from journeys.documents.catalog_records import ActiveVersion
from journeys.documents.journey import Journey, Spread
from journeys.expressions.fast_path import NeedsEvaluator, Prefilter
from journeys.records.event import Event
from journeys.records.user_record import Instance
from journeys.schema.signals import trait_of

NOTHING: Mapping[str, Any] = {}

Entered = list[tuple[Program, bool]]
"""The journeys that an event may enter, and for each whether its condition is already known to be
true."""


class Following(NamedTuple):
    """A newer version that takes over instances, and the nodes on which it can."""

    program: Program
    nodes: frozenset[str]


class LifecycleHistory(NamedTuple):
    """The changes of a journey's lifecycle that its live instances must observe.

    Attributes:
        changed: the time of the newest of them, ms; 0: there is none.
        resumed_at: when it was last resumed after a pause, ms; 0: never.
        archived_at: when it was archived, each time, ms.
        spread: instances held up by a pause resume spread over this time, ms; 0: at once.
        skip: instances held up by a pause resume without their actions.
    """

    changed: int
    resumed_at: int
    archived_at: tuple[int, ...]
    spread: int
    skip: bool


class RunningCatalog:
    """The programs of a catalog, as steps need them.

    Attributes:
        entries: by signal: the journeys that it may enter, by name, with their prefilters.
        awaited: by signal: the (journey, version, node) where instances may await it.
        exits: by signal: the (journey, version) that have it as a global exit.
        goals: by signal: the (journey, version) that have it as their goal.
        listened: all signals that may do more than start an instance.
        following: by (journey, version): the newer version that takes over its instances.
        changes: the signals of the changes of traits that some journey listens to.
        counted: the names of the events that some journey counts.
        status: by journey name.
        lifecycles: by journey name: the changes that live instances must observe.
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
        self.lifecycles = {
            name: life
            for name, now in catalog.journeys.items()
            if (life := _lifecycle_history(now, self._programs[name, now.version].journey)).changed
        }
        self.following = dict(self._followed(catalog))
        entries: dict[str, list[tuple[Program, tuple[Prefilter, ...]]]] = {}
        for name, version, status in catalog.active():
            if status == "running":
                program = self._programs[name, version]
                for event, prefilters in program.prefilters.items():
                    entries.setdefault(event, []).append((program, prefilters))
        self.entries = {event: tuple(programs) for event, programs in entries.items()}
        awaited: dict[str, set[tuple[str, str, str]]] = {}
        for (name, version), program in self._programs.items():
            for node, events in program.awaits.items():
                for event in events:
                    awaited.setdefault(event, set()).add((name, version, node))
        self.counted = frozenset(
            event
            for (name, _), program in self._programs.items()
            if self.status.get(name) != "archived"
            for event in program.counts
        )
        self.awaited = {event: frozenset(places) for event, places in awaited.items()}
        exits: dict[str, set[tuple[str, str]]] = {}
        goals: dict[str, set[tuple[str, str]]] = {}
        for place, program in self._programs.items():
            for event in program.exits:
                exits.setdefault(event, set()).add(place)
            if program.journey.goal is not None:
                goals.setdefault(program.journey.goal.signal, set()).add(place)
        self.exits = {event: frozenset(places) for event, places in exits.items()}
        self.goals = {event: frozenset(places) for event, places in goals.items()}
        self.listened = frozenset({*awaited, *exits, *goals})
        signals = {*entries, *self.listened}
        self.changes = frozenset(one for one in signals if trait_of(one) is not None)

    def _followed(self, catalog: Catalog) -> Iterator[tuple[tuple[str, str], Following]]:
        for (name, version), program in self._programs.items():
            now = catalog.journeys.get(name)
            if now is None or now.version == version:
                continue
            newest = self._programs[name, now.version]
            if newest.journey.in_flight == "follow":
                nodes = {node for node in program.nodes if newest.obstacle(program, node) is None}
                yield (name, version), Following(newest, frozenset(nodes))

    def entered_by(
        self, event: Event, traits: Mapping[str, Any], signal: str | None = None
    ) -> Entered:
        """The journeys that the event may enter, for a user with these traits, and for each whether
        its condition is already known to be true.

        The entry condition of every other journey is false, which is not reported. Most events
        enter nothing, so this is called before a step is prepared.

        Args:
            signal: what the event is to the journeys; None: its name.
        """
        entered: Entered = []
        programs = self.entries.get(event.name if signal is None else signal)
        if programs is None:
            return entered
        wire = event.wire
        properties, context = wire.properties or NOTHING, wire.context or NOTHING
        for program, prefilters in programs:
            try:
                for prefilter in prefilters:
                    found = prefilter(properties, context, traits)
                    if found is not False:
                        entered.append((program, found is True and program.one_condition))
                        break
            except NeedsEvaluator:
                entered.append((program, False))
        return entered

    def entered_by_any(
        self,
        event: Event,
        signals: tuple[str, ...],
        traits: Mapping[str, Any],
        after: Mapping[str, Any],
    ) -> Entered:
        """As `entered_by`, for an event that is several signals: each journey once, by name. No
        condition counts as known to be true, as the step finds out which alternative holds.

        Args:
            after: the traits right after the changes, for the entries that listen to one of them.
        """
        found: dict[str, Program] = {}
        profiles = (traits,) if after is traits else (traits, after)
        for signal, profile in product(signals, profiles):
            for program, _ in self.entered_by(event, profile, signal):
                listens = not program.entry_changes.isdisjoint(signals)
                if after is traits or listens == (profile is after):
                    found[program.name] = program
        return [(found[name], False) for name in sorted(found)]

    def changed_since(self, instance: Instance) -> bool:
        """Whether the journey's lifecycle has changed since the instance last observed it."""
        life = self.lifecycles.get(instance.journey)
        return life is not None and instance.lifecycle_seen < life.changed

    def program(self, journey: str, version: str) -> Program | None:
        """The program of an accepted version; None if the catalog doesn't have it."""
        return self._programs.get((journey, version))


def _lifecycle_history(now: ActiveVersion, journey: Journey) -> LifecycleHistory:
    policy = journey.on_resume
    return LifecycleHistory(
        max((now.resumed_at, *now.archived_at[-1:])),
        now.resumed_at,
        now.archived_at,
        policy.spread if isinstance(policy, Spread) else 0,
        policy == "skip",
    )
