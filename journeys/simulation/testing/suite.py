"""The format of journey tests: a user, events with times, and what is expected.

Law: the models here are the only description of the format. A mistake in a file of tests is
reported like one in a document, with its position and the nearest valid word.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, Discriminator, Field, StringConstraints, Tag

from journeys.expressions.values import plain_text
from journeys.problems import Problem
from journeys.schema.fields import EventName, Expected, Method, Model, NodeName, Slug
from journeys.schema.findings import Findings
from journeys.schema.marks import Path
from journeys.schema.validate import validate
from journeys.schema.yaml_source import load
from journeys.simulation.canned_responses import Canned
from journeys.simulation.scenario import MOMENT, parse_moment

START = "2026-01-01T00:00:00Z"


def _moment(value: str) -> str:
    try:
        parse_moment(value, 0)
    except ValueError:
        raise ValueError(f"expected {MOMENT}") from None
    return value


def _is_mapping(value: Any) -> str:
    return "one" if isinstance(value, dict | BaseModel) else "other"


Moment = Annotated[str, AfterValidator(_moment), Expected(MOMENT)]
Text = Annotated[str, StringConstraints(min_length=1, max_length=1_024)]


class Given(Model):
    """An event that the user sends; without `at`, at the time of the previous event."""

    at: Moment | None = None
    """When."""
    event: EventName | None = None
    """The event's name, as producers send it."""
    type: Literal["track", "identify"] | None = None
    """`track`, or `identify`, which only changes traits."""
    message_id: Text | None = Field(default=None, alias="messageId")
    """The id by which a repeated event is recognised."""
    session_id: Text | None = Field(default=None, alias="sessionId")
    """The session it belongs to."""
    received_at: Moment | None = Field(default=None, alias="receivedAt")
    """When it arrived."""
    backfill: bool | Literal["overwrite"] | None = None
    """Only change the profile and counts; start and move nothing. Traits fill only what the profile
    doesn't have, or with `overwrite` replace it."""
    properties: dict[str, Any] | None = None
    """Properties of the event."""
    context: dict[str, Any] | None = None
    """The event's context."""
    traits: dict[str, Any] | None = None
    """Traits of the user."""
    traits_once: dict[str, Any] | None = None
    """Traits that fill only what the profile doesn't have."""


class ExpectedAction(Model):
    """An expected action. Only the given fields, and the given keys of the payload, are compared.

    `exact` allows no other keys in the payload. `method` and `path` are those of a trigger's
    request.
    """

    destination: Slug | None = None
    """The Destination to which it is sent."""
    action: Text | None = None
    """What the destination is asked to do."""
    event_name: Text | None = None
    """What the action is about, for the destination."""
    node: NodeName | None = None
    """The node."""
    at: Moment | None = None
    """When."""
    method: Method | None = None
    """The method of the HTTP request."""
    path: Text | None = None
    """The path that is appended to the destination's URL."""
    payload: Any = None
    """What is sent."""
    exact: bool = False
    """Allow no other keys in the payload."""


class ExpectedOutcome(Model):
    """An expected outcome; only the given fields are compared."""

    type: Text
    """The type of the outcome."""
    node: NodeName | None = None
    """The node."""
    at: Moment | None = None
    """When."""
    detail: dict[str, Any] | None = None
    """Details, depending on the type."""


class ExpectedExit(Model):
    """An expected end of an instance; only the given fields are compared."""

    reason: Text | None = None
    """What `journey.exited` gives as the reason."""
    at: Moment | None = None
    """When."""


OutcomeLike = Annotated[
    Annotated[ExpectedOutcome, Tag("one")]
    | Annotated[Text, Tag("other"), Expected("the type of an outcome")],
    Discriminator(_is_mapping),
]
ExitLike = Annotated[
    Annotated[ExpectedExit, Tag("one")]
    | Annotated[Text, Tag("other"), Expected("the reason of an exit")],
    Discriminator(_is_mapping),
]


class Never(Model):
    """What must not have happened."""

    path: list[NodeName] | None = None
    """Nodes that must not have been reached in this order."""
    actions: list[ExpectedAction] | None = None
    """The actions."""
    outcomes: list[OutcomeLike] | None = None
    """The outcomes; others may come between."""
    exit: ExitLike | None = None
    """How the instance ended."""


class Expect(Model):
    """What is expected of all instances, or of those with the given `journey` and `key`.

    `path`, `actions` and `exit` must be complete; other outcomes may come between `outcomes`.
    """

    journey: Slug | None = None
    """The journey."""
    key: str | None = None
    """The instance's key."""
    path: list[NodeName] | None = None
    """The nodes that were reached, all of them in order."""
    waiting: NodeName | None = None
    """The node at which the instance waits in the end."""
    exit: ExitLike | None = None
    """How the instance ended."""
    actions: list[ExpectedAction] | None = None
    """The actions."""
    outcomes: list[OutcomeLike] | None = None
    """The outcomes; others may come between."""
    profile: dict[str, Any] | None = None
    """Traits of the user."""
    not_: Never | None = Field(default=None, alias="not")
    """What must not have happened."""


class Case(Model):
    """One test: a user's events and what is expected."""

    name: Text
    """What is tested."""
    user: Text | None = None
    """The user's id."""
    profile: dict[str, Any] | None = None
    """Traits of the user."""
    start: Moment | None = None
    """When it begins."""
    events: list[Given] = Field(default_factory=list)
    """What the user does, in order."""
    responses: list[Canned] = Field(default_factory=list)
    """The responses to triggers; the first that matches is used."""
    until: Literal["end"] | Moment = "end"
    """How far time continues after the events."""
    expect: Annotated[
        Annotated[Expect, Tag("one")] | Annotated[list[Expect], Field(min_length=1), Tag("other")],
        Discriminator(_is_mapping),
    ]
    """What must have happened."""


class Suite(Model):
    """One file of tests."""

    documents: list[Text] | None = Field(default=None, min_length=1)
    """The files of the journeys, relative to this one."""
    user: Text = "user-1"
    """The user's id."""
    profile: dict[str, Any] | None = None
    """Traits of the user."""
    start: Moment = START
    """When it begins."""
    responses: list[Canned] = Field(default_factory=list)
    """The responses to triggers; the first that matches is used."""
    tests: list[Case] = Field(min_length=1)
    """The tests."""


@dataclass(frozen=True, slots=True)
class SuiteFile:
    """A file of tests that can be run.

    Attributes:
        suite: the content of the file.
        findings: the source, to look up lines.
    """

    suite: Suite
    findings: Findings

    @property
    def documents(self) -> list[str]:
        """The files of the journeys, relative to this one."""
        name = PurePosixPath(self.findings.source.file).name
        stem, _, suffix = name.rpartition(".test.")
        return self.suite.documents or [f"{stem or 'journey'}.{suffix}"]

    def line(self, path: Path) -> int:
        """The line of the value at a path."""
        return self.findings.node(path).line


def read_tests(text: str | bytes, file: str) -> SuiteFile | list[Problem]:
    """Parse a file of tests; returns its problems if it has any."""
    source, problems = load(text, file)
    if source is None or problems:
        return problems
    root = source.documents[0]
    findings = Findings(source, root)
    if not isinstance(root.value, dict):
        findings.at(root, "expected a mapping with 'tests'", expected="'tests'")
    elif len(source.documents) > 1:
        findings.at(source.documents[1], "expected one document of tests in a file")
    else:
        suite = validate(Suite, findings)
        if isinstance(suite, Suite):
            return SuiteFile(suite, findings)
    return sorted(findings.problems, key=lambda one: (one.line, one.column))


def expects(case: Case, path: Path) -> Iterable[tuple[Path, Expect]]:
    """The expectations of the test at `path`, each with its path."""
    if isinstance(case.expect, list):
        return [((*path, "expect", n), one) for n, one in enumerate(case.expect)]
    return [((*path, "expect"), case.expect)]


def data_of(given: Given) -> list[Any]:
    """What an event of a test carries."""
    data = [given.event, given.session_id, given.properties, given.context, given.traits]
    return [*data, given.traits_once]


def known_keys(data: list[Any]) -> set[str]:
    """Every scalar of some data as text: what a key may be."""
    found = set()
    left = list(data)
    while left:
        value = left.pop()
        if isinstance(value, dict | list):
            left += value.values() if isinstance(value, dict) else value
        elif (key := plain_text(value)) is not None:
            found.add(key)
    return found
