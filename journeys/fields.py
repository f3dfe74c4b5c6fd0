"""The types of the fields of documents.

Law: a field says by its type alone what it holds, so that the checks and the engine treat every
condition, value, piece of data and duration alike and a node needs no checking code of its own.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, StringConstraints
from pydantic_core import PydanticCustomError

from journeys.time import parse_duration

NAME_PATTERN = r"[a-z0-9][a-z0-9_-]{0,62}"


class Model(BaseModel):
    """A part of a document: frozen, no unknown keys, no type coercion."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", strict=True, validate_by_name=True, validate_by_alias=True
    )


@dataclass(frozen=True, slots=True)
class Holds:
    """Marks a field that holds expressions.

    Attributes:
        kind: `condition` and `value` are CEL; `data` is data with `${CEL}` inside.
        env: whether `${env.NAME}` may be used (headers of destinations).
        literals: words that are not CEL there, such as `none`.
    """

    kind: Literal["condition", "value", "data"]
    env: bool = False
    literals: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Named:
    """Marks a field that holds a name; `what` is how a message calls it."""

    what: str


def _duration(value: object) -> int:
    expected = "a duration such as 90s, 15m, 1h, 2d, 1w or P1DT2H"
    if not isinstance(value, str):
        raise PydanticCustomError("expected", "{expected}", {"expected": expected})
    try:
        ms = parse_duration(value)
    except ValueError:
        ms = 0
    if ms <= 0:
        raise PydanticCustomError("expected", "{expected}", {"expected": expected})
    return ms


def _slug(value: object) -> object:
    if not isinstance(value, str) or not re.fullmatch(NAME_PATTERN, value):
        raise PydanticCustomError(
            "expected",
            "{expected}",
            {"expected": "a name of a-z, 0-9, '_' and '-', at most 63, not starting with a sign"},
        )
    return value


Duration = Annotated[int, BeforeValidator(_duration)]
"""Milliseconds; written `90s 15m 1h 2d 1w` or in ISO 8601; more than nothing."""

Slug = Annotated[str, BeforeValidator(_slug)]
"""A name of a document."""

NodeName = Annotated[str, BeforeValidator(_slug), Named("node")]
"""The name of a node; where it is a value, of a node of the same journey."""

EventName = Annotated[str, StringConstraints(min_length=1, max_length=256), Named("event")]
"""The name of an event, as producers write it; any text."""

Condition = Annotated[str, Holds("condition")]
"""CEL that is true or false."""

Value = Annotated[str, Holds("value")]
"""CEL of any type."""

Match = Annotated[str, Holds("value", literals=frozenset({"none"}))]
"""CEL that an awaited event's key is compared with, or `none`."""

Data = Annotated[Any, Holds("data")]
"""Anything JSON has, with `${CEL}` inside its texts."""

DataText = Annotated[str, Holds("data")]
"""Text with `${CEL}` inside."""

HeaderText = Annotated[str, Holds("data", env=True)]
"""Text with `${CEL}` and `${env.NAME}` inside."""

Weight = Annotated[float, Field(allow_inf_nan=False)]
