"""wait_for_event: the instance waits for one of the awaited events, at most for `within`.

Only an event with the instance's key moves it, unless `match` says otherwise.
"""

from collections.abc import Iterator, Mapping
from functools import cached_property
from typing import Any, Literal, Self

from pydantic import Field, model_validator

from journeys.expressions.expression import ExpressionFailed, always
from journeys.nodes.base import (
    Block,
    End,
    FallibleNode,
    Go,
    LintWarning,
    Mover,
    Next,
    Stay,
    Step,
    Way,
)
from journeys.schema.fields import Condition, EventName, Match, SomeDuration, TraitName
from journeys.schema.marks import Path
from journeys.schema.signals import Signal, signal_in_words
from journeys.time import format_time


class Awaited(Way, Signal):
    """One of several events or changes of traits, and the way that it leads."""

    reset: bool = False
    """The event starts the time limit anew, and the instance keeps waiting."""

    @model_validator(mode="after")
    def _resets_or_leads(self) -> Self:
        if self.reset and (self.next is not None or self.set is not None):
            raise ValueError("an event with `reset` leads nowhere: it takes no `next` and no `set`")
        return self

    @property
    def leads(self) -> bool:
        return not self.reset


class WaitForEvent(FallibleNode):
    blocking = True
    captures = frozenset({"event"})
    examples = (
        """
        any_of:
          - {event: answer, where: event.properties.n == entry.properties.n, next: left}
          - {event: other, set: {a: 1}}
        where: event.properties.n > 0
        match: event.properties.k
        within: 2h
        on_timeout: right
        next: right
        """,
        """
        any_of: [{event: answer, reset: true}, {event: other, next: right}]
        within: 2h
        on_timeout: left
        """,
        """
        event: answer
        within: ${hours(event.properties.n)}
        on_timeout: right
        on_error: left
        """,
    )

    type: Literal["wait_for_event"]
    event: EventName | None = None
    """The event's name, as producers send it; `identify` for identify calls without a name."""
    changes: TraitName | None = None
    """The trait whose change is awaited."""
    any_of: list[Awaited] | None = Field(default=None, min_length=1)
    """One of several events or changes of traits."""
    where: Condition | None = None
    """A condition on the event."""
    match: Match | None = None
    """What is compared with the instance's key instead of the entry's key."""
    within: Literal["forever"] | SomeDuration
    """The time limit, from when the node is reached."""
    on_timeout: Next | None = None
    """The node that follows when the time limit is over."""

    @model_validator(mode="after")
    def _one_way_to_name_events(self) -> Self:
        if sum(way is not None for way in (self.event, self.changes, self.any_of)) != 1:
            raise ValueError("a wait_for_event needs one of `event`, `changes` and `any_of`")
        if self.within == "forever" and self.on_timeout is not None:
            raise ValueError("`on_timeout` is never taken where `within` is forever")
        if self.within == "forever" and any(one.reset for one in self.any_of or ()):
            raise ValueError("`reset` needs a time limit: `within` is forever")
        self.check_on_error("within")
        return self

    @property
    def can_fail(self) -> bool:
        return isinstance(self.within, str) and self.within != "forever"

    @property
    def falls_through(self) -> bool:
        """False if every event and the timeout have a next node of their own."""
        timed = self.within != "forever" and self.on_timeout is None
        return timed or self.any_of is None or any(one.next is None for one in self._leading)

    @property
    def _leading(self) -> list[Awaited]:
        """The alternatives that move instances."""
        return [one for one in self.any_of or () if one.leads]

    @property
    def keyed(self) -> bool:
        return self.match is None and all(one.changes is None for one in self._alternatives)

    def awaits(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(one.signal for one in self._alternatives))

    @cached_property
    def _alternatives(self) -> tuple[Awaited, ...]:
        if self.any_of is not None:
            return tuple(self.any_of)
        return (Awaited(event=self.event, changes=self.changes),)

    @cached_property
    def _hears_changes(self) -> bool:
        return any(one.changes is not None for one in self._alternatives)

    def enter(self, step: Step) -> Go | Block | End:
        if isinstance(self.within, int):
            return Block(step.now + self.within)
        if self.within == "forever":
            return Block(None)
        try:
            length = step.duration(self.within)
        except ExpressionFailed as error:
            return self.failed(step, error)
        return Block(step.now + length) if length > 0 else self.on_timer(step)

    def on_event(self, step: Step) -> Go | Stay | None:
        signals = step.signals
        happened = [one for one in self._alternatives if one.signal in signals]
        if self.match != "none":
            # Without `match` a change concerns every instance: it is the user's and has no key.
            keyless = [one for one in happened if one.changes is not None and self.match is None]
            if len(keyless) < len(happened) and not step.matches_key(self.match):
                happened = keyless
        changed = self._hears_changes and any(one.changes is not None for one in happened)
        holds = step.holds_at_change if changed else step.holds
        if not happened or (self.where is not None and not holds(self.where)):
            return None
        for awaited in happened:
            if awaited.where is None or holds(awaited.where):
                return (self._rescheduled if awaited.reset else self._matched)(step, awaited)
        return None

    def on_timer(self, step: Step) -> Go:
        step.report("wait.timed_out")
        return Go(self.on_timeout or self.next)

    def moved_by(self, way: Path | None) -> tuple[Mover, ...]:
        by_time = self.moved_by_time(way, at_once=self.can_fail)
        if way is not None and way[-1] in ("on_error", "on_timeout"):
            return by_time
        own = way is not None and way[0] == "any_of"
        timed = self.within != "forever" and self.on_timeout is None
        if self.any_of is not None and not self._leading:
            return by_time
        return ("event", *by_time) if timed and not own else ("event",)

    def lint(self, captured_read: bool) -> Iterator[LintWarning]:
        if self.next is not None and not self.falls_through:
            yield LintWarning(
                ("next",), "every event has a 'next' of its own: this one is never taken"
            )
        ways = self.any_of or []
        for index, one in enumerate(ways):
            for before, other in enumerate(ways[:index]):
                if other.signal == one.signal and (
                    other.where in (None, one.where) or always(other.where)
                ):
                    why = f"'any_of[{before}]' already takes every such event"
                    yield LintWarning(("any_of", index), f"{why}: this one is never taken")
                    break
        distinct = captured_read or any(one.next or one.set or one.reset for one in ways)
        if self.within != "forever" and self.on_timeout is None and not distinct:
            yield LintWarning(
                ("within",),
                "a timeout leads to the same node as the event: give it its own with 'on_timeout'",
            )

    def explain(self, outcome: str, detail: Mapping[str, Any]) -> str:
        if outcome == "wait.rescheduled":
            return f"{detail['event']} starts the time limit anew"
        if outcome not in ("wait.started", "wait.timed_out"):
            return ""
        awaited = [signal_in_words(signal) for signal in self.awaits()]
        if outcome == "wait.started":
            return "for " + " or ".join(awaited)
        return "no " + " or ".join(one.removeprefix("a ") for one in awaited)

    def _matched(self, step: Step, awaited: Awaited) -> Go:
        step.report("wait.matched", **_cause(step, awaited))
        step.capture("event", step.event)
        return Go(awaited.next or self.next, awaited.set)

    def _rescheduled(self, step: Step, awaited: Awaited) -> Stay | None:
        """The window begins anew at the event. It never ends earlier than before, so a late event
        changes nothing."""
        try:
            length = self.within if isinstance(self.within, int) else step.duration(self.within)
        except ExpressionFailed as error:
            step.fail(error)
            return None
        due = step.now + length
        if step.due is None or due <= step.due:
            return None
        step.report("wait.rescheduled", due=format_time(due), **_cause(step, awaited))
        step.capture("event", step.event)
        return Stay(due)


def _cause(step: Step, awaited: Awaited) -> dict[str, Any]:
    """What an outcome says of the event that happened."""
    detail = {"event": step.event["event"], "message_id": step.event["messageId"]}
    if awaited.changes is not None:
        detail["changes"] = awaited.changes
    return detail
