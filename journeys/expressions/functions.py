"""The operators and functions of CEL, and what each of them costs.

Law: a function is given values and returns a value, or raises NoValue; what it scans or builds is
counted first. Arithmetic stays within 64 bits and never mixes kinds of numbers.
"""

from __future__ import annotations

import math
import operator
import re
from collections.abc import Callable
from datetime import datetime
from decimal import Decimal
from typing import Any

from journeys.expressions.frame import ITEM, Frame, NoValue, text_size
from journeys.expressions.values import (
    KINDS,
    LISTS,
    NUMBERS,
    PAIR,
    SECOND,
    Duration,
    Time,
    Type,
    Uint,
    comparable,
    duration_text,
    equal,
    kind_of,
    map_key,
    number_text,
    time_text,
    unfit,
)
from journeys.problems import short
from journeys.zones import clock_time

Function = Callable[..., Any]
"""A function of the frame and of its arguments; that of a method is the first of them."""

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

# --- Operators -----------------------------------------------------------------------------------


def _integer(value: int, like: type) -> int:
    if like is Uint:
        if not 0 <= value < 2**64:
            raise NoValue("the result is beyond 64 bits")
        return Uint(value)
    if not -(2**63) <= value < 2**63:
        raise NoValue("the result is beyond 64 bits")
    return value


def _add(frame: Frame, one: Any, other: Any) -> Any:
    kind, its = type(one), type(other)
    if kind is its:
        if kind is str:
            frame.build(text_size(one) + text_size(other))
            return one + other
        if kind is int or kind is Uint:
            return _integer(int(one) + int(other), kind)
        if kind is float:
            return one + other
        if kind is bytes:
            frame.build(len(one) + len(other))
            return one + other
        if kind is Duration:
            return Duration(one.ns + other.ns)
    if kind in LISTS and its in LISTS:
        frame.build(ITEM * (len(one) + len(other)))
        return [*one, *other]
    if kind is Time and its is Duration:
        return Time(one.ns + other.ns)
    if kind is Duration and its is Time:
        return Time(one.ns + other.ns)
    raise unfit("+", one, other)


def _subtract(frame: Frame, one: Any, other: Any) -> Any:
    kind, its = type(one), type(other)
    if kind is its:
        if kind is int or kind is Uint:
            return _integer(int(one) - int(other), kind)
        if kind is float:
            return one - other
        if kind is Time or kind is Duration:
            return Duration(one.ns - other.ns)
    if kind is Time and its is Duration:
        return Time(one.ns - other.ns)
    raise unfit("-", one, other)


def _multiply(frame: Frame, one: Any, other: Any) -> Any:
    kind = type(one)
    if kind is type(other) and kind in NUMBERS:
        return one * other if kind is float else _integer(int(one) * int(other), kind)
    raise unfit("*", one, other)


def _divide(frame: Frame, one: Any, other: Any) -> Any:
    kind = type(one)
    if kind is not type(other) or kind not in NUMBERS:
        raise unfit("/", one, other)
    if kind is float:
        if other == 0.0:  # as IEEE 754 has it
            if one == 0.0 or math.isnan(one):
                return math.nan
            return math.copysign(math.inf, one) * math.copysign(1.0, other)
        return one / other
    if other == 0:
        raise NoValue("divided by zero")
    quotient = abs(int(one)) // abs(int(other))
    return _integer(-quotient if (one < 0) != (other < 0) else quotient, kind)


def _remainder(frame: Frame, one: Any, other: Any) -> Any:
    kind = type(one)
    if kind is not type(other) or kind is float or kind not in NUMBERS:
        raise unfit("%", one, other)
    if other == 0:
        raise NoValue("divided by zero")
    rest = abs(int(one)) % abs(int(other))
    return _integer(-rest if one < 0 else rest, kind)


def _negate(frame: Frame, value: Any) -> Any:
    kind = type(value)
    if kind is float:
        return -value
    if kind is int:
        return _integer(-value, int)
    raise unfit("-", value)


def _not(frame: Frame, value: Any) -> bool:
    if type(value) is not bool:
        raise unfit("!", value)
    return not value


def _equal(frame: Frame, one: Any, other: Any) -> bool:
    return equal(one, other, frame)


def _unequal(frame: Frame, one: Any, other: Any) -> bool:
    return not equal(one, other, frame)


def _order(sign: str, compare: Callable[[Any, Any], bool]) -> Function:
    def ordered(frame: Frame, one: Any, other: Any) -> bool:
        if not comparable(one, other, frame):
            raise unfit(sign, one, other)
        return compare(one, other)

    return ordered


def _among(frame: Frame, value: Any, container: Any) -> bool:
    kind = type(container)
    if kind in LISTS:
        frame.work(PAIR * len(container))
        return any(equal(value, one, frame) for one in container)
    if kind is dict:
        its = type(value)
        if its is float:
            return value.is_integer() and int(value) in container
        return map_key(value) in container
    raise unfit("in", value, container)


def _item(frame: Frame, container: Any, key: Any) -> Any:
    kind, its = type(container), type(key)
    if its is float and key.is_integer():
        key = int(key)
    if kind in LISTS:
        if type(key) is not int and its is not Uint:
            raise NoValue(f"the index of a list is {kind_of(key)}, expected an int")
        if not 0 <= key < len(container):
            raise NoValue(f"there is no item {int(key)} in a list of {len(container)}")
        return container[key]
    if kind is dict:
        if type(key) is not float:
            found = map_key(key)
            if found in container:
                return container[found]
        raise NoValue(f"missing key {_shown(key)}")
    raise unfit("[]", container, key)


def _shown(key: Any) -> str:
    return f'"{short(key)}"' if type(key) is str else str(key).lower()


# --- Texts ---------------------------------------------------------------------------------------


def _size(frame: Frame, value: Any) -> int:
    if type(value) in (str, bytes, dict) or type(value) in LISTS:
        return len(value)
    raise unfit("size", value)


def _contains(frame: Frame, text: Any, part: Any) -> bool:
    if type(text) is not str or type(part) is not str:
        raise unfit("contains", text, part)
    whole, small = len(text), len(part)
    # CPython searches long texts in linear time, and short ones at worst in the product.
    if whole < 2_500 or (small < 100 and whole < 30_000) or small < 6:
        frame.work(whole * small)
    else:
        frame.work(4 * (whole + small))
    return part in text


def _starts_with(frame: Frame, text: Any, part: Any) -> bool:
    if type(text) is not str or type(part) is not str:
        raise unfit("startsWith", text, part)
    frame.work(len(part) >> 3)
    return text.startswith(part)


def _ends_with(frame: Frame, text: Any, part: Any) -> bool:
    if type(text) is not str or type(part) is not str:
        raise unfit("endsWith", text, part)
    frame.work(len(part) >> 3)
    return text.endswith(part)


def _matches(frame: Frame, text: Any, expected: Any) -> bool:
    if type(text) is not str or type(expected) is not str:
        raise unfit("matches", text, expected)
    return search(frame, text, frame.pattern(expected))


def search(frame: Frame, text: str, compiled: Any) -> bool:
    """Whether a compiled regular expression is found anywhere in a text."""
    frame.work(len(text) * (4 + compiled.programsize))
    return compiled.search(text.encode()) is not None


# --- Conversions ---------------------------------------------------------------------------------


def _no_form(function: str, value: str, expected: str) -> NoValue:
    return NoValue(f"{function}({short(value)!r}): expected {expected}")


def _to_int(frame: Frame, value: Any) -> int:
    kind = type(value)
    if kind is int or kind is Uint or kind is bool:
        return _integer(int(value), int)
    if kind is float:
        if not -(2.0**63) <= value < 2.0**63:
            raise NoValue(f"{number_text(value)} is beyond 64 bits")
        return int(value)
    if kind is str:
        if len(value) > 64 or not _INTEGER.fullmatch(value):
            raise _no_form("int", value, "a whole number in decimal")
        return _integer(int(value), int)
    if kind is Time:
        return int(value.ns // SECOND)
    raise unfit("int", value)


def _to_uint(frame: Frame, value: Any) -> int:
    kind = type(value)
    if kind is int or kind is Uint:
        return _integer(int(value), Uint)
    if kind is float:
        if not 0.0 <= value < 2.0**64:
            raise NoValue(f"{number_text(value)} is negative or beyond 64 bits")
        return Uint(value)
    if kind is str:
        if len(value) > 64 or not _INTEGER.fullmatch(value) or "-" in value:
            raise _no_form("uint", value, "a whole number in decimal, not negative")
        return _integer(int(value), Uint)
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


def _since_1970(name: str, unit: int) -> Function:
    """The time that is so many units of this many nanoseconds after 1970."""

    def time(frame: Frame, value: Any) -> Time:
        kind = type(value)
        if kind is int or kind is Uint:
            return Time(int(value) * unit)
        if kind is float and math.isfinite(value):
            return Time(int(Decimal(repr(value)) * unit))
        raise unfit(name, value)

    return time


def _type_of(frame: Frame, value: Any) -> Type:
    return Type(KINDS[type(value)])


# --- Parts of a time -----------------------------------------------------------------------------

_PARTS: dict[str, Callable[[datetime], int]] = {
    "getFullYear": lambda at: at.year,
    "getMonth": lambda at: at.month - 1,
    "getDate": lambda at: at.day,
    "getDayOfMonth": lambda at: at.day - 1,
    "getDayOfWeek": lambda at: at.isoweekday() % 7,
    "getDayOfYear": lambda at: at.timetuple().tm_yday - 1,
    "getHours": lambda at: at.hour,
    "getMinutes": lambda at: at.minute,
    "getSeconds": lambda at: at.second,
    "getMilliseconds": lambda at: at.microsecond // 1_000,
}
_LENGTHS = {
    "getHours": _UNITS["h"],
    "getMinutes": _UNITS["m"],
    "getSeconds": SECOND,
    "getMilliseconds": 1_000_000,
}


def _part(name: str) -> Function:
    read, unit = _PARTS[name], _LENGTHS.get(name)

    def part(frame: Frame, value: Any, zone: Any = None) -> int:
        if type(value) is Duration and unit is not None and zone is None:
            length = abs(value.ns) // unit
            if name == "getMilliseconds":
                length %= 1_000
            return -length if value.ns < 0 else length
        if type(value) is not Time or type(zone) not in (str, type(None)):
            raise unfit(name, value) if zone is None else unfit(name, value, zone)
        at = value.datetime()
        if zone is not None:
            try:
                at = clock_time(at, zone)
            except ValueError as error:
                raise NoValue(str(error)) from None
        return read(at)

    return part


FUNCTIONS: dict[str, Function] = {
    "_+_": _add,
    "_-_": _subtract,
    "_*_": _multiply,
    "_/_": _divide,
    "_%_": _remainder,
    "-_": _negate,
    "!_": _not,
    "_==_": _equal,
    "_!=_": _unequal,
    "_<_": _order("<", operator.lt),
    "_<=_": _order("<=", operator.le),
    "_>_": _order(">", operator.gt),
    "_>=_": _order(">=", operator.ge),
    "@in": _among,
    "_[_]": _item,
    "size": _size,
    "contains": _contains,
    "startsWith": _starts_with,
    "endsWith": _ends_with,
    "matches": _matches,
    "int": _to_int,
    "uint": _to_uint,
    "double": _to_double,
    "bool": _to_bool,
    "bytes": _to_bytes,
    "string": _to_string,
    "timestamp": _to_timestamp,
    "duration": _to_duration,
    "seconds": _since_1970("seconds", SECOND),
    "ms": _since_1970("ms", 1_000_000),
    "dyn": lambda _, value: value,
    "type": _type_of,
    **{name: _part(name) for name in _PARTS},
}
"""By the library's name. The operators that don't evaluate both sides are in evaluator.py."""
