"""What an instance's nodes read and record: the step that they see.

Law: nodes only record effects; nothing here moves the instance.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import tzinfo
from typing import Any

import msgspec
from msgspec import UNSET
from msgspec.structs import replace

from journeys.catalog.program import Program
from journeys.engine.step_context import UPDATE, StepContext
from journeys.expressions.expression import ExpressionFailed, Scope, compile_cel, condition
from journeys.expressions.templates import duration
from journeys.expressions.urls import render_url
from journeys.expressions.values import plain_text
from journeys.ids import action_id, outcome_id
from journeys.nodes.base import USERS_ZONE, Fork
from journeys.records import traits as profile
from journeys.records.action import MAX_PAYLOAD, Action, TriggerCall
from journeys.records.outcome import Outcome, OutcomeType, shown
from journeys.records.user_record import Branch, Wait
from journeys.schema.signals import changes_among
from journeys.time import format_time
from journeys.zones import find_zone

_SHOWN = 64
NOTHING: Mapping[str, Any] = {}
_LIVE_ROOTS = frozenset({"event", "now"})


def _look(value: Any, path: tuple[str, ...]) -> Any:
    for name in path:
        value = value.get(name) if isinstance(value, dict) else None
    return value


class NodeStep:
    """The state of one instance during a step, and what its nodes do with it. It implements what
    nodes know as `Step`; `InstanceRun` moves the instance."""

    __slots__ = (
        "_counts",
        "_scope",
        "_token",
        "attr",
        "branch",
        "context",
        "entry",
        "entry_claimed",
        "fork",
        "id",
        "join",
        "joined",
        "key",
        "mute",
        "node",
        "now",
        "program",
        "reached",
        "started",
        "steps",
        "visit",
        "wait",
    )

    def __init__(
        self,
        context: StepContext,
        program: Program,
        now: int,
        *,
        id: str,
        key: str | None,
        started: int,
        entry: Mapping[str, Any],
        steps: Mapping[str, Any] = NOTHING,
        attr: Mapping[str, Any] = NOTHING,
        node: str = "",
        visit: int = 0,
        token: str = "",
        branch: Branch | None = None,
        entry_claimed: bool = False,
    ) -> None:
        self.context = context
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
        self.reached: int | None = None
        self.mute = False
        self.fork: Fork | None = None
        self.branch = branch
        self.entry_claimed = entry_claimed
        self.joined = False
        self.join = None if branch is None else program.join(branch.at)
        self._token = token
        self._counts: dict[str, int] = {}
        self._scope: Scope | None = None

    @property
    def journey(self) -> str:
        return self.program.name

    @property
    def user_id(self) -> str:
        return self.context.user_id

    @property
    def event(self) -> dict[str, Any]:
        return self.context.event or {}

    @property
    def signals(self) -> tuple[str, ...]:
        return self.context.signals

    @property
    def due(self) -> int | None:
        return self.wait.due

    def catch_up(self) -> None:
        # Where it wasn't kept, as the node did not follow anything then, the entry is a bound.
        reached = self.started if self.reached is None else self.reached
        if reached > self.now:
            self.now, self._scope = reached, None

    def scope(self) -> Scope:
        """What expressions see."""
        if self._scope is None:
            program, before = self.program, self.context.before
            self._scope = Scope(
                event=self.context.event,
                entry=self.entry,
                steps=self.steps,
                attr=self.attr,
                user=self.context.user,
                journey={
                    "name": program.name,
                    "version": program.version,
                    "instance": self.id,
                    "key": self.key,
                },
                now=self.now,
                before=self.context.traits if before is None else before,
                count=self.context.event_counts,
                meter=self.context.effects.meter,
            )
        return self._scope

    def zone(self, of: str) -> tzinfo:
        if of not in ("user", "journey"):
            return find_zone([of], self._unknown_zone)
        candidates = [self.program.journey.timezone]
        if of == "user":
            traits = self.context.user["traits"]
            candidates[:0] = [traits.get("timezone"), _look(self.entry, USERS_ZONE[1:])]
        return find_zone(candidates, self._unknown_zone)

    def _unknown_zone(self, found: Any) -> None:
        """Report it once per version and minute, as many users may have an unknown zone."""
        context, program = self.context, self.program
        latest = context.clock.partition_time
        if context.effects.sampler.is_sample("zone", program.name, program.version, latest):
            text = repr(found)[:_SHOWN]
            expected = "expected the name of a time zone, or an offset such as +05:30"
            error = f"time zone: found {text}, {expected}"
            self.report("expression.failed", kind="zone", error=error)

    def holds(self, text: str) -> bool:
        try:
            return condition(text, self.scope())
        except ExpressionFailed as error:
            self.fail(error)
            return False

    def holds_at_change(self, text: str) -> bool:
        context = self.context
        if context.after is None or context.after is context.traits:
            return self.holds(text)
        live = self.scope()
        self._scope = replace(live, user=context.user_with(context.after))
        try:
            return self.holds(text)
        finally:
            self._scope = live

    def value(self, expression: str) -> Any:
        return compile_cel(expression).evaluate(self.scope())

    def render(self, data: Any) -> Any:
        return self.program.template(data)(self.scope())

    def render_url(self, template: str) -> str:
        return render_url(template, self.scope())

    def duration(self, template: str) -> int:
        return duration(template, self.scope())

    def matches_key(self, expression: str | None) -> bool:
        own = self.program.journey.entry.key
        text = expression or own
        if text is None:
            return expression is None  # without an entry key every event matches
        keys = self.context.keys
        key = keys.get(text)
        if key is not None or (text in keys and expression is None):
            return key is not None and key == self.key  # a failing `match` is reported every time
        compiled = compile_cel(text)
        try:
            key = plain_text(compiled.evaluate(self.scope()))
        except ExpressionFailed as error:
            if expression is not None:
                self.fail(error)
                return False
            key = None  # most events just don't carry the key
        if all(path[0] in _LIVE_ROOTS for path in compiled.paths):
            keys[text] = key
        return key is not None and key == self.key

    def claim_entry(self) -> bool:
        context, whole = self.context, self.id if self.branch is None else self.branch.parent
        if self.entry_claimed or whole in context.claimed:
            return False
        context.claimed = context.claimed | {whole}
        return True

    def takes_entry(self) -> bool:
        context, program = self.context, self.program
        scope = context.entry_scope(program, self.now)
        # A condition that fails doesn't hold; it is reported if the event comes to enter.
        if program.entering(context.signals, scope)[0] is None:
            return False
        if program.key is not None:
            try:
                key = plain_text(program.key.evaluate(scope))
            except ExpressionFailed:
                return False
            if key is None or key != self.key:
                return False
        context.taken = context.taken | {program.name}
        return True

    def captured(self, label: str) -> Any:
        return self.steps.get(self.node, NOTHING).get(label)

    def capture(self, label: str, value: Any) -> None:
        mine = {**self.steps.get(self.node, NOTHING), label: value}
        self.steps = {**self.steps, self.node: mine}
        self._scope = None

    def report(self, outcome: OutcomeType, **detail: Any) -> None:
        n = self._counts.get(outcome, 0)
        self._counts[outcome] = n + 1
        context, program = self.context, self.program
        context.effects.outcomes.append(
            Outcome(
                outcome_id(self.id, self.visit, outcome, self._token, n),
                outcome,
                format_time(self.now),
                context.user_id,
                program.name,
                program.version,
                self.id,
                self.key,
                self.node or None,
                context.cause,
                detail or None,
            )
        )

    def fail(self, error: Exception) -> None:
        self.report("expression.failed", error=shown(str(error)))

    def update_profile(self, traits: Mapping[str, Any]) -> None:
        context, before = self.context, self.context.traits
        changed = context.merge_traits(traits)
        if not changed:
            return
        self._scope = None
        self.report("profile.changed", **profile.changed_names(changed))
        changes = changes_among(changed, context.catalog.changes) if context.catalog.changes else ()
        if changes:
            id = action_id(self.id, self.node, self.visit)
            refusal = context.announce(changes, before, traits, id, self.now)
            if refusal is not None:
                self.report("event.rejected", reason=refusal, event=UPDATE, message_id=id)

    def emit(self, event: str, properties: dict[str, Any]) -> bool:
        id = action_id(self.id, self.node, self.visit)
        size = len(msgspec.json.encode(properties))
        if size > MAX_PAYLOAD:
            refusal: str | None = "too_large"
        else:
            refusal = self.context.emit(event, properties, size, id, self.now)
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
        requested = Action(
            id,
            format_time(self.now),
            destination,
            action,
            event_name,
            f"{program.name}/{self.node}",
            self.context.user_id,
            program.name,
            program.version,
            self.id,
            self.key,
            self.node,
            payload,
            UNSET if trigger is None else trigger,
        )
        if not self.context.request(requested, size):
            self.report("action.skipped", destination=destination, reason="too_many", bytes=size)
            return False
        self.report("action.requested", destination=destination, action_id=id)
        return True
