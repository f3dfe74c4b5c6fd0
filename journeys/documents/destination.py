"""kind: Destination: where actions go."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from journeys.schema.fields import (
    DataText,
    Duration,
    Expected,
    HeaderText,
    Method,
    Model,
    Slug,
)
from journeys.time import DAY, MINUTE, SECOND

HeaderName = Annotated[
    str,
    Field(pattern=r"^[A-Za-z0-9!#$%&'*+.^_`|~-]+$", max_length=256),
    Expected("the name of a header: letters, digits and signs such as '-'"),
]


class Retry(Model):
    """How long and how often a failed delivery is tried again (ms)."""

    for_: Duration = Field(default=DAY, alias="for")
    first: Duration = SECOND
    max_delay: Duration = 10 * MINUTE


class RateLimit(Model):
    """How many requests a destination takes in a time (ms); what is over it waits."""

    requests: Annotated[int, Field(ge=1, le=1_000_000)]
    per: Duration = SECOND


class Destination(Model):
    """Where actions go: an HTTP endpoint."""

    kind: Literal["Destination"]
    name: Slug
    description: str | None = None
    type: Literal["http"]
    url: DataText
    method: Method = "POST"
    headers: dict[HeaderName, HeaderText] = Field(default_factory=dict)
    timeout: Duration = 10 * SECOND
    retry: Retry = Retry()
    rate_limit: RateLimit | None = None
    envelope: bool = False
    ordered: bool = False
    status: Literal["running", "archived"] = "running"
