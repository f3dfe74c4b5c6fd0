"""What every node type is: a pydantic model of what the user writes, and the verbs the step calls.

A node never acts. It reads the step it is given, records effects on it and answers where the
instance goes; so a node type is one file, and nothing outside that file branches on its type.
"""

import re
from collections.abc import Collection, Iterator, Mapping
from typing import Annotated, Any, ClassVar, Literal, NamedTuple, Protocol
from zoneinfo import ZoneInfo

import msgspec
from pydantic import StringConstraints

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
    return f"_{label}" if label[:1].isdigit() else label or None


Label = Annotated[
    str,
    StringConstraints(pattern=r"^[A-Za-z_][A-Za-z0-9_]{0,62}$"),
    Expected("a label of letters, digits and '_', at most 63, the first not a digit", _like_label),
]
Labels = dict[Label, Data]
Mover = Literal["here", "event", "apart"]
"""What takes an instance on: the step that brought it, an awaited event, or a step without one."""


class LintWarning(NamedTuple):
    """What a node says and hardly means: where in it, and why."""

    path: Path
    message: str


class Target(NamedTuple):
    """Where a node can lead: the place in the document that says so, and the node it names."""

    path: Path
    node: str


class Go(msgspec.Struct, frozen=True):
    """The instance goes on to a node (None: past the last one, where the journey ends)."""

    to: str | None
    set: Labels | None = None


class Block(msgspec.Struct, frozen=True):
    """The instance stays here until an awaited event, or until `due` (ms; None: for ever)."""

    due: int | None


class End(msgspec.Struct, frozen=True):
    """The instance ends."""

    reason: str


class Step(Protocol):
    """What a node may read and record while an instance stands on it."""

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
        """The event that moves the instance now, as expressions see it (empty in a timer step)."""

    def zone(self, of: str) -> ZoneInfo:
        """The time zone of the `user`, of the `journey`, or of a name."""

    def holds(self, condition: str) -> bool:
        """Whether the condition is true; one that fails is false, and told."""

    def value(self, expression: str) -> Any:
        """What the expression gives; raises ExpressionFailed."""

    def render(self, data: Any) -> Any:
        """The data with its `${...}` filled in; raises ExpressionFailed."""

    def render_url(self, template: str) -> str:
        """The same for a part of a URL: what is filled in is percent-encoded."""

    def matches_key(self, expression: str | None) -> bool:
        """Whether the event carries the instance's key, by `expression` or the entry's own."""

    def capture(self, label: str, value: Any) -> None:
        """Keep `value` as `steps.<this node>.<label>`, if a later node reads it."""

    def report(self, outcome: OutcomeType, **detail: Any) -> None:
        """Write an outcome of this node."""

    def fail(self, error: Exception) -> None:
        """Write that an expression of this node failed, and why."""

    def update_profile(self, traits: Mapping[str, Any]) -> None:
        """Lay traits over the user's profile; told when that changes it."""

    def emit(self, event: str, properties: dict[str, Any]) -> bool:
        """Emit one event for the same user, told; False, also told, where that is refused."""

    def request(
        self,
        destination: str,
        *,
        action: str | None,
        event_name: str | None,
        payload: Any,
        trigger: TriggerCall | None = None,
    ) -> bool:
        """Emit one action, told; False, also told, when the payload is too large.

        Args:
            trigger: how the response that the node waits for is asked for.
        """


class NodeModel(Model):
    """A node as the user writes it. Subclasses give `type` and implement the verbs they need."""

    blocking: ClassVar[bool] = False
    """Whether an instance may stay here: a cycle must lead through such a node."""
    slow: ClassVar[bool] = False
    """Whether it runs in minutes, through the batch lane."""
    captures: ClassVar[frozenset[str]] = frozenset()
    """What later nodes can read as `steps.<node>.<label>`."""
    examples: ClassVar[tuple[str, ...]] = ()
    """For the conformance suite: YAML of its fields but `type`, one for each form that it has. They
    use all fields that lead somewhere (to `left` or `right`) or hold an expression, wait for the
    events `answer` or `other`, and no longer than for some hours."""

    def awaits(self) -> Collection[str]:
        """Names of the events that may move an instance that stays here."""
        return ()

    @property
    def keyed(self) -> bool:
        """Whether an event with another key than the instance's does nothing at all to it here."""
        return False

    def reads(self) -> Collection[tuple[str, ...]]:
        """Paths of `entry`, `steps` and `attr` that it reads besides those of its expressions."""
        return ()

    def enter(self, step: Step) -> Go | Block | End:
        """The instance arrives here."""
        raise NotImplementedError

    def on_event(self, step: Step) -> Go | None:
        """One of the awaited events came while the instance stayed here; None: it stays on."""
        return None

    def on_response(self, step: Step, response: Response) -> Go:
        """The response to the request that it made came while the instance stayed here."""
        raise NotImplementedError

    def on_timer(self, step: Step) -> Go | End:
        """The due time came while the instance stayed here."""
        raise NotImplementedError

    def emits(self) -> Collection[str]:
        """Names of the events that it sends back into the journeys."""
        return ()

    def moved_by(self, way: Path | None) -> Collection[Mover]:
        """What takes an instance from here on a way: that of a field, or (None) to the node below.

        A node that doesn't say is believed to do all it can.
        """
        both: tuple[Mover, ...] = ("here", "apart")
        return both if self.blocking else both[:1]

    def lint(self, captured_read: bool) -> Iterator[LintWarning]:
        """What `validate` warns of in this node alone.

        Args:
            captured_read: whether some expression reads what it captures.
        """
        return iter(())

    def explain(self, outcome: str, detail: Mapping[str, Any]) -> str:
        """Why one of its outcomes came about, in the words of the document; or nothing."""
        return ""

    @property
    def falls_through(self) -> bool:
        """Whether the node's own `next`, or the node below it, can be where it leads."""
        return False

    def targets(self) -> list[Target]:
        """Every node that this one names, in the order written."""
        return [Target(path, name) for path, name, _ in marked(self, NextNode)]


USERS_ZONE = ("entry", "context", "timezone")
"""What a node reads that asks for the user's zone."""


class ForwardNode(NodeModel):
    """A node that instances leave again. `set` is written as they leave, before a branch's own."""

    next: Next | None = None
    set: Labels | None = None

    @property
    def falls_through(self) -> bool:
        return True
