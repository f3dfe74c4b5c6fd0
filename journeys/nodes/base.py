"""The base of all node types: a pydantic model of what the user writes, and the methods that the
engine calls.

Law: a node has no side effects. It reads the step it is given, records effects on it and returns
where the instance goes. So a node type is one file, and no other code depends on a node's type.
"""

import re
from collections.abc import Collection, Iterator, Mapping
from datetime import tzinfo
from typing import Annotated, Any, ClassVar, Literal, NamedTuple, Protocol

import msgspec
from pydantic import StringConstraints

from journeys.expressions.expression import ExpressionFailed
from journeys.expressions.values import plain_text
from journeys.problems import shown
from journeys.records.action import TriggerCall
from journeys.records.outcome import OutcomeType
from journeys.records.response import Response
from journeys.schema.fields import Data, Expected, Model, NodeName, Slug
from journeys.schema.marks import NextNode, Path, Refers, marked

Next = Annotated[NodeName, NextNode(), Expected("the name of a node")]
DestinationName = Annotated[Slug, Refers("Destination"), Expected("the name of a destination")]
JourneyName = Annotated[Slug, Refers("Journey"), Expected("the name of a journey")]


def _like_label(text: str) -> str | None:
    label = re.sub(r"\W+", "_", text, flags=re.ASCII)[:62]
    if not label.strip("_"):
        return None
    return f"_{label}" if label[:1].isdigit() else label


Label = Annotated[
    str,
    StringConstraints(pattern=r"^[A-Za-z_][A-Za-z0-9_]{0,62}$"),
    Expected("a label of letters, digits and '_', at most 63, the first not a digit", _like_label),
]
Labels = dict[Label, Data]
Mover = Literal["here", "event", "apart"]
"""What can move an instance on: the step in which it arrived, an awaited event, or a later step
without an event, such as a timer's."""


class LintWarning(NamedTuple):
    """Something in a node that is valid but probably a mistake: where, and why."""

    path: Path
    message: str


class Target(NamedTuple):
    """A node that can follow this one, and the path of the field that names it."""

    path: Path
    node: str


class Go(msgspec.Struct, frozen=True):
    """The instance continues at a node (None: past the last one, where the journey ends)."""

    to: str | None
    set: Labels | None = None


class Block(msgspec.Struct, frozen=True):
    """The instance waits here until an awaited event, or until `due` (ms; None: no deadline).

    Attributes:
        follows: whether a change can move `due`. Then the time of this step is kept for
            `Step.catch_up`.
    """

    due: int | None
    follows: bool = False


class Stay(msgspec.Struct, frozen=True):
    """The instance keeps waiting here, until `due` (ms) or, without it, as long as before."""

    due: int | None = None


class End(msgspec.Struct, frozen=True):
    """The instance ends."""

    reason: str


Join = Literal["all", "any", "none"]
"""When an instance with branches continues: after all of them, after the first one, or at once."""


class Fork(msgspec.Struct, frozen=True):
    """The instance stays here while branches run, each from its own node, until they join."""

    branches: dict[str, str]
    join: Join


class Step(Protocol):
    """What a node may read and record while an instance is at it."""

    @property
    def node(self) -> str: ...

    @property
    def journey(self) -> str: ...

    @property
    def user_id(self) -> str: ...

    @property
    def now(self) -> int:
        """The logical time of this step, ms."""

    @property
    def event(self) -> dict[str, Any]:
        """The current event as expressions see it (empty in a timer's step)."""

    @property
    def signals(self) -> tuple[str, ...]:
        """What the event is: its name, and the changes of traits that it made."""

    @property
    def entry(self) -> Mapping[str, Any]:
        """The event that started the instance, cut to what the journey still reads."""

    @property
    def due(self) -> int | None:
        """The deadline of the wait at this node, ms; None: it has none, or doesn't wait yet."""

    def catch_up(self) -> None:
        """Make the time at which the instance reached this node that of the step, if the event is
        older. For nodes that wait with `Block.follows`."""

    def zone(self, of: str) -> tzinfo:
        """The time zone of the `user`, of the `journey`, or with a name."""

    def holds(self, condition: str) -> bool:
        """Whether the condition is true. If it fails it is false, and the failure is reported."""

    def holds_at_change(self, condition: str) -> bool:
        """The same for the profile as it was right after the event's changes of traits."""

    def value(self, expression: str) -> Any:
        """The value of an expression; raises ExpressionFailed."""

    def render(self, data: Any) -> Any:
        """The data with its `${...}` filled in; raises ExpressionFailed."""

    def render_url(self, template: str) -> str:
        """The same for a part of a URL: the values are percent-encoded."""

    def duration(self, template: str) -> int:
        """The duration that `${CEL}` gives, ms, also 0 or less; raises ExpressionFailed."""

    def matches_key(self, expression: str | None) -> bool:
        """Whether the event has the instance's key.

        Args:
            expression: gives the event's key; None: the `key` of the journey's entry.
        """

    def claim_entry(self) -> bool:
        """Claim the event that started the instance for this node.

        Returns:
            whether no node has claimed it before, of the instance or of any of its branches.
        """

    def takes_entry(self) -> bool:
        """Whether the event enters the journey and has the instance's key; if so, it starts no
        other instance."""

    def capture(self, label: str, value: Any) -> None:
        """Store `value` as `steps.<this node>.<label>`, if a later node reads it."""

    def captured(self, label: str) -> Any:
        """What this node captured; None: nothing, or it was not kept (see `remembers`)."""

    def report(self, outcome: OutcomeType, **detail: Any) -> None:
        """Report an outcome of this node."""

    def fail(self, error: Exception) -> None:
        """Report that an expression of this node failed, and why."""

    def update_profile(self, traits: Mapping[str, Any]) -> None:
        """Merge traits into the user's profile; a change is reported."""

    def emit(self, event: str, properties: dict[str, Any]) -> bool:
        """Emit an event for the same user.

        Returns:
            whether it was emitted; both that and a refusal are reported.
        """

    def request(
        self,
        destination: str,
        *,
        action: str | None,
        event_name: str | None,
        payload: Any,
        trigger: TriggerCall | None = None,
    ) -> bool:
        """Emit an action.

        Args:
            trigger: the request, if the node waits for its response.

        Returns:
            whether it was emitted; False if the payload is too large. Both are reported.
        """


class Place(NamedTuple):
    """Where a node is.

    Attributes:
        facts: the fields of `journey` that its expressions read, for `normal_form`.
    """

    journey: str
    node: str
    facts: Mapping[str, Any]


def plain_value(step: Step, expression: str) -> str:
    """The value of an expression as text: a text, an integer in decimal, `true` or `false`.

    Raises ExpressionFailed, also where the value is none of these.
    """
    value = step.value(expression)
    text = plain_text(value)
    if text is None:
        expected = "expected a text, an integer, true or false"
        raise ExpressionFailed(expression, f"found {shown(value)}, {expected}")
    return text


class NodeModel(Model):
    """A node as the user writes it. Subclasses define `type` and override the methods they need."""

    blocking: ClassVar[bool] = False
    """Whether instances can wait here. Every cycle must contain such a node."""
    slow: ClassVar[bool] = False
    """Whether it runs in the batch lane, with a latency of minutes."""
    captures: ClassVar[frozenset[str]] = frozenset()
    """The labels that later nodes can read as `steps.<node>.<label>`."""
    stays: ClassVar[bool] = False
    """Whether events never move an instance from here. Then they have an effect as long as it is
    here: also after its deadline, if a pause has held it up."""
    remembers: ClassVar[frozenset[str]] = frozenset()
    """The labels that it captures and reads again itself while an instance waits here."""
    examples: ClassVar[tuple[str, ...]] = ()
    """YAML of the node without `type`, one text for each form of the node, for the conformance
    suite. Together they use every field that names a node (`left`, `right`) or holds an expression;
    they await the events `answer` or `other`, and wait for a few hours at most."""

    type: str
    """What the node does."""

    def awaits(self) -> Collection[str]:
        """Signals that can move an instance that waits here: names of events, and changes of
        traits (`journeys.schema.signals`)."""
        return ()

    @property
    def takes_entries(self) -> bool:
        """Whether it awaits the events that enter its journey, in addition to those it names."""
        return False

    @property
    def keyed(self) -> bool:
        """Whether events with another key than the instance's have no effect on it here."""
        return False

    @property
    def compares_keys(self) -> bool:
        """Whether it may compare the key of what it awaits with the instance's."""
        return True

    def reads(self) -> Collection[tuple[str, ...]]:
        """Paths of `entry`, `steps` and `attr` that it reads in addition to its expressions."""
        return ()

    def reads_on_entering(self) -> Collection[tuple[str, ...]]:
        """The same for paths that it reads only when an instance reaches it."""
        return ()

    def enter(self, step: Step) -> Go | Block | End | Fork:
        """Called when the instance reaches this node."""
        raise NotImplementedError

    def on_event(self, step: Step) -> Go | Stay | None:
        """Called for each awaited event while the instance waits here; None: the event has no
        effect."""
        return None

    def on_response(self, step: Step, response: Response) -> Go:
        """Called for the response to this node's request, if the instance still waits here."""
        raise NotImplementedError

    def on_timer(self, step: Step) -> Go | End:
        """Called at the due time, if the instance still waits here."""
        raise NotImplementedError

    def emits(self) -> Collection[str]:
        """Names of the events that this node can emit."""
        return ()

    def moved_by(self, way: Path | None) -> Collection[Mover]:
        """What can move an instance from here to one of the next nodes.

        The default is everything that is possible for a node of this kind.

        Args:
            way: the path of the field that names the next node; None: the node below.
        """
        both: tuple[Mover, ...] = ("here", "apart")
        return both if self.blocking else both[:1]

    def lint(self, captured_read: bool) -> Iterator[LintWarning]:
        """Warnings about this node alone.

        Args:
            captured_read: whether any expression reads what this node captures.
        """
        return iter(())

    def explain(self, outcome: str, detail: Mapping[str, Any]) -> str:
        """Why one of its outcomes happened, such as the condition that was true; may be empty."""
        return ""

    def plan_notes(self, before: "NodeModel", was: Place, now: Place) -> Iterator[str]:
        """What an edit does to users of this node that its fields don't show, in words, for `plan`.

        Args:
            before: the node that this one replaces, of the same type. Both are with their lets
                written out.
            was: where that node is.
            now: where this node is.
        """
        return iter(())

    @property
    def forks(self) -> Fork | None:
        """The branches that it starts, for which instances may wait here; they end at its `next`.
        None: it starts none."""
        return None

    @property
    def falls_through(self) -> bool:
        """Whether its own `next`, or else the node below it, can be the next node."""
        return False

    @property
    def way_on(self) -> str:
        """When its own `next`, or else the node below it, is taken, in words for a drawing; empty:
        that goes without saying."""
        return ""

    def leads_down(self, below: str) -> bool:
        """Whether a node that has no `next` continues with `below`, the node below it."""
        return True

    def targets(self) -> list[Target]:
        """Every node that this one names, in the order of the document."""
        return [Target(path, name) for path, name, _ in marked(self, NextNode)]


USERS_ZONE = ("entry", "context", "timezone")
"""The path that a node reads if it needs the user's time zone."""


class Way(Model):
    """A way to the next node, with labels for the nodes that follow it."""

    next: Next | None = None
    """The node that follows; without it, the one below."""
    set: Labels | None = None
    """Attributes for the nodes that follow, which read them as `attr.<label>`."""

    @property
    def leads(self) -> bool:
        """Whether an instance that takes it leaves the node."""
        return True


class ForwardNode(Way, NodeModel):
    """A node that has a next node. `set` is applied when instances leave, before a branch's own."""

    @property
    def falls_through(self) -> bool:
        return True


class FallibleNode(ForwardNode):
    """A node that has a next node, and another one for failures."""

    on_error: Next | None = None
    """The node that follows if it fails."""

    @property
    def can_fail(self) -> bool:
        """Whether an expression that the node needs is written in it."""
        return True

    def check_on_error(self, *fields: str) -> None:
        """Raises ValueError if there is an `on_error` although nothing can fail.

        Args:
            fields: where an expression could be written.
        """
        if self.on_error is not None and not self.can_fail:
            where = " or ".join(f"`{field}`" for field in fields)
            raise ValueError(f"`on_error` needs an expression in {where}, which can fail")

    def moved_by_time(self, way: Path | None, *, at_once: bool) -> tuple[Mover, ...]:
        """What `moved_by` returns for a node that waits for a time.

        Args:
            at_once: whether that time can be over when an instance reaches the node.
        """
        if way is not None and way[-1] == "on_error":
            return ("here",)
        return ("here", "apart") if at_once else ("apart",)

    def failed(self, step: Step, error: ExpressionFailed) -> Go | End:
        """Called when an expression fails that the node needs. The failure is reported, and the
        instance follows `on_error`, or ends if there is none."""
        step.fail(error)
        return Go(self.on_error) if self.on_error is not None else End("error")
