"""kind: Destination: where actions go.

Law: this file holds what all types of destinations share; each type's own fields and checks are in
the type's own file.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from types import MappingProxyType
from typing import Annotated, Any, Literal, Union, get_args

from pydantic import ConfigDict, Discriminator, Field, create_model

from journeys.documents.kind import Accepted, CheckContext, Document, Kind
from journeys.problems import nearest
from journeys.schema.fields import Duration, Expected, Model, Slug
from journeys.time import DAY, MINUTE, SECOND

HeaderName = Annotated[
    str,
    Field(pattern=r"^[A-Za-z0-9!#$%&'*+.^_`|~-]+$", max_length=256),
    Expected("the name of a header: letters, digits and signs such as '-'"),
]


class Retry(Model):
    """How long and how often a failed delivery is retried (ms)."""

    for_: Duration = Field(default=DAY, alias="for")
    """How long an action is retried, from its first attempt."""
    first: Duration = SECOND
    """The delay before the first retry."""
    max_delay: Duration = 10 * MINUTE
    """The longest delay between two attempts."""


class RateLimit(Model):
    """How many requests a destination accepts per period (ms); requests over the limit wait."""

    requests: Annotated[int, Field(ge=1, le=1_000_000)]
    """The maximum number of requests per period."""
    per: Duration = SECOND
    """The length of the period."""


class Destination(Document):
    """Where actions go. Subclasses, one for each type, define `type` and their fields."""

    kind: Literal["Destination"]
    name: Slug
    type: str
    """How actions are delivered."""
    timeout: Duration = 10 * SECOND
    """How long the answer to one attempt may take."""
    retry: Retry = Retry()
    """How failed deliveries are retried."""
    rate_limit: RateLimit | None = None
    """The maximum rate of requests; requests over it are delayed."""
    ordered: bool = False
    """Deliver a user's actions one after another, in order."""
    status: Literal["running", "archived"] = "running"
    """Whether the destination is in use."""

    @classmethod
    def check(cls, context: CheckContext) -> None:
        """Adds the problems of the type's own fields beyond their types."""

    @classmethod
    def lint(cls, context: CheckContext) -> None:
        """Adds warnings about the type's own fields, in a document without mistakes."""


def type_of(model: type[Destination]) -> str:
    """The word that documents of a type write as `type`."""
    (word,) = get_args(model.model_fields["type"].annotation)
    return str(word)


class DestinationKind(Kind):
    names = MappingProxyType({"user": ("id",), "journey": ("name", "version", "instance", "key")})
    most_new = 100  # each has two topics, with as many partitions as the events
    most = 1_000

    def __init__(self, types: Sequence[type[Destination]], examples: Sequence[str] = ()) -> None:
        """types: the model of each type of destination that the program has."""
        super().__init__(Destination, examples)
        self._types = {type_of(model): model for model in types}

    @property
    def types(self) -> Sequence[type[Destination]]:
        return tuple(self._types.values())

    @property
    def annotation(self) -> Any:
        if len(self._types) == 1:
            return self.types[0]
        return Annotated[Union[self.types], Discriminator("type")]  # noqa: UP007

    def model_of(self, type: Any) -> type[Document]:
        if type in self._types:
            return self._types[type]
        near = nearest(type, self._types) if isinstance(type, str) else None
        if near is not None or len(self._types) == 1:
            return self._types[near or next(iter(self._types))]
        return self._of_no_type

    @cached_property
    def _of_no_type(self) -> type[Document]:
        """The model for an unknown type: only the fields that all types share are checked."""
        one_of: Any = Literal[tuple(self._types)]
        return create_model("Destination", __base__=_AnyDestination, type=(one_of, ...))

    def decode(self, document: Any) -> Any:
        if document.get("type") not in self._types:
            raise ValueError(f"no type of destination is called {document.get('type')!r}")
        return super().decode(document)

    def check(self, context: CheckContext, model: Any) -> None:
        super().check(context, model)
        model.check(context)

    def lint(self, context: CheckContext, document: Any) -> None:
        document.lint(context)
        super().lint(context, document)

    def delivered_for(self, catalog: Accepted, name: str) -> int:
        retried: int = catalog.documents[self.name][name].retry.for_
        return retried


class _AnyDestination(Destination):
    model_config = ConfigDict(extra="ignore")
