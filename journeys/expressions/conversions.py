"""CEL's conversions from one kind of value to another, with their costs.

Law: that of functions.py; a text that can't be converted gives NoValue.
"""

from __future__ import annotations

import re
from datetime import datetime
from typing import Any

from journeys.expressions.frame import Frame, NoValue, text_size
from journeys.expressions.operators import Function, integer
from journeys.expressions.values import (
    KINDS,
    NUMBERS,
    SECOND,
    Duration,
    Time,
    Type,
    Uint,
    duration_text,
    number_text,
    time_text,
    unfit,
)
from journeys.problems import short

_TIME = re.compile(
    r"(\d{4})-(\d\d)-(\d\d)T(\d\d):(\d\d):(\d\d)(?:\.(\d+))?(?:Z|([+-])(\d\d):?(\d\d))", re.I | re.A
)
_DURATION = re.compile(r"(\d*)(?:\.(\d*))?(h|ms|m|s|us|ns)", re.A)
_INTEGER = re.compile(r"\s*[+-]?\d+\s*", re.A)
_DOUBLE = re.compile(r"\s*[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?\s*", re.A | re.I)
_UNITS = {"h": 3_600 * SECOND, "m": 60 * SECOND, "s": SECOND, "ms": 1_000_000, "us": 1_000, "ns": 1}
_TRUTHS = {
    **dict.fromkeys(("true", "True", "TRUE", "1"), True),
    **dict.fromkeys(("false", "False", "FALSE", "0"), False),
}


def _no_form(function: str, value: str, expected: str) -> NoValue:
    return NoValue(f"{function}({short(value)!r}): expected {expected}")


def _to_int(frame: Frame, value: Any) -> int:
    kind = type(value)
    if kind is int or kind is Uint or kind is bool:
        return integer(int(value), int)
    if kind is float:
        if not -(2.0**63) <= value < 2.0**63:
            raise NoValue(f"{number_text(value)} is beyond 64 bits")
        return int(value)
    if kind is str:
        if len(value) > 64 or not _INTEGER.fullmatch(value):
            raise _no_form("int", value, "a whole number in decimal")
        return integer(int(value), int)
    if kind is Time:
        return int(value.ns // SECOND)
    raise unfit("int", value)


def _to_uint(frame: Frame, value: Any) -> int:
    kind = type(value)
    if kind is int or kind is Uint:
        return integer(int(value), Uint)
    if kind is float:
        if not 0.0 <= value < 2.0**64:
            raise NoValue(f"{number_text(value)} is negative or beyond 64 bits")
        return Uint(value)
    if kind is str:
        if len(value) > 64 or not _INTEGER.fullmatch(value) or "-" in value:
            raise _no_form("uint", value, "a whole number in decimal, not negative")
        return integer(int(value), Uint)
    raise unfit("uint", value)


def _to_double(frame: Frame, value: Any) -> float:
    kind = type(value)
    if kind in NUMBERS:
        return float(value)
    if kind is str:
        if len(value) > 1_000 or not _DOUBLE.fullmatch(value):
            raise _no_form("double", value, "a number")
        return float(value)
    raise unfit("double", value)


def _to_bool(frame: Frame, value: Any) -> bool:
    if type(value) is bool:
        return value
    if type(value) is str:
        if value not in _TRUTHS:
            raise _no_form("bool", value, "true or false")
        return _TRUTHS[value]
    raise unfit("bool", value)


def _to_bytes(frame: Frame, value: Any) -> bytes:
    if type(value) is bytes:
        return value
    if type(value) is str:
        frame.build(text_size(value))
        return value.encode()
    raise unfit("bytes", value)


def _to_string(frame: Frame, value: Any) -> str:
    kind = type(value)
    if kind is str:
        return str(value)
    if kind is bool:
        return "true" if value else "false"
    if kind is int or kind is Uint:
        return str(int(value))
    if kind is float:
        return number_text(value)
    if kind is Time:
        return time_text(value)
    if kind is Duration:
        return duration_text(value)
    if kind is bytes:
        frame.build(4 * len(value))
        try:
            return bytes(value).decode()
        except UnicodeDecodeError:
            raise NoValue("string(b'...'): expected bytes in UTF-8") from None
    raise unfit("string", value)


def _to_timestamp(frame: Frame, value: Any) -> Time:
    kind = type(value)
    if kind is Time:
        return value  # type: ignore[no-any-return]
    if kind is int:
        return Time(value * SECOND)
    if kind is not str:
        raise unfit("timestamp", value)
    found = _TIME.fullmatch(value) if len(value) <= 100 else None
    try:
        if found is None:
            raise ValueError
        year, month, day, hour, minute, second = map(int, found.groups()[:6])
        leap = second == 60
        at = datetime(year, month, day, hour, minute, 59 if leap else second)
        offset = int(found[9] or 0) * 60 + int(found[10] or 0)
        if offset >= 24 * 60 or int(found[10] or 0) > 59:
            raise ValueError
    except ValueError:
        raise _no_form("timestamp", value, "a time such as '2026-03-01T09:00:00Z'") from None
    seconds = int((at - datetime(1970, 1, 1)).total_seconds()) + leap
    seconds += 60 * (offset if found[8] == "-" else -offset)
    return Time(seconds * SECOND + int((found[7] or "0")[:9].ljust(9, "0")))


def _to_duration(frame: Frame, value: Any) -> Duration:
    if type(value) is Duration:
        return value
    if type(value) is not str:
        raise unfit("duration", value)
    rest = value[1:] if value[:1] in ("+", "-") else value
    ns, at = 0, 0
    while rest != "0" and at < len(rest):
        part = _DURATION.match(rest, at) if len(rest) <= 100 else None
        if part is None or not (part[1] or part[2]):
            break
        unit, fraction = _UNITS[part[3]], part[2] or ""
        ns += int(part[1] or 0) * unit + int(fraction or 0) * unit // 10 ** len(fraction)
        at = part.end()
    if rest != "0" and (not rest or at < len(rest)):
        raise _no_form("duration", value, "a duration such as '90s', '15m' or '1h30m'")
    return Duration(-ns if value[:1] == "-" else ns)


def _type_of(frame: Frame, value: Any) -> Type:
    return Type(KINDS[type(value)])


CONVERSIONS: dict[str, Function] = {
    "int": _to_int,
    "uint": _to_uint,
    "double": _to_double,
    "bool": _to_bool,
    "bytes": _to_bytes,
    "string": _to_string,
    "timestamp": _to_timestamp,
    "duration": _to_duration,
    "dyn": lambda _, value: value,
    "type": _type_of,
}
"""By the library's name."""
