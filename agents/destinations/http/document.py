"""type: http: an endpoint that is sent one HTTP request for each action."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from agents.destinations.base import Caller, DestinationType, Example, Parts
from journeys.checks.requests import check_headers, check_url, lint_headers
from journeys.documents.destination import Destination, HeaderName
from journeys.documents.kind import CheckContext
from journeys.schema.fields import DataText, HeaderText, Method


class HttpDestination(Destination):
    """Where actions go: an HTTP endpoint."""

    type: Literal["http"]
    url: DataText
    method: Method = "POST"
    headers: dict[HeaderName, HeaderText] = Field(default_factory=dict)
    envelope: bool = False

    @classmethod
    def check(cls, context: CheckContext) -> None:
        check_url(context.findings, "url")
        check_headers(context.findings, "headers")

    @classmethod
    def lint(cls, context: CheckContext) -> None:
        lint_headers(context.findings, "headers")


def _connect(parts: Parts) -> Caller:
    from agents.destinations.http.caller import HttpCaller
    from agents.destinations.http.request import request_of

    return HttpCaller(parts, request_of)


HTTP = DestinationType(
    HttpDestination,
    _connect,
    Example({"url": "{url}/send", "headers": {"Authorization": "Bearer ${env.TOKEN}"}}),
)
