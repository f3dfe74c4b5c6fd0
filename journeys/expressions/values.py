"""The values of expressions: their kinds, equality, order, and their forms as JSON and as text.

Law: numbers compare by their exact value, whatever their kinds. Other values of different kinds are
never equal and have no order.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from journeys.expressions.frame import ITEM, Frame, NoValue, text_size
from journeys.expressions.hints import mismatch

MAX_DEPTH = 64
"""Deepest nesting of a value that is compared or returned as a whole."""

NO_ORDER = "a macro such as map or exists needs a list: found a map, whose keys have no order"
MACRO_CONDITION = "a macro such as filter or exists needs a condition that is true or false"

SECOND = 1_000_000_000
"""In nanoseconds."""

_FIRST = -62_135_596_800 * SECOND
_END = 253_402_300_800 * SECOND
_LONGEST = 87_660_000 * 3_600 * SECOND
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class Uint(int):
    """An unsigned integer, which is a kind of its own in CEL."""

    __slots__ = ()


def plain_text(value: Any) -> str | None:
    """A key or a case as text: texts as they are, integers in decimal, `true` or `false`; None for
    all other values."""
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return str(value)
    return None


@dataclass(frozen=True, order=True, slots=True)
class Time:
    """A point in time: nanoseconds since 1970."""

    ns: int

    def __post_init__(self) -> None:
        if not _FIRST <= self.ns < _END:
            raise NoValue("a time outside the years 1 to 9999")

    def datetime(self) -> datetime:
        return _EPOCH + timedelta(microseconds=self.ns // 1_000)


@dataclass(frozen=True, order=True, slots=True)
class Duration:
    """A length of time: nanoseconds, which may be negative."""

    ns: int

    def __post_init__(self) -> None:
        if not -_LONGEST <= self.ns <= _LONGEST:
            raise NoValue("a duration of more than 10,000 years")


@dataclass(frozen=True, slots=True)
class Type:
    """The value of `type(x)`, by CEL's name of the type."""

    name: str


KINDS: dict[type, str] = {
    bool: "bool",
    int: "int",
    Uint: "uint",
    float: "double",
    str: "string",
    bytes: "bytes",
    type(None): "null_type",
    list: "list",
    tuple: "list",
    dict: "map",
    Time: "google.protobuf.Timestamp",
    Duration: "google.protobuf.Duration",
    Type: "type",
}
"""CEL's name of the kind of each value."""

NUMBERS = frozenset((int, Uint, float))
LISTS = frozenset((list, tuple))
_ORDERED = frozenset((bool, str, bytes, Time, Duration))
_WORDS = {
    "bool": "a boolean",
    "int": "an int",
    "uint": "a uint",
    "double": "a double",
    "string": "a text",
    "bytes": "bytes",
    "null_type": "null",
    "list": "a list",
    "map": "a map",
    "google.protobuf.Timestamp": "a time",
    "google.protobuf.Duration": "a duration",
    "type": "a type",
}


def kind_of(value: Any) -> str:
    """The everyday name of a value's kind, for messages."""
    return _WORDS[KINDS.get(type(value), "map")]


def unfit(operator: str, *values: Any) -> NoValue:
    """The error of an operator or function (named as it is written) that doesn't take such
    values."""
    return NoValue(mismatch(operator, ", ".join(KINDS[type(value)] for value in values)))


def fit(value: Any, frame: Frame) -> Any:
    """A value from the data as expressions see it.

    A JSON number beyond the range of a double is null.

    Raises:
        NoValue: an integer beyond 64 bits, or a text that no condition may read.
    """
    kind = type(value)
    if kind is str:
        if not value.isascii():
            frame.work(len(value))
            if not is_unicode(value):
                raise NoValue("a text that is not valid Unicode")
        if not frame.nul and "\0" in value:
            raise NoValue("a text with a NUL character")
    elif kind is int:
        if not -(2**63) <= value < 2**63:
            if abs(value) >= 2**1024:
                return None
            raise NoValue("a number beyond 64 bits: expected it as a text or with a fraction")
    elif kind is float and not math.isfinite(value):
        return None
    return value


def is_unicode(text: str) -> bool:
    """Whether the text is free of unpaired surrogates."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


PAIR = 600
"""Units of work for comparing two items."""


def equal(one: Any, other: Any, frame: Frame, depth: int = MAX_DEPTH) -> bool:
    """Whether two values are equal; raises NoValue if they are nested too deeply."""
    kind, its = type(one), type(other)
    if kind is its and kind not in (dict, list):
        if kind is str:
            frame.work(min(len(one), len(other)) >> 3)
        return bool(one == other)
    if kind in NUMBERS and its in NUMBERS:
        return bool(one == other)
    if kind in LISTS and its in LISTS:
        _go_deeper(frame, depth, len(one))
        return len(one) == len(other) and all(
            equal(left, right, frame, depth - 1) for left, right in zip(one, other, strict=True)
        )
    if kind is dict and its is dict:
        _go_deeper(frame, depth, len(one))
        return len(one) == len(other) and all(
            key in other and equal(value, other[key], frame, depth - 1)
            for key, value in one.items()
        )
    return False


def _go_deeper(frame: Frame, depth: int, items: int) -> None:
    frame.work(PAIR * (1 + items))
    if depth == 0:
        raise NoValue(f"a value of more than {MAX_DEPTH} levels")


def comparable(one: Any, other: Any, frame: Frame) -> bool:
    """Whether one of the two can be less than the other."""
    kind = type(one)
    if kind is type(other):
        if kind is str:
            frame.work(min(len(one), len(other)) >> 3)
        return kind in _ORDERED or kind in NUMBERS
    return kind in NUMBERS and type(other) in NUMBERS


_BOOL_KEYS: Mapping[bool, tuple[str]] = {True: ("true",), False: ("false",)}


def map_key(key: Any) -> Any:
    """A key as it is kept in a dict: equal for equal numbers, and never for true and 1.

    Raises:
        NoValue: the value can't be a key.
    """
    kind = type(key)
    if kind is str:
        return key
    if kind is bool:
        return _BOOL_KEYS[key]
    if kind is int or kind is Uint:
        return int(key)
    raise NoValue(f"a key of a map is {kind_of(key)}, expected text, an int, true or false")


def to_json(value: Any, frame: Frame, depth: int = MAX_DEPTH) -> Any:
    """A value as JSON: times in ISO 8601 and UTC, durations in seconds such as `90s`, the keys of
    maps in order.

    Raises:
        NoValue: it has no form as JSON, or is too large.
    """
    kind = type(value)
    if kind is bool or value is None:
        return value
    if kind is str:
        frame.build(text_size(value))
        if not value.isascii() and not is_unicode(value):
            raise NoValue("a text that is not valid Unicode")
        return value
    if kind is int or kind is Uint:
        if not -(2**63) <= value < 2**64:
            raise NoValue("a number beyond 64 bits")
        return int(value)
    if kind is float:
        if not math.isfinite(value):
            raise NoValue("the value is not a finite number")
        return value
    if kind is Time:
        return value.datetime().isoformat(timespec="milliseconds").replace("+00:00", "Z")
    if kind is Duration:
        return _seconds(value.ns)
    if kind in LISTS:
        _build(frame, depth, ITEM * len(value))
        return [to_json(item, frame, depth - 1) for item in value]
    if kind is dict:
        _build(frame, depth, 6 * ITEM * len(value))
        found = {
            _key(key, frame): to_json(item, frame, depth - 1)
            for key, item in sorted(value.items(), key=_by_key)
        }
        if len(found) != len(value):
            raise NoValue("two keys of a map are the same text")
        return found
    raise NoValue(f"the value is {kind_of(value)}, which JSON has no form for")


def _build(frame: Frame, depth: int, size: int) -> None:
    if depth == 0:
        raise NoValue(f"a value of more than {MAX_DEPTH} levels")
    frame.build(100 + size)


def _by_key(entry: tuple[Any, Any]) -> str:
    key = entry[0]
    return key[0] if type(key) is tuple else str(key)


def _key(key: Any, frame: Frame) -> str:
    text = key[0] if type(key) is tuple else str(key)
    frame.build(text_size(text))
    if not text.isascii() and not is_unicode(text):
        raise NoValue("a text that is not valid Unicode")
    return text


def _seconds(ns: int) -> str:
    """`90s`, `0.877s`: microseconds at most."""
    micros = abs(ns) // 1_000
    whole, part = divmod(micros, 1_000_000)
    fraction = f".{part:06}".rstrip("0") if part else ""
    return f"{'-' if ns < 0 and micros else ''}{whole}{fraction}s"


def number_text(value: float) -> str:
    """A double as the shortest text that parses to the same value: `120.5`, `3`."""
    return repr(value).removesuffix(".0")


def time_text(time: Time) -> str:
    """What `string` makes of a time: `2026-01-18T14:32:15.234Z`, in 0, 3, 6 or 9 digits."""
    second, part = divmod(time.ns, SECOND)
    whole = (_EPOCH + timedelta(seconds=second)).isoformat().replace("+00:00", "")
    return f"{whole}{_digits(part)}Z"


def duration_text(duration: Duration) -> str:
    """What `string` makes of a duration: `5400s`, `1.500s`."""
    whole, part = divmod(abs(duration.ns), SECOND)
    return f"{'-' if duration.ns < 0 else ''}{whole}{_digits(part)}s"


def _digits(ns: int) -> str:
    """A fraction of a second with 3, 6 or 9 digits."""
    if not ns:
        return ""
    text = f".{ns:09}"
    if ns % 1_000_000 == 0:
        return text[:4]
    return text[:7] if ns % 1_000 == 0 else text
