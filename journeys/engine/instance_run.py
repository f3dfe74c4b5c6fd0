"""One instance's way from node to node until it blocks or ends: the step that its nodes see.

Law: a run ends. Nodes only record effects here, and the instance is written once, when it stays.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol
from zoneinfo import ZoneInfo

import msgspec
from msgspec import UNSET

from journeys.catalog.program import Program
from journeys.expressions.expression import ExpressionFailed, Scope, compile_cel, condition
from journeys.expressions.urls import render_url
from journeys.ids import action_id, outcome_id
from journeys.nodes.base import USERS_ZONE, Block, End, Go, Labels
from journeys.records import traits as profile
from journeys.records.action import MAX_PAYLOAD, Action, TriggerCall
from journeys.records.effects import Effects
from journeys.records.outcome import Cause, Outcome
from journeys.records.user_record import Held, Instance, Wait
from journeys.time import format_time
from journeys.zones import find_zone

MAX_NODES = 1_000
"""Nodes that one run may reach."""

_NOTHING: Mapping[str, Any] = {}
_LIVE_ROOTS = frozenset({"event", "now"})


class Moment(Protocol):
    """What all runs of one step share."""

    effects: Effects
    user_id: str
    cause: Cause
    facts: dict[str, Any] | None
    """The event as expressions see it; None in a timer step."""
    event_counts: dict[str, bytes]
    """The times of the events that journeys count, by name."""
    keys: dict[str, str | None]
    """What key expressions give on the event, by their text."""

    @property
    def user(self) -> Mapping[str, Any]:
        """`user` of the expressions."""

    def merge(self, traits: Mapping[str, Any]) -> list[str]:
        """Lay traits over the profile; the names of those that changed."""

    def emit(self, name: str, properties: dict[str, Any], message_id: str, now: int) -> str | None:
        """Take an event to be applied next, at `now` (ms); why not, where it is refused."""

    def fire_at(self, due: int) -> int:
        """When a clock may fire a timer that is due then; both ms."""

    def lifecycle_seen(self, journey: str) -> int:
        """The newest change of a journey's life, which its instances that move now have met."""


def as_text(value: Any) -> str | None:
    """A key as text: texts as they are, integers in decimal, true or false; None: no key."""
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return str(value)
    return None


def _look(value: Any, path: tuple[str, ...]) -> Any:
    for name in path:
        value = value.get(name) if isinstance(value, dict) else None
    return value


class Run:
    """An instance while it moves. It implements what nodes know as `Step`."""

    __slots__ = (
        "_counts",
        "_scope",
        "_token",
        "attr",
        "ended",
        "entry",
        "held",
        "id",
        "key",
        "moment",
        "mute",
        "node",
        "now",
        "program",
        "started",
        "steps",
        "visit",
        "wait",
    )

    def __init__(
        self,
        moment: Moment,
        program: Program,
        now: int,
        *,
        id: str,
        key: str | None,
        started: int,
        entry: Mapping[str, Any],
        steps: Mapping[str, Any] = _NOTHING,
        attr: Mapping[str, Any] = _NOTHING,
        node: str = "",
        visit: int = 0,
        token: str = "",
    ) -> None:
        self.moment = moment
        self.program = program
        self.now = now
        self.id = id
        self.key = key
        self.started = started
        self.entry = entry
        self.steps = steps
        self.attr = attr
        self.node = node
        self.visit = visit
        self.wait = Wait()
        self.held: Held | None = None
        self.mute = False
        self.ended = False
        self._token = token
        self._counts: dict[str, int] = {}
        self._scope: Scope | None = None

    @classmethod
    def resume(
        cls, moment: Moment, program: Program, instance: Instance, now: int, token: str = ""
    ) -> Run:
        """A live instance, about to move.

        Args:
            token: tells the steps of one visit apart in the ids of their outcomes: the messageId
                of an event, or `timer`.
        """
        context = instance.context
        run = cls(
            moment,
            program,
            now,
            id=instance.id,
            key=instance.key,
            started=instance.started,
            entry=context.get("entry", _NOTHING),
            steps=context.get("steps", _NOTHING),
            attr=context.get("attr", _NOTHING),
            node=instance.node,
            visit=instance.visit,
            token=token,
        )
        run.wait = instance.wait
        return run

    # What the step calls.

    def follow(self, verdict: Go | Block | End, *, left: bool = False) -> None:
        """Go from node to node until one blocks or the instance ends.

        Args:
            left: the node where the instance stands has been left already.
        """
        nodes = self.program.nodes
        for _ in range(MAX_NODES):
            if isinstance(verdict, Block):
                self._block(verdict.due)
                return
            if isinstance(verdict, End):
                self.end(verdict.reason)
                return
            if not left:
                self._leave(verdict)
            left = False
            if verdict.to is None:
                self.end("end")
                return
            self.node = verdict.to
            self.visit += 1
            self._token = ""
            self._counts = {}
            self.report("node.reached")
            node = nodes[verdict.to]
            self.mute = self.mute and not node.blocking
            verdict = node.enter(self)
        self.end("error", error=f"more than {MAX_NODES} nodes in one step")

    def hold(self, verdict: Go) -> None:
        """The journey is paused: keep where the instance goes when it runs again."""
        self._leave(verdict)
        facts = self.moment.facts
        event = None if facts is None else self.program.event_keeps(facts)
        self.held = Held(True, verdict.to, event)
        self.wait = Wait(self.wait.due, None)

    def end(self, reason: str, **detail: Any) -> None:
        """The instance is over."""
        self.ended = True
        self.report("journey.exited", reason=reason, **detail)

    def instance(self) -> Instance:
        """The instance where it stays, with no more context than later nodes read."""
        context = {"entry": self.entry, "steps": self.steps, "attr": self.attr}
        return Instance(
            self.id,
            self.program.name,
            self.program.version,
            self.key,
            self.started,
            self.node,
            self.visit,
            self.wait,
            self.program.keep(self.node, context),
            self.moment.lifecycle_seen(self.program.name),
            self.held,
        )

    def _block(self, due: int | None) -> None:
        self.wait = Wait(due, None if due is None else self.moment.fire_at(due))
        self.report("wait.started", due=None if due is None else format_time(due))

    def _leave(self, verdict: Go) -> None:
        """Write the labels of the node and of the way that is taken from it."""
        labels = getattr(self.program.nodes.get(self.node), "set", None)
        if labels:
            self._set(labels)
        if verdict.set:
            self._set(verdict.set)

    def _set(self, labels: Labels) -> None:
        for label, data in labels.items():
            try:
                value = self.render(data)
            except ExpressionFailed as error:
                self.fail(error)
            else:
                self.attr = {**self.attr, label: value}
                self._scope = None

    # What nodes call.

    @property
    def journey(self) -> str:
        return self.program.name

    @property
    def user_id(self) -> str:
        return self.moment.user_id

    @property
    def event(self) -> dict[str, Any]:
        return self.moment.facts or {}

    def scope(self) -> Scope:
        """What expressions see."""
        if self._scope is None:
            program = self.program
            self._scope = Scope(
                event=self.moment.facts,
                entry=self.entry,
                steps=self.steps,
                attr=self.attr,
                user=self.moment.user,
                journey={
                    "name": program.name,
                    "version": program.version,
                    "instance": self.id,
                    "key": self.key,
                },
                now=self.now,
                count=self.moment.event_counts,
            )
        return self._scope

    def zone(self, of: str) -> ZoneInfo:
        if of not in ("user", "journey"):
            return find_zone([of])
        candidates = [self.program.journey.timezone]
        if of == "user":
            traits = self.moment.user["traits"]
            candidates[:0] = [traits.get("timezone"), _look(self.entry, USERS_ZONE[1:])]
        return find_zone(candidates)

    def holds(self, text: str) -> bool:
        try:
            return condition(text, self.scope())
        except ExpressionFailed as error:
            self.fail(error)
            return False

    def value(self, expression: str) -> Any:
        return compile_cel(expression).evaluate(self.scope())

    def render(self, data: Any) -> Any:
        return self.program.template(data)(self.scope())

    def render_url(self, template: str) -> str:
        return render_url(template, self.scope())

    def matches_key(self, expression: str | None) -> bool:
        own = self.program.journey.entry.key
        text = expression or own
        if text is None:
            return expression is None  # a journey without a key asks for none
        keys = self.moment.keys
        key = keys.get(text)
        if key is not None or (text in keys and expression is None):
            return key is not None and key == self.key  # a failing `match` is told every time
        compiled = compile_cel(text)
        try:
            key = as_text(compiled.evaluate(self.scope()))
        except ExpressionFailed as error:
            if expression is not None:
                self.fail(error)
                return False
            key = None  # most events just don't carry the key
        if all(path[0] in _LIVE_ROOTS for path in compiled.paths):
            keys[text] = key
        return key is not None and key == self.key

    def capture(self, label: str, value: Any) -> None:
        mine = {**self.steps.get(self.node, _NOTHING), label: value}
        self.steps = {**self.steps, self.node: mine}
        self._scope = None

    def report(self, outcome: str, **detail: Any) -> None:
        n = self._counts.get(outcome, 0)
        self._counts[outcome] = n + 1
        moment, program = self.moment, self.program
        moment.effects.outcomes.append(
            Outcome(
                outcome_id(self.id, self.visit, outcome, self._token, n),
                outcome,
                format_time(self.now),
                moment.user_id,
                program.name,
                program.version,
                self.id,
                self.key,
                self.node or None,
                moment.cause,
                detail or None,
            )
        )

    def fail(self, error: Exception) -> None:
        self.report("expression.failed", error=str(error))

    def update_profile(self, traits: Mapping[str, Any]) -> None:
        changed = self.moment.merge(traits)
        if changed:
            self._scope = None
            self.report("profile.changed", **profile.changed(changed))

    def emit(self, event: str, properties: dict[str, Any]) -> bool:
        id = action_id(self.id, self.node, self.visit)
        if len(msgspec.json.encode(properties)) > MAX_PAYLOAD:
            refusal: str | None = "too_large"
        else:
            refusal = self.moment.emit(event, properties, id, self.now)
        if refusal is not None:
            self.report("event.rejected", reason=refusal, event=event, message_id=id)
            return False
        self.report("event.emitted", event=event, message_id=id)
        return True

    def request(
        self,
        destination: str,
        *,
        action: str | None,
        event_name: str | None,
        payload: Any,
        trigger: TriggerCall | None = None,
    ) -> bool:
        if self.mute:
            self.report("action.skipped", destination=destination, reason="paused")
            return True
        size = len(msgspec.json.encode(payload))
        if size > MAX_PAYLOAD:
            self.report("action.skipped", destination=destination, reason="too_large", bytes=size)
            return False
        program = self.program
        id = action_id(self.id, self.node, self.visit)
        self.moment.effects.actions.append(
            Action(
                id,
                format_time(self.now),
                destination,
                action,
                event_name,
                f"{program.name}/{self.node}",
                self.moment.user_id,
                program.name,
                program.version,
                self.id,
                self.key,
                self.node,
                payload,
                UNSET if trigger is None else trigger,
            )
        )
        self.report("action.requested", destination=destination, action_id=id)
        return True
