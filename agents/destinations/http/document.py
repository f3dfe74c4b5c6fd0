"""The fields of a Destination of type http, and how they are checked."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from journeys.checks.requests import check_headers, check_url, lint_headers
from journeys.documents.destination import Destination, HeaderName
from journeys.documents.kind import CheckContext
from journeys.schema.fields import DataText, HeaderText, Method


class HttpDestination(Destination):
    """Where actions go: an HTTP endpoint."""

    type: Literal["http"]
    url: DataText
    """Where requests go."""
    method: Method = "POST"
    """The method of the HTTP request."""
    headers: dict[HeaderName, HeaderText] = Field(default_factory=dict)
    """Headers of every request; `${env.NAME}` reads a secret."""
    envelope: bool = False
    """Send the whole action record instead of the payload."""

    @classmethod
    def check(cls, context: CheckContext) -> None:
        check_url(context.findings, "url")
        check_headers(context.findings, "headers")

    @classmethod
    def lint(cls, context: CheckContext) -> None:
        lint_headers(context.findings, "headers")
