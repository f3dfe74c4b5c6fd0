"""Canned responses to trigger requests, for backtests, simulations and journey tests.

Law: no destination is called. The first canned response that matches a request answers it; a
request without a match gets no response and times out.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Sequence
from itertools import count
from typing import Annotated, Any, Self

from msgspec import UNSET, json
from pydantic import Field, StringConstraints, model_validator

from journeys.problems import Problem
from journeys.records import response as responses
from journeys.records.action import Action
from journeys.records.input import Input
from journeys.records.response import Response, extract
from journeys.schema.fields import NAME_PATTERN, Duration, Expected, Model, ShortText, Slug
from journeys.schema.findings import Findings
from journeys.schema.validate import validate
from journeys.schema.yaml_source import load
from journeys.time import parse_time

TOPIC = "responses"
"""The topic that causes of outcomes show for canned responses."""

Place = Annotated[
    str,
    StringConstraints(pattern=rf"^{NAME_PATTERN}/{NAME_PATTERN}$"),
    Expected("a journey and a node, as in abandoned-checkout/score"),
]


class Canned(Model):
    """A response and the requests that it answers; fields that are not given match any request."""

    node: Place | None = None
    """Answers only requests of this node, journey/node."""
    destination: Slug | None = None
    """Answers only requests to this destination."""
    user: ShortText | None = None
    """Answers only requests for this user."""
    after: Duration | None = None
    """How long the response takes."""
    status_code: Annotated[int, Field(ge=100, le=599)] = 200
    """The status of the response."""
    headers: dict[str, str] = Field(default_factory=dict)
    """Headers by name."""
    payload: Any = None
    """The JSON body."""
    body: str | None = None
    """The body as text."""

    @model_validator(mode="after")
    def _one_body(self) -> Self:
        if self.payload is not None and self.body is not None:
            raise ValueError("a response has either `payload` or `body`, and not both")
        return self

    def matches(self, action: Action) -> bool:
        """Whether this response answers the request of an action."""
        return (
            self.node in (None, action.send_key)
            and self.destination in (None, action.destination)
            and self.user in (None, action.user_id)
        )


class CannedResponses(Model):
    """A file of responses."""

    responses: list[Canned]
    """The responses to triggers; the first that matches is used."""


def read_responses(text: str | bytes, file: str) -> list[Canned] | list[Problem]:
    """Parse a file of responses; returns its problems if it has any."""
    source, problems = load(text, file)
    if source is None or problems:
        return problems
    findings = Findings(source, source.documents[0])
    if not isinstance(findings.root.value, dict):
        expected = "a mapping with 'responses'"
        findings.at(findings.root, f"expected {expected}", expected=expected)
        return findings.problems
    found = validate(CannedResponses, findings)
    return found.responses if isinstance(found, CannedResponses) else findings.problems


class CannedResponseQueue:
    """The pending responses of one simulation, in the order in which they arrive."""

    def __init__(self, canned: Iterable[Canned]) -> None:
        self._canned = tuple(canned)
        self._numbers = count()
        self._coming: list[tuple[int, int, bytes]] = []

    def ask(self, actions: Sequence[Action]) -> None:
        """Schedule the responses to the requests among some actions."""
        for action in actions:
            if action.trigger is UNSET:
                continue
            one = next((one for one in self._canned if one.matches(action)), None)
            if one is not None:
                at = parse_time(action.at) + (one.after or 0)
                heapq.heappush(self._coming, (at, next(self._numbers), _answer(one, action)))

    def next_due(self) -> int | None:
        """When the next response arrives, ms."""
        return self._coming[0][0] if self._coming else None

    def pop(self) -> Input:
        """Remove the next response and return it as the input that carries it."""
        at, number, value = heapq.heappop(self._coming)
        return Input(TOPIC, 0, number, None, value, at, "response")


def _answer(one: Canned, action: Action) -> bytes:
    assert action.trigger is not UNSET
    ok = 200 <= one.status_code < 300
    body = one.body if one.body is not None else json.encode(one.payload).decode()
    labels, unread = extract(action.trigger.response, one.status_code, one.headers, body)
    return responses.encode(
        Response(
            action.action_id,
            action.user_id,
            action.instance,
            ok,
            labels,
            one.status_code,
            None if ok else f"the destination answered {one.status_code}",
            unread,
        )
    )
