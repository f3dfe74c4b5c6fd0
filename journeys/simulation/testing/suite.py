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

from journeys.engine.instance_run import as_text
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
    event: EventName | None = None
    type: Literal["track", "identify"] | None = None
    message_id: Text | None = Field(default=None, alias="messageId")
    session_id: Text | None = Field(default=None, alias="sessionId")
    received_at: Moment | None = Field(default=None, alias="receivedAt")
    backfill: bool | None = None
    properties: dict[str, Any] | None = None
    context: dict[str, Any] | None = None
    traits: dict[str, Any] | None = None


class ExpectedAction(Model):
    """An expected action. Only the given fields, and the given keys of the payload, are compared.

    `exact` allows no other keys in the payload. `method` and `path` are those of a trigger's
    request.
    """

    destination: Slug | None = None
    action: Text | None = None
    event_name: Text | None = None
    node: NodeName | None = None
    at: Moment | None = None
    method: Method | None = None
    path: Text | None = None
    payload: Any = None
    exact: bool = False


class ExpectedOutcome(Model):
    """An expected outcome; only the given fields are compared."""

    type: Text
    node: NodeName | None = None
    at: Moment | None = None
    detail: dict[str, Any] | None = None


class ExpectedExit(Model):
    """An expected end of an instance; only the given fields are compared."""

    reason: Text | None = None
    at: Moment | None = None


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
    actions: list[ExpectedAction] | None = None
    outcomes: list[OutcomeLike] | None = None
    exit: ExitLike | None = None


class Expect(Model):
    """What is expected of all instances, or of those with the given `journey` and `key`.

    `path`, `actions` and `exit` must be complete; other outcomes may come between `outcomes`.
    """

    journey: Slug | None = None
    key: str | None = None
    path: list[NodeName] | None = None
    waiting: NodeName | None = None
    exit: ExitLike | None = None
    actions: list[ExpectedAction] | None = None
    outcomes: list[OutcomeLike] | None = None
    profile: dict[str, Any] | None = None
    not_: Never | None = Field(default=None, alias="not")


class Case(Model):
    """One test: a user's events and what is expected."""

    name: Text
    user: Text | None = None
    profile: dict[str, Any] | None = None
    start: Moment | None = None
    events: list[Given] = Field(default_factory=list)
    responses: list[Canned] = Field(default_factory=list)
    until: Literal["end"] | Moment = "end"
    expect: Annotated[
        Annotated[Expect, Tag("one")] | Annotated[list[Expect], Field(min_length=1), Tag("other")],
        Discriminator(_is_mapping),
    ]


class Suite(Model):
    """One file of tests."""

    documents: list[Text] | None = Field(default=None, min_length=1)
    user: Text = "user-1"
    profile: dict[str, Any] | None = None
    start: Moment = START
    responses: list[Canned] = Field(default_factory=list)
    tests: list[Case] = Field(min_length=1)


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
    return [given.event, given.session_id, given.properties, given.context, given.traits]


def known_keys(data: list[Any]) -> set[str]:
    """Every scalar of some data as text: what a key may be."""
    found = set()
    left = list(data)
    while left:
        value = left.pop()
        if isinstance(value, dict | list):
            left += value.values() if isinstance(value, dict) else value
        elif (key := as_text(value)) is not None:
            found.add(key)
    return found
