"""The types of the fields of documents.

Law: a field says by its type alone what it holds, so that the checks and the engine treat every
condition, value, piece of data and duration alike and a node needs no checking code of its own.
"""

from __future__ import annotations

import re
from contextlib import suppress
from dataclasses import dataclass
from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    StringConstraints,
)

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
class Expected:
    """Marks a field with what a message says is expected there."""

    text: str


DURATION = "a duration such as 90s, 15m, 1h, 2d, 1w or P1DT2H"
NAME = "a name of a-z, 0-9, '_' and '-', at most 63 characters, the first a letter or digit"


def _duration(value: object) -> int:
    ms = 0
    if isinstance(value, str):
        with suppress(ValueError):
            ms = parse_duration(value)
    if ms <= 0:
        raise ValueError(f"expected {DURATION}")
    return ms


def _slug(value: str) -> str:
    if not re.fullmatch(NAME_PATTERN, value):
        raise ValueError(f"expected {NAME}")
    return value


Duration = Annotated[int, BeforeValidator(_duration), Expected(DURATION)]
"""Milliseconds; written `90s 15m 1h 2d 1w` or in ISO 8601; more than nothing."""

Slug = Annotated[str, AfterValidator(_slug), Expected(NAME)]
"""A name of a document."""

NodeName = Annotated[str, AfterValidator(_slug), Expected(NAME)]
"""The name of a node."""

EventName = Annotated[
    str, StringConstraints(min_length=1, max_length=256), Expected("an event's name, as text")
]
"""The name of an event, as producers write it; any text."""

Condition = Annotated[str, Holds("condition"), Expected("CEL that is true or false")]
"""CEL that is true or false."""

Value = Annotated[str, Holds("value"), Expected("CEL")]
"""CEL of any type."""

Match = Annotated[str, Holds("value", literals=frozenset({"none"})), Expected("CEL or 'none'")]
"""CEL that an awaited event's key is compared with, or `none`."""

Data = Annotated[Any, Holds("data")]
"""Anything JSON has, with `${CEL}` inside its texts."""

DataText = Annotated[str, Holds("data")]
"""Text with `${CEL}` inside."""

HeaderText = Annotated[str, Holds("data", env=True)]
"""Text with `${CEL}` and `${env.NAME}` inside."""

Weight = Annotated[float, Field(allow_inf_nan=False)]
