"""Short ways to say what a test is about: journeys, events, and a processor to put them in."""

from __future__ import annotations

from typing import Any

import msgspec
import yaml

from agents.kinds import KINDS
from journeys.catalog.catalog import Accepted, Catalog, check_push
from journeys.catalog.program import Program
from journeys.catalog.running import RunningCatalog
from journeys.documents.catalog_records import ActiveVersion
from journeys.documents.journey import Journey
from journeys.engine.processor import Clock, PartitionProcessor
from journeys.records.action import Action
from journeys.records.effects import Effects
from journeys.records.input import Input
from journeys.records.outcome import Outcome
from journeys.records.user_record import Instance, UserRecord
from journeys.simulation.backtest import MemoryRecords
from journeys.time import format_time, parse_time

START = parse_time("2026-01-18T12:00:00Z")
SECOND, MINUTE, HOUR, DAY = 1_000, 60_000, 3_600_000, 86_400_000

WAIT = """
waiting: {type: wait_for_event, event: answer, within: 1h, next: done, on_timeout: late}
done: {type: exit, reason: answered}
late: {type: exit, reason: late}
"""
"""The nodes of a journey that is ended by an answer or by an hour."""
KEYED = "event: start, key: event.properties.k"


def journey(
    nodes: str,
    *,
    name: str = "tour",
    entry: str = "event: start",
    status: str = "running",
    more: str = "{}",
) -> Journey:
    """A journey from the YAML of its entry, of its nodes and of its other fields."""
    return Journey.model_validate(
        {
            **yaml.safe_load(more),
            "kind": "Journey",
            "name": name,
            "status": status,
            "entry": yaml.safe_load(entry if "\n" in entry else "{" + entry + "}"),
            "nodes": yaml.safe_load(nodes),
        }
    )


class Versions:
    """A catalog by hand, so that a test can hold what validation would refuse."""

    def __init__(self, *documents: Journey) -> None:
        self._journeys: dict[str, ActiveVersion] = {}
        self._versions: dict[tuple[str, str], Journey] = {}
        for document in documents:
            self.push(document)

    def push(self, document: Journey) -> None:
        """The next version of a journey: v1, v2, ... The same once more is the version it was."""
        mine = [version for name, version in self._versions if name == document.name]
        known = [one for one in mine if self._versions[document.name, one] == document]
        version = known[0] if known else f"v{len(mine) + 1}"
        self._versions[document.name, version] = document
        now = self._journeys.get(document.name, ActiveVersion("", document.status, document.status))
        self._journeys[document.name] = now._replace(version=version)

    def accepted(self) -> list[tuple[str, str]]:
        """Every journey and version that was ever pushed."""
        return list(self._versions)

    def newest(self, name: str) -> str:
        return self._journeys[name].version

    def turn(self, name: str, status: str, at: int = 0) -> None:
        self._journeys[name] = self._journeys[name].with_status(status, at)

    def running(self, previous: RunningCatalog | None = None) -> RunningCatalog:
        return RunningCatalog(Catalog(KINDS, dict(self._journeys), dict(self._versions)), previous)


class World:
    """One partition and its clock; what came of it so far."""

    def __init__(self, *documents: Journey, clock: Clock = "stream", **options: Any) -> None:
        self.versions = Versions(*documents)
        self.records = MemoryRecords()
        self.processor = PartitionProcessor(self.records, self.versions.running(), clock, **options)
        self.effects = Effects()
        self.offset = 0

    def event(
        self,
        name: str | None = "start",
        at: int = 0,
        user: str = "u",
        *,
        arrival: int | None = None,
        received: int | None = None,
        kind: str | None = None,
        **fields: Any,
    ) -> None:
        """Apply one event; times are ms since START."""
        wire = {"event": name, "userId": user, "timestamp": START + at, **fields}
        if received is not None:
            wire["receivedAt"] = START + received
        wire = {key: value for key, value in wire.items() if value is not None}
        self.raw(msgspec.json.encode(wire), arrival=arrival, kind=kind)

    def raw(
        self,
        value: bytes,
        *,
        arrival: int | None = None,
        kind: str | None = None,
        origin: str | None = None,
    ) -> None:
        """Apply one input; times are ms since START."""
        at = START + arrival if arrival is not None else None
        one = Input("events", 0, self.offset, None, value, at, kind, origin)
        self.offset += 1
        while self.processor.apply([one], self.effects) == 0:
            continue

    def clock(self, to: int | str) -> None:
        """A clock record; ms since START, or `end`."""
        time = to if isinstance(to, str) else START + to
        self.raw(msgspec.json.encode({"time": time}), kind="clock")

    def fire(self, until: int, now: int | None = None) -> None:
        """The wall clock reaches `until`, ms since START."""
        shown = START + (until if now is None else now)
        while self.processor.fire(START + until, shown, self.effects):
            continue

    def turn(self, name: str, status: str, at: int = 0) -> None:
        """Pause, archive or resume a journey, `at` ms after START by the register's clock."""
        self.versions.turn(name, status, START + at)
        self.processor.follow(self.versions.running(self.processor.catalog))

    def sweep(self) -> None:
        """Whom a change of the catalog has left behind is touched."""
        while self.processor.sweep(self.effects, records=2):
            continue

    def push(self, document: Journey) -> None:
        """A new version of a journey, or a new one."""
        self.versions.push(document)
        self.processor.follow(self.versions.running(self.processor.catalog))

    def record(self, user: str = "u") -> UserRecord:
        found = self.records.get(user)
        assert found is not None, f"{user} has no record"
        return found

    def instance(self, user: str = "u") -> Instance:
        """The user's only live instance."""
        (only,) = self.record(user).instances
        return only

    def program(self, name: str = "tour") -> Program:
        """The newest version of a journey."""
        program = self.processor.catalog.program(name, self.versions.newest(name))
        assert program is not None
        return program

    def told(self, *types: str) -> list[Outcome]:
        """The outcomes so far; of the given types."""
        return [one for one in self.effects.outcomes if not types or one.type in types]

    def story(self, *types: str) -> list[str]:
        """The outcomes so far, each in a few words."""
        return [brief(one) for one in self.told(*types)]

    def actions(self) -> list[Action]:
        return self.effects.actions


def brief(outcome: Outcome) -> str:
    """Type, node or reason, and the time since START in seconds where it is not nothing."""
    words = [outcome.type]
    if outcome.node is not None and outcome.type != "journey.exited":
        words.append(outcome.node)
    reason = (outcome.detail or {}).get("reason")
    if reason is not None:
        words.append(str(reason))
    after = (parse_time(outcome.at) - START) / 1000
    if after:
        words.append(f"+{after:g}s")
    return " ".join(words)


def iso(after: int) -> str:
    """The time `after` ms since START, as outcomes write it."""
    return format_time(START + after)


def running(text: str) -> RunningCatalog:
    """What runs after a push of these documents to an empty catalog."""
    catalog = Catalog(KINDS)
    verdict = check_push(text, "test.yaml", catalog)
    assert isinstance(verdict, Accepted), [str(problem) for problem in verdict.problems]
    for key, value in verdict.entries:
        catalog = catalog.with_entry(key, value)
    return RunningCatalog(catalog)
