"""The types of the fields of documents: names, durations, times, conditions, data and so on.

Law: the type of a field fully describes its content, so checks and engine treat every condition,
value and duration alike, and a node type needs no checking code of its own.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainSerializer,
    SerializationInfo,
    StringConstraints,
    WithJsonSchema,
)

from journeys.expressions.interpolation import UnclosedError, pieces
from journeys.records.response import PATH_PATTERN
from journeys.time import SECOND, format_duration, like_duration, parse_duration
from journeys.zones import WEEKDAYS, ZONES, zone_name

NAME_PATTERN = r"[a-z0-9][a-z0-9_-]{0,62}"


class Model(BaseModel):
    """A part of a document: frozen, no unknown keys, no type coercion."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", strict=True, validate_by_name=True, validate_by_alias=True
    )


_AS_WRITTEN = object()


def as_written(part: BaseModel) -> dict[str, Any]:
    """A part of a document as its author would write it, without defaults."""
    found: dict[str, Any] = part.model_dump(
        mode="json", by_alias=True, exclude_defaults=True, context={_AS_WRITTEN: True}
    )
    return found


def _text(text: Callable[[int], str]) -> PlainSerializer:
    """Serializes a number as the text that documents use, in `as_written` only.

    Args:
        text: formats the number.
    """

    def serialize(value: int | str, info: SerializationInfo) -> int | str:
        if isinstance(value, int) and info.context and _AS_WRITTEN in info.context:
            return text(value)
        return value

    return PlainSerializer(serialize)


@dataclass(frozen=True, slots=True)
class Holds:
    """Marks a field that holds expressions.

    Attributes:
        kind: `condition` and `value` are CEL; `data` is data with `${CEL}` inside; `duration` is a
            duration written out, or `${CEL}` that gives one.
        env: whether `${env.NAME}` is allowed (headers of destinations).
        literals: words that are not parsed as CEL, such as `none`.
        types: the CEL types that a value may have; empty: any. It is checked when the document is
            validated, as far as the type is known then.
    """

    kind: Literal["condition", "value", "data", "duration"]
    env: bool = False
    literals: frozenset[str] = frozenset()
    types: tuple[str, ...] = ()

    @property
    def whole(self) -> bool:
        """Whether the whole text is CEL, without `${...}`."""
        return self.kind in ("condition", "value")

    def __get_pydantic_json_schema__(self, core: Any, handler: Any) -> dict[str, Any]:
        schema: dict[str, Any] = handler(core)
        if self.kind == "data":
            inside = "`${CEL}` and `${env.NAME}`" if self.env else "`${CEL}`"
            schema["description"] = f"data with {inside} inside its texts"
        return schema


@dataclass(frozen=True, slots=True)
class Expected:
    """Marks a field with the text that messages and JSON Schemas use for what is expected.

    Attributes:
        guess: turns an invalid text into the valid one that was most likely meant, or None.
    """

    text: str
    guess: Callable[[str], str | None] | None = None

    def __get_pydantic_json_schema__(self, core: Any, handler: Any) -> dict[str, Any]:
        schema: dict[str, Any] = handler(core)
        return {**schema, "description": self.text}


@dataclass(frozen=True, slots=True)
class Among:
    """Marks a text with its allowed words; messages suggest the nearest but don't list them."""

    words: frozenset[str]


DURATION = "a duration such as 90s, 15m, 1h, 2d, 1w or P1DT2H"
SIGNED_DURATION = "a duration such as 1h, or -1h for before"
TIME_OF_DAY = "a time of day such as '09:00' or '23:59:59'"
DAYS = "mon, tue, wed, thu, fri, sat, sun or a range of them such as mon-fri"
ZONE = "the name of a time zone such as Europe/Berlin, or UTC"
PATH = "a path that begins with '/', such as /users/${user.id}, without white space and '#'"
NAME = "a name of a-z, 0-9, '_' and '-', at most 63 characters, the first a letter or digit"


def _duration(value: object) -> int:
    ms = 0
    if isinstance(value, str):
        with suppress(ValueError):
            ms = parse_duration(value)
    if ms <= 0:
        raise ValueError(f"expected {DURATION}")
    return ms


def _some_duration(value: object) -> int | str:
    if isinstance(value, str) and "${" in value:
        return value  # for the check of expressions
    return _duration(value)


def _signed_duration(value: object) -> int:
    with suppress(ValueError):
        if isinstance(value, str):
            before = value.startswith("-")
            return parse_duration(value.removeprefix("-")) * (-1 if before else 1)
    raise ValueError(f"expected {SIGNED_DURATION}")


def _time_of_day(value: object) -> int:
    if not isinstance(value, str) or not re.fullmatch(r"[0-9]{2}(:[0-9]{2}){1,2}", value):
        raise ValueError(f"expected {TIME_OF_DAY}")
    hours, minutes, seconds = (int(part) for part in f"{value}:00".split(":")[:3])
    if hours > 23 or minutes > 59 or seconds > 59:
        raise ValueError(f"expected {TIME_OF_DAY}")
    return ((hours * 60 + minutes) * 60 + seconds) * 1_000


def _like_time_of_day(text: str) -> str | None:
    found = re.fullmatch(r"(\d{1,2})[:.](\d\d)", text)
    return f"{int(found[1]):02}:{found[2]}" if found and int(found[1]) < 24 else None


def _clock(ms: int) -> str:
    minutes, seconds = divmod(ms // SECOND, 60)
    shown = f"{minutes // 60:02}:{minutes % 60:02}"
    return f"{shown}:{seconds:02}" if seconds else shown


def _signed(ms: int) -> str:
    return f"-{format_duration(-ms)}" if ms < 0 else format_duration(ms)


def _pattern(pattern: str) -> WithJsonSchema:
    return WithJsonSchema({"type": "string", "pattern": f"^{pattern}$"})


_LENGTH = r"([0-9]+(ms|s|m|h|d|w)|P.+)"


def _days(value: str) -> str:
    first, dash, last = value.partition("-")
    if first not in WEEKDAYS or (dash and last not in WEEKDAYS):
        raise ValueError(f"expected {DAYS}")
    return value


def _weekdays(written: list[str]) -> list[str]:
    """Expand days and ranges to a sorted list of days without duplicates."""
    named = set()
    for days in written:
        first, _, last = days.partition("-")
        start = WEEKDAYS.index(first)
        length = (WEEKDAYS.index(last or first) - start) % 7 + 1
        named |= {(start + more) % 7 for more in range(length)}
    return [WEEKDAYS[day] for day in sorted(named)]


def _zone(value: str) -> str:
    name = zone_name(value)
    if name is None:
        raise ValueError(f"expected {ZONE}")
    return name


def _some_zone(value: str) -> str:
    return value if value in ("user", "journey") else _zone(value)


def _path(value: str) -> str:
    with suppress(UnclosedError):  # reported by the check of expressions
        literal = "".join(part for part in pieces(value) if isinstance(part, str))
        if not value.startswith("/") or re.search(r"[\s\x00-\x1f\x7f#\\]", literal):
            raise ValueError(f"expected {PATH}")
    return value


def _like_name(text: str) -> str | None:
    name = re.sub(r"[^a-z0-9_]+", "-", text.lower()).strip("-_")[:63]
    return name or None


def _slug(value: str) -> str:
    if not re.fullmatch(NAME_PATTERN, value):
        raise ValueError(f"expected {NAME}")
    return value


def _like_length(text: str) -> str | None:
    """An expression without `${}`; a path alone gives a number, which needs a unit."""
    if re.fullmatch(r"(event|entry|user|steps|attr|let)\.[\w.]+", text):
        return f"${{days({text})}}"
    if re.fullmatch(r"(seconds|minutes|hours|days|weeks|duration)\(.+\)", text):
        return f"${{{text}}}"
    return None


Duration = Annotated[
    int,
    BeforeValidator(_duration),
    _text(format_duration),
    _pattern(_LENGTH),
    Expected(DURATION, like_duration),
]
"""Milliseconds, more than 0; written `90s 15m 1h 2d 1w` or in ISO 8601."""

SomeDuration = Annotated[
    int | str,
    BeforeValidator(_some_duration),
    _text(format_duration),
    _pattern(rf"({_LENGTH}|\$\{{.+\}})"),
    Holds("duration", types=("duration", "string")),
    Expected(DURATION, _like_length),
    Expected(DURATION, like_duration),
]
"""As Duration, or the text `${CEL}` of an expression that gives one."""

SignedDuration = Annotated[
    int,
    BeforeValidator(_signed_duration),
    _text(_signed),
    _pattern(f"-?{_LENGTH}"),
    Expected(SIGNED_DURATION),
]
"""Milliseconds; negative if written with a `-`."""

TimeOfDay = Annotated[
    int,
    BeforeValidator(_time_of_day),
    _text(_clock),
    _pattern("[0-9]{2}(:[0-9]{2}){1,2}"),
    Expected(TIME_OF_DAY, _like_time_of_day),
]
"""Milliseconds since midnight on the clock; written `09:00` or `23:59:59`."""

Window = Annotated[list[TimeOfDay], Field(min_length=2, max_length=2)]
"""When a window opens and closes, each day; it may span midnight."""

Weekdays = Annotated[
    list[Annotated[str, AfterValidator(_days), Among(frozenset(WEEKDAYS)), Expected(DAYS)]],
    Field(min_length=1),
    AfterValidator(_weekdays),
]
"""Days of the week, Monday first; written as days and ranges, which may span Sunday."""

ZoneName = Annotated[str, AfterValidator(_zone), Among(ZONES), Expected(ZONE)]
"""The name of an IANA time zone."""

SomeZone = Annotated[
    str,
    AfterValidator(_some_zone),
    Among(ZONES | {"user", "journey"}),
    Expected(f"'user', 'journey' or {ZONE}"),
]
"""The name of an IANA time zone, or `user` or `journey` for their zones."""

Slug = Annotated[str, AfterValidator(_slug), _pattern(NAME_PATTERN), Expected(NAME, _like_name)]
"""A name of a document."""

NodeName = Annotated[str, AfterValidator(_slug), _pattern(NAME_PATTERN), Expected(NAME, _like_name)]
"""The name of a node."""

EVENT_NAME = Expected("an event's name, as text")

EventName = Annotated[str, StringConstraints(min_length=1, max_length=256), EVENT_NAME]
"""The name of an event, as producers send it; any text."""

TRAIT_NAME = Expected("the name of a trait, as text")

TraitName = Annotated[str, StringConstraints(min_length=1, max_length=256), TRAIT_NAME]
"""The name of a trait of the profile; any text."""

PropertyName = Annotated[
    str, StringConstraints(min_length=1, max_length=256), Expected("a property's name, as text")
]
"""The name of a property of an event; any text."""

ShortText = Annotated[str, StringConstraints(min_length=1, max_length=256)]
"""A short free text."""

Case = Annotated[
    str,
    StringConstraints(min_length=1, max_length=1_024),
    Expected("a value as text: a text, an integer in decimal, 'true' or 'false'"),
]
"""A value that an expression may have, as text."""

Condition = Annotated[str, Holds("condition"), Expected("CEL that is true or false")]
"""CEL that is true or false."""

Value = Annotated[str, Holds("value", types=("string", "int", "uint", "bool")), Expected("CEL")]
"""CEL that gives a key: text, an integer, true or false."""

Moment = Annotated[
    str,
    Holds("value", types=("timestamp", "string")),
    Expected("CEL that gives a time, such as timestamp('2026-03-01T09:00:00Z')"),
]
"""CEL that gives a time: a timestamp, or ISO 8601 with a zone as text."""

Match = Annotated[str, Holds("value", literals=frozenset({"none"})), Expected("CEL or 'none'")]
"""CEL that gives the key of an awaited event, or `none`."""

LetText = Annotated[str, Expected("CEL")]
"""CEL that other expressions read by its name. It is not evaluated where it stands, so it isn't
marked as a field that holds an expression."""

Data = Annotated[Any, Holds("data")]
"""Any JSON value, with `${CEL}` inside its texts."""

DataText = Annotated[str, Holds("data")]
"""Text with `${CEL}` inside."""

UrlPath = Annotated[
    str,
    Holds("data"),
    StringConstraints(max_length=2_048),
    AfterValidator(_path),
    Expected(PATH),
]
"""A path that is appended to a destination's URL: text with `${CEL}` inside."""

Method = Literal["POST", "PUT", "PATCH", "GET", "DELETE"]
"""An HTTP method."""

ResponsePath = Annotated[
    str,
    StringConstraints(pattern=f"^{PATH_PATTERN}$", max_length=512),
    Expected("status_code, body, payload.<name> or headers.<name>"),
]
"""The path of the response part that a label gets."""

HeaderText = Annotated[str, Holds("data", env=True)]
"""Text with `${CEL}` and `${env.NAME}` inside."""

Weight = Annotated[float, Field(allow_inf_nan=False)]
