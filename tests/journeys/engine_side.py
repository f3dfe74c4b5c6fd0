"""The engine, driven as a model is and telling what came of it in the model's words."""

from __future__ import annotations

from collections import defaultdict
from itertools import zip_longest
from typing import Any

import msgspec

from journeys.backtest import MemoryRecords
from journeys.effects import Effects
from journeys.inputs import Input
from journeys.timeline import Clock, Timeline
from tests.journeys.builders import Versions
from tests.journeys.model import Model
from tests.journeys.model_terms import Sent, Told
from tests.journeys.random_journeys import document

Document = dict[str, Any]


class Engine:
    """The engine, driven as a model is."""

    def __init__(self, clock: Clock, *documents: Document) -> None:
        self.versions = Versions(*map(document, documents))
        self.records = MemoryRecords()
        self.timeline = Timeline(self.records, self.versions.running(), clock)
        self.effects = Effects()

    def push(self, journey: Document) -> None:
        self.versions.push(document(journey))
        self.timeline.follow(self.versions.running(self.timeline.catalog))

    def keep_everything(self) -> None:
        """Instances keep their whole context, whatever later nodes read."""
        catalog = self.timeline.catalog
        for name, version in self.versions.accepted():
            program = catalog.program(name, version)
            assert program is not None
            program.reads = {node: {"entry": {}, "steps": {}, "attr": {}} for node in program.nodes}

    def event(self, wire: dict[str, Any], offset: int, arrival: int | None = None) -> None:
        self.apply([Input("events", 0, offset, None, msgspec.json.encode(wire), arrival)])

    def advance(self, to: int) -> None:
        value = msgspec.json.encode({"time": to})
        self.apply([Input("events", 0, 10**6, None, value, kind="clock")])

    def apply(self, inputs: list[Input], timers: int = 1_000) -> None:
        while inputs:
            inputs = inputs[self.timeline.apply(inputs, self.effects, timers=timers) :]
        assert self.effects.dead == []

    def fire(self, until: int, now: int) -> None:
        while self.timeline.fire(until, now, self.effects):
            continue

    # What came of it, in the model's words.

    @property
    def told(self) -> list[Told]:
        ids = self._instances()
        return [
            Told(
                one.type,
                one.at,
                one.user_id or "",
                one.journey or "",
                int((one.version or "v0")[1:]),
                ids.get(one.instance or ""),
                one.key,
                one.node,
                (one.cause.offset, one.cause.timer, one.cause.fired),
                {
                    name: value
                    for name, value in (one.detail or {}).items()
                    if name not in ("error", "late_ms", "action_id")
                },
            )
            for one in self.effects.outcomes
        ]

    @property
    def sent(self) -> list[Sent]:
        ids = self._instances()
        return [
            Sent(
                one.at,
                one.user_id,
                ids[one.instance],
                one.key,
                one.node,
                one.destination,
                one.payload,
            )
            for one in self.effects.actions
        ]

    def _instances(self) -> dict[str, tuple[str, str]]:
        return {
            one.instance: (one.journey or "", one.detail["message_id"])
            for one in self.effects.outcomes
            if one.type == "journey.entered" and one.instance and one.detail
        }

    def standing(self) -> dict[str, Any]:
        """Where every user stands at the end."""
        ids = self._instances()
        return {
            user: (
                record.traits,
                [
                    (ids[one.id], one.node, one.key, one.wait.due, one.wait.fire_at)
                    for one in record.instances
                ],
            )
            for user, record in self.records.records.items()
        }


def standing(model: Model) -> dict[str, Any]:
    return {
        user.id: (
            user.traits,
            [(one.id, one.node, one.key, one.due, one.fire_at) for one in user.live],
        )
        for user in model.users.values()
    }


def by_user(things: list[Any]) -> dict[str, list[Any]]:
    """Users' stories: how those of several users mix at one moment has no meaning."""
    stories = defaultdict(list)
    for one in things:
        stories[one.user].append(one)
    return dict(stories)


def assert_same(engine: Engine, model: Model) -> None:
    assert_equal(by_user(engine.told), by_user(model.told))
    assert_equal(by_user(engine.sent), by_user(model.sent))
    assert engine.standing() == standing(model)


def assert_equal(got: dict[str, list[Any]], wanted: dict[str, list[Any]]) -> None:
    """The first thing that differs is what one wants to see."""
    for user in {**got, **wanted}:
        pairs = zip_longest(got.get(user, []), wanted.get(user, []))
        for place, (one, other) in enumerate(pairs):
            before = got.get(user, [])[max(0, place - 5) : place]
            assert one == other, f"found {one}\nexpected {other}\nafter {before}"
