"""digest: the instance collects events for a while, for one message about all of them.

Law: what a digest keeps is bounded, in events and in bytes; all events are counted, and each one
has an outcome that says whether it was kept.
"""

from collections.abc import Collection, Iterator, Mapping
from typing import Annotated, Any, Literal, Self

import msgspec
from pydantic import Field, model_validator

from journeys.expressions.expression import ExpressionFailed
from journeys.nodes.base import (
    USERS_ZONE,
    Block,
    End,
    FallibleNode,
    Go,
    LintWarning,
    Mover,
    Stay,
    Step,
)
from journeys.nodes.delay import UntilLocal
from journeys.schema.fields import Condition, EventName, Match, Model, SomeDuration
from journeys.schema.marks import Path
from journeys.time import format_time

MAX_PROPERTIES = 4 * 1024
"""Bytes of JSON that the kept properties of one event may have."""

MAX_BYTES = 64 * 1024
"""Bytes of JSON that all kept events of one digest may have."""

_SHOWN = 20
"""Names of properties that were cut, in one outcome."""

_LONGEST = 64
"""Characters of such a name."""


class Collected(Model):
    event: EventName
    """The event's name, as producers send it."""
    where: Condition | None = None
    """A condition on the event."""


class Digest(FallibleNode):
    blocking = True
    stays = True
    captures = frozenset({"events", "count", "kept", "bytes"})
    remembers = frozenset({"count", "kept", "bytes"})
    examples = (
        "{every: 2h, next: left, set: {a: '${steps.tested.count}'}}",
        """
        any_of: [{event: answer, where: event.properties.n > 0}, {event: other}]
        where: event.properties.n == entry.properties.n
        match: event.properties.k
        every: ${hours(event.properties.n)}
        max: 10
        next: left
        on_error: right
        """,
        """
        event: answer
        until_local: {time: "09:00", weekdays: [mon-fri]}
        next: left
        """,
    )

    type: Literal["digest"]
    every: SomeDuration | None = None
    """How long it collects, from when the node is reached."""
    until_local: UntilLocal | None = None
    """It collects until the next such local time of day."""
    max: Annotated[int, Field(ge=1, le=1_000)] = 100
    """How many events it keeps; further ones are only counted."""
    event: EventName | None = None
    """The event that it collects; without it, those that enter the journey."""
    any_of: list[Collected] | None = Field(default=None, min_length=1)
    """It collects several events."""
    where: Condition | None = None
    """A condition on the event."""
    match: Match | None = None
    """What is compared with the instance's key instead of the entry's key."""

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if (self.every is None) == (self.until_local is None):
            raise ValueError("a digest needs either `every` or `until_local`, and not both")
        if self.event is not None and self.any_of is not None:
            raise ValueError("a digest takes either `event` or `any_of`, and not both")
        if self.takes_entries and self.where is not None:
            raise ValueError("`where` needs `event` or `any_of`: the entry has its own conditions")
        if self.takes_entries and self.match is not None:
            raise ValueError("`match` needs `event` or `any_of`: the entry has its own key")
        self.check_on_error("every")
        return self

    @property
    def can_fail(self) -> bool:
        return isinstance(self.every, str)

    @property
    def takes_entries(self) -> bool:
        return self.event is None and self.any_of is None

    @property
    def keyed(self) -> bool:
        return not self.takes_entries and self.match is None

    def awaits(self) -> tuple[str, ...]:
        if self.event is not None:
            return (self.event,)
        return tuple(dict.fromkeys(one.event for one in self.any_of or ()))

    def reads_on_entering(self) -> Collection[tuple[str, ...]]:
        local = self.until_local
        zone = (USERS_ZONE,) if local is not None and local.timezone == "user" else ()
        if not self.takes_entries:
            return zone
        return (*zone, *(("entry", name) for name in _KEPT))

    def enter(self, step: Step) -> Go | Block | End:
        first = step.captured("count") is None
        # In records from before entries were claimed, only what it has counted shows that it did.
        opens = self.takes_entries and step.claim_entry() and first
        step.capture("count", 0)
        step.capture("events", [])
        step.capture("kept", 0)
        step.capture("bytes", 0)
        try:
            due = self._due(step)
        except ExpressionFailed as error:
            return self.failed(step, error)
        if opens:
            self._collect(step, step.entry)
        return Block(due) if due > step.now else self.on_timer(step)

    def _due(self, step: Step) -> int:
        local = self.until_local
        if local is not None:
            return local.next(step.now, step.zone(local.timezone))
        assert self.every is not None, "a digest has `every` or `until_local`"
        length = self.every if isinstance(self.every, int) else step.duration(self.every)
        return step.now + length

    def on_event(self, step: Step) -> Stay | None:
        if not (step.takes_entry() if self.takes_entries else self._wanted(step)):
            return None
        self._collect(step, step.event)
        return Stay()

    def _wanted(self, step: Step) -> bool:
        if self.match != "none" and not step.matches_key(self.match):
            return False
        if self.where is not None and not step.holds(self.where):
            return False
        return self.any_of is None or any(
            one.event in step.signals and (one.where is None or step.holds(one.where))
            for one in self.any_of
        )

    def _collect(self, step: Step, event: Mapping[str, Any]) -> None:
        """Count the event, and keep it if there is room."""
        count = step.captured("count") + 1
        step.capture("count", count)
        what = {"event": event["event"], "message_id": event["messageId"], "count": count}
        item, cut = _cut(event)
        kept = step.captured("kept")
        size = step.captured("bytes") + len(msgspec.json.encode(item))
        if kept >= self.max or size > MAX_BYTES:
            reason = "max" if kept >= self.max else "bytes"
            step.report("digest.overflowed", **what, reason=reason)
            return
        step.capture("kept", kept + 1)
        step.capture("bytes", size)
        step.capture("events", [*(step.captured("events") or ()), item])
        step.report("digest.collected", **what, **cut)

    def on_timer(self, step: Step) -> Go:
        step.report("digest.closed", count=step.captured("count"), kept=step.captured("kept"))
        return Go(self.next)

    def moved_by(self, way: Path | None) -> tuple[Mover, ...]:
        window = self.until_local is not None and self.until_local.between is not None
        return self.moved_by_time(way, at_once=window or self.can_fail)

    def lint(self, captured_read: bool) -> Iterator[LintWarning]:
        if not captured_read:
            way = "expected 'steps.<node>.events' or 'steps.<node>.count' in a later node"
            yield LintWarning(("type",), f"nothing reads what the digest collects: {way}")

    def explain(self, outcome: str, detail: Mapping[str, Any]) -> str:
        if outcome == "wait.started":
            return "collects " + (" or ".join(self.awaits()) or "what enters the journey")
        return "counted, but not kept" if outcome == "digest.overflowed" else ""


_KEPT = ("event", "timestamp", "messageId", "properties")


def _cut(event: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """What a digest keeps of an event, and the detail that reports the properties left out: each
    one, in the event's order, that doesn't fit with those kept before it."""
    left, kept, cut = MAX_PROPERTIES, {}, []
    for name, value in event.get("properties", {}).items():
        size = len(msgspec.json.encode({name: value}))
        if size > left:
            cut.append(name)
            continue
        left -= size
        kept[name] = value
    item = {
        "event": event["event"],
        "timestamp": format_time(event["timestamp"]),
        "messageId": event["messageId"],
        "properties": kept,
    }
    if not cut:
        return item, {}
    more = len(cut) - _SHOWN
    names = [name[:_LONGEST] for name in cut[:_SHOWN]]
    return item, {"cut": names, **({"more": more} if more > 0 else {})}
