"""delay: the instance waits for a duration, until a time, or until a time of day in a time zone.

If the time has already passed, the instance continues in the same step.
"""

from collections.abc import Iterator, Mapping
from datetime import tzinfo
from typing import Any, Literal, Self

from pydantic import Field, model_validator

from journeys.expressions.expression import ExpressionFailed, compile_cel
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
from journeys.problems import shown
from journeys.schema.fields import (
    Model,
    Moment,
    SignedDuration,
    SomeDuration,
    SomeZone,
    TimeOfDay,
    Weekdays,
    Window,
)
from journeys.schema.marks import Path
from journeys.schema.signals import ANY_CHANGE, change_of, signal_in_words
from journeys.time import format_time, parse_time
from journeys.zones import WEEKDAYS, next_in_window, next_local


class UntilLocal(Model):
    """The next such time of day, on one of the weekdays, strictly after the node is reached; or a
    time inside a window, at once if it is open."""

    time: TimeOfDay | None = None
    """The time of day."""
    between: Window | None = None
    """When the window opens and closes."""
    weekdays: Weekdays = Field(default_factory=lambda: list(WEEKDAYS))
    """The days on which it may end, or on which the window opens."""
    timezone: SomeZone = "user"
    """The time zone of the time of day."""

    @model_validator(mode="after")
    def _time_or_window(self) -> Self:
        if (self.time is None) == (self.between is None):
            raise ValueError("`until_local` needs exactly one of `time` and `between`")
        if self.between is not None and self.between[0] == self.between[1]:
            raise ValueError("`between` needs two different times")
        return self

    def next(self, now: int, zone: tzinfo) -> int:
        """The next such time, in ms; `now` in an open window."""
        days = [WEEKDAYS.index(day) for day in self.weekdays]
        if self.between is not None:
            opens, closes = self.between
            return next_in_window(now, opens, closes, days, zone)
        assert self.time is not None, "`time` or `between` is set"
        return next_local(now, self.time, days, zone)


class Delay(FallibleNode):
    blocking = True
    examples = (
        "{for: 2h, next: left, set: {a: '${entry.properties.n}'}}",
        """
        for: '${duration(event.properties.n > 0 ? "1h" : "2h")}'
        next: left
        on_error: right
        """,
        """
        until: 'event.properties.n > 0 ? event.timestamp : now'
        offset: 2h
        next: left
        on_error: right
        """,
        """
        until_local: {time: "09:00", weekdays: [mon-fri]}
        next: left
        set: {a: '${entry.properties.n}'}
        """,
        """
        until_local: {between: ["09:00", "18:00"], weekdays: [mon-fri]}
        next: left
        """,
        """
        until: 'entry.properties.n > 0 ? "2026-01-18T13:00:00Z" : user.traits.trial_end'
        follow: true
        next: left
        on_error: right
        """,
    )

    type: Literal["delay"]
    for_: SomeDuration | None = Field(default=None, alias="for")
    """How long to wait."""
    until: Moment | None = None
    """The time to wait for."""
    offset: SignedDuration | None = None
    """Added to that time."""
    until_local: UntilLocal | None = None
    """Until the next such local time of day."""
    follow: bool = False
    """Whether a change of a trait that gives the time moves it, while the instance waits."""

    @model_validator(mode="after")
    def _one_time(self) -> Self:
        ways = (self.for_, self.until, self.until_local)
        if sum(way is not None for way in ways) != 1:
            raise ValueError("a delay needs exactly one of `for`, `until` and `until_local`")
        if self.offset is not None and self.until is None:
            raise ValueError("`offset` needs `until`")
        if self.follow and not self.awaits():
            raise ValueError(
                "`follow` needs an `until` that reads a trait, or the user's time zone"
            )
        self.check_on_error("for", "until")
        return self

    def awaits(self) -> tuple[str, ...]:
        """The changes that can move the time, if it follows them."""
        if not self.follow:
            return ()
        local = self.until_local
        if local is not None and local.timezone == "user":
            return (change_of("timezone"),)
        return () if self.until is None else _traits_of(self.until)

    @property
    def compares_keys(self) -> bool:
        return False  # it awaits only changes of the user's traits

    def reads(self) -> tuple[tuple[str, ...], ...]:
        local = self.until_local
        return (USERS_ZONE,) if local is not None and local.timezone == "user" else ()

    def moved_by(self, way: Path | None) -> tuple[Mover, ...]:
        window = self.until_local is not None and self.until_local.between is not None
        return self.moved_by_time(way, at_once=window or self.can_fail)

    @property
    def can_fail(self) -> bool:
        """Whether an expression gives the length of the delay; that length may be 0, too."""
        return self.until is not None or isinstance(self.for_, str)

    def enter(self, step: Step) -> Go | Block | End:
        if isinstance(self.for_, int):
            return Block(step.now + self.for_)
        local = self.until_local
        if local is not None:
            return self._until(local.next(step.now, step.zone(local.timezone)), step)
        try:
            return self._until(self._due(step), step)
        except ExpressionFailed as error:
            return self.failed(step, error)

    def _until(self, due: int, step: Step) -> Go | Block:
        return Block(due, self.follow) if due > step.now else Go(self.next)

    def _due(self, step: Step) -> int:
        if isinstance(self.for_, str):
            return step.now + step.duration(self.for_)
        assert self.until is not None, "a delay has `for`, `until` or `until_local`"
        return _time(self.until, step.value(self.until)) + (self.offset or 0)

    def on_event(self, step: Step) -> Go | Stay | None:
        """A trait has changed. If the time can't be read any more, the old one stays.

        A late change counts from when the node was reached: what comes of it is never older.
        """
        step.catch_up()
        local = self.until_local
        try:
            if local is not None:
                due = local.next(step.now, step.zone(local.timezone))
            else:
                due = self._due(step)
        except ExpressionFailed as error:
            step.fail(error)
            return None
        if due <= step.now:
            return Go(self.next)
        if due == step.due:
            return None
        step.report("wait.rescheduled", due=format_time(due))
        return Stay(due)

    def on_timer(self, step: Step) -> Go:
        return Go(self.next)

    def lint(self, captured_read: bool) -> Iterator[LintWarning]:
        if self.follow and self.until is not None:
            # Only names that are written: the anniversary next after a change is what is meant.
            roots = {path[0] for path in compile_cel(self.until).offsets}
            for root, stays in (("event", "entry"), ("now", "entry.timestamp")):
                if root in roots:
                    why = f"a change evaluates it again, and '{root}' is that of the change"
                    yield LintWarning(("until",), f"{why}: expected '{stays}', which stays")
                    break

    def explain(self, outcome: str, detail: Mapping[str, Any]) -> str:
        if outcome == "wait.started" and self.follow:
            return "moved by " + " or ".join(map(signal_in_words, self.awaits()))
        return "a trait has changed" if outcome == "wait.rescheduled" else ""


def _traits_of(expression: str) -> tuple[str, ...]:
    """The signals of the traits that an expression reads; none if it has a mistake."""
    try:
        paths = compile_cel(expression).paths
    except ValueError:  # reported by the check of expressions
        return (ANY_CHANGE,)
    read = sorted(path for path in paths if path[:1] == ("user",) and path[1:2] != ("id",))
    return tuple(
        dict.fromkeys(change_of(path[2]) if len(path) > 2 else ANY_CHANGE for path in read)
    )


def _time(expression: str, value: object) -> int:
    """The value of `until` as ms: ISO 8601 text, which timestamps also are."""
    expected = "expected a timestamp, or ISO 8601 text with a zone"
    if isinstance(value, str):
        try:
            return parse_time(value)
        except ValueError as error:
            raise ExpressionFailed(expression, f"{str(error)[:200]}, {expected}") from None
    if isinstance(value, int | float) and not isinstance(value, bool):
        expected = "expected a time: write seconds(x) or ms(x), which say what the number counts"
    raise ExpressionFailed(expression, f"found {shown(value)}, {expected}")
