"""The engine, driven as a model is and telling what came of it in the model's words."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from itertools import groupby, zip_longest
from typing import Any

import msgspec

from journeys.catalog.running import RunningCatalog
from journeys.engine.processor import Clock, PartitionProcessor
from journeys.records.action import Action
from journeys.records.effects import Effects
from journeys.records.input import Input
from journeys.records.outcome import Outcome
from journeys.records.user_record import decode, encode
from journeys.simulation.backtest import MemoryRecords
from tests.journeys.builders import Versions
from tests.journeys.model.model import Model
from tests.journeys.model.model_terms import DAY, Document, Sent, Told
from tests.journeys.model.model_walk import TooLong
from tests.journeys.model.random_histories import CallResult, Event, Fire, Push, Step, Sweep, Turn
from tests.journeys.model.random_histories import Clock as ClockRecord
from tests.journeys.model.random_journeys import document

MOST = 5_000
"""Effects that are enough of one history."""


class Engine:
    """The engine, driven as a model is.

    Args:
        everything: instances keep their whole context, whatever later nodes read.
    """

    def __init__(self, clock: Clock, *documents: Document, everything: bool = False) -> None:
        self.everything = everything
        self.versions = Versions(*map(document, documents))
        self.records = MemoryRecords()
        self.catalogs: dict[int, RunningCatalog] = {}
        self.processor = PartitionProcessor(
            self.records,
            self._running(None),
            clock,
            at_barrier=lambda barrier: self.catalogs[barrier.offset],
        )
        self.effects = Effects()
        self.done: list[Input | Fire | Sweep] = []

    def _running(self, previous: RunningCatalog | None) -> RunningCatalog:
        catalog = self.versions.running(previous)
        if self.everything:
            for name, version in self.versions.accepted():
                program = catalog.program(name, version)
                assert program is not None
                program.reads = {
                    node: {"entry": {}, "steps": {}, "attr": {}} for node in program.nodes
                }
            catalog = self.versions.running(catalog)
        return catalog

    def take(self, step: Step, offset: int) -> None:
        happening = step if isinstance(step, Fire | Sweep) else self._input_of(step, offset)
        self.done.append(happening)
        self.do([happening])

    def _input_of(self, step: Step, offset: int) -> Input:
        """The record of the log that brings it about."""
        value: Any = {}
        kind, arrival = None, None
        match step:
            case Event(value, arrival):
                pass
            case CallResult(arrival=arrival):
                kind, value = "response", answer_of(step, self._requests(step.user))
            case ClockRecord(to):
                kind, value = "clock", {"time": to}
            case Push() | Turn():
                kind, value = "barrier", {"config": 1}
                if isinstance(step, Push):
                    self.versions.push(document(step.journey))
                else:
                    self.versions.turn(*step)
                self.catalogs[offset] = self._running(self.processor.catalog)
        return Input("events", 0, offset, None, msgspec.json.encode(value), arrival, kind)

    def do(
        self, some: Sequence[Input | Fire | Sweep], *, timers: int = 1_000, records: int = 1_000
    ) -> None:
        """Let some happen, in order; `timers` and `records` are how much a call may do."""
        for is_input, group in groupby(some, lambda one: isinstance(one, Input)):
            if is_input:
                self._apply([one for one in group if isinstance(one, Input)], timers)
                continue
            for one in group:
                if isinstance(one, Fire):
                    self._fire(one, timers, records)
                else:
                    self.sweep(records)

    def _apply(self, inputs: list[Input], timers: int) -> None:
        while inputs:
            inputs = inputs[self.processor.apply(inputs, self.effects, timers=timers) :]
        assert self.effects.dead == []
        if len(self.effects) > MOST:
            raise TooLong

    def _fire(self, fire: Fire, timers: int, records: int) -> None:
        """As a worker does, batch by batch: whom a change concerns may be met after the clock."""
        more = True
        while more:
            more = self.processor.fire(*fire, self.effects, timers=timers)
            more = self.processor.sweep(self.effects, records=records) or more
        while self.processor.fire(*fire, self.effects, timers=timers):
            continue

    def sweep(self, records: int) -> None:
        while self.processor.sweep(self.effects, records=records):
            continue

    def save_and_load(self) -> None:
        """Every record goes to its bytes and comes back."""
        for user, record in self.records.records.items():
            self.records.put(user, decode(encode(record)))

    def _requests(self, user: str) -> list[tuple[str, str, list[str]]]:
        """The requests of a user: action, instance and labels."""
        return [
            (one.action_id, one.instance, list(one.trigger.response))
            for one in self.effects.actions
            if one.user_id == user and one.trigger
        ]

    # What came of it, in the model's words.

    @property
    def told(self) -> list[Told]:
        return [_told(one) for one in self.effects.outcomes if not is_sample(one)]

    @property
    def sent(self) -> list[Sent]:
        return [_sent(one) for one in self.effects.actions]

    def standing(self) -> dict[str, Any]:
        """The final state of every user, without the `fire_at` of paused journeys, which has no
        effect."""
        paused = {
            name for name, status in self.processor.catalog.status.items() if status == "paused"
        }
        return {
            user: (
                record.traits,
                [
                    (
                        one.id,
                        one.version,
                        one.node,
                        one.key,
                        one.wait.due,
                        None if one.journey in paused else one.wait.fire_at,
                        None
                        if one.held is None
                        else (one.held.decided, one.held.to, one.held.mute),
                    )
                    for one in record.instances
                ],
                [
                    goal.instance
                    for goal in record.goals
                    if goal.until is None or goal.until + DAY > self.processor.partition_time
                ],
            )
            for user, record in self.records.records.items()
        }

    def all_bytes(self) -> list[Any]:
        """Everything to the last bit: outcomes, actions, records."""
        kept = {user: encode(record) for user, record in self.records.records.items()}
        sent = [self.effects.outcomes, self.effects.actions]
        return [msgspec.json.encode(sent), self.processor.partition_time, kept]

    def bytes_by_user(self) -> dict[str, Any]:
        """The same, where it has no meaning how things of several users mix."""
        stories: dict[str, list[Any]] = defaultdict(list)
        for one in (*self.effects.outcomes, *self.effects.actions):
            stories[one.user_id or ""].append(msgspec.json.encode(one))
        kept = {user: encode(record) for user, record in self.records.records.items()}
        return {user: (stories[user], kept.get(user)) for user in {*stories, *kept}}


def is_sample(one: Outcome) -> bool:
    """Whether it is reported once a minute and partition: an unknown time zone, which the model
    takes for an absent one."""
    return (one.detail or {}).get("kind") == "zone"


def _told(one: Outcome) -> Told:
    detail = one.detail or {}
    return Told(
        one.type,
        one.at,
        one.user_id or "",
        one.journey or "",
        int((one.version or "v0")[1:]),
        one.instance,
        one.key,
        one.node,
        (one.cause.offset, one.cause.timer, one.cause.fired),
        {name: value for name, value in detail.items() if name not in ("error", "late_ms")},
    )


def _sent(one: Action) -> Sent:
    return Sent(
        one.action_id,
        one.at,
        one.user_id,
        one.journey,
        int(one.version[1:]),
        one.instance,
        one.key,
        one.node,
        one.destination,
        one.payload,
        {name: getattr(one.trigger, name) for name in ("within", "response", "method", "path")}
        if one.trigger
        else None,
    )


class Modelled(Model):
    """The model, driven by the same steps."""

    def take(self, step: Step, offset: int) -> None:
        if not isinstance(step, Fire | Sweep):
            self.place = offset
        match step:
            case Event(wire, arrival):
                self.event(wire, offset, arrival)
            case CallResult():
                requests = [
                    (one.id, one.instance, list(one.trigger["response"]))
                    for one in self.sent
                    if one.user == step.user and one.trigger
                ]
                self.response(answer_of(step, requests), offset, step.arrival)
            case ClockRecord(to):
                self.advance(to)
            case Fire(until, now):
                self.fire(until, now)
            case Push(journey):
                self.push(journey)
            case Turn(name, status, at):
                self.turn(name, status, at)

    def standing(self) -> dict[str, Any]:
        return {
            user.id: (
                user.traits,
                [
                    (
                        one.id,
                        f"v{one.version}",
                        one.node,
                        one.key,
                        one.due,
                        None if self.is_paused(one) else one.fire_at,
                        None if one.held is None else (one.held.answered, one.held.to, one.mute),
                    )
                    for one in user.live
                ],
                [one.id for one in user.goals if self.may_count(one)],
            )
            for user in self.users.values()
        }


def answer_of(step: CallResult, requests: list[tuple[str, str, list[str]]]) -> dict[str, Any]:
    """The response as deliver writes it: with the labels that were asked for."""
    action, instance, asked = "none", "none", ["code"]
    if step.back < len(requests):
        action, instance, asked = requests[-1 - step.back]
    answer = {
        "action_id": action,
        "user_id": step.user,
        "instance": instance,
        "ok": step.ok,
        "labels": {name: value for name, value in step.labels.items() if name in asked},
        "status_code": step.status_code,
    }
    return {name: value for name, value in answer.items() if value is not None}


def play(side: Any, history: Iterable[Step]) -> Any:
    for offset, step in enumerate(history):
        side.take(step, offset)
    return side


def by_user(things: list[Any]) -> dict[str, list[Any]]:
    """Users' stories: how those of several users mix at one moment has no meaning."""
    stories = defaultdict(list)
    for one in things:
        stories[one.user].append(one)
    return dict(stories)


def assert_same(engine: Engine, model: Modelled) -> None:
    assert_equal(by_user(engine.told), by_user(model.told))
    assert_equal(by_user(engine.sent), by_user(model.sent))
    found, wanted = engine.standing(), model.standing()
    for user in {**found, **wanted}:
        one, other = (places.get(user, ({}, [], [])) for places in (found, wanted))
        assert one == other, f"{user}: found {one}\nexpected {other}"


def assert_equal(got: dict[str, list[Any]], wanted: dict[str, list[Any]]) -> None:
    """The first thing that differs is what one wants to see."""
    for user in {**got, **wanted}:
        pairs = zip_longest(got.get(user, []), wanted.get(user, []))
        for place, (one, other) in enumerate(pairs):
            before = got.get(user, [])[max(0, place - 5) : place]
            assert one == other, f"found {one}\nexpected {other}\nafter {before}"
