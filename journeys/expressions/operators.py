"""CEL's operators on numbers, texts, lists, maps and times, with their costs.

Law: that of functions.py. Arithmetic stays within 64 bits and never mixes kinds of numbers.
"""

from __future__ import annotations

import math
import operator
from collections.abc import Callable
from typing import Any

from journeys.expressions.frame import ITEM, Frame, NoValue
from journeys.expressions.values import (
    LISTS,
    NUMBERS,
    PAIR,
    Duration,
    Time,
    Uint,
    comparable,
    equal,
    kind_of,
    map_key,
    unfit,
)
from journeys.problems import short

Function = Callable[..., Any]
"""A function of the frame and its arguments; the target of a method is its first argument."""


def integer(value: int, like: type) -> int:
    """The integer as a value of the kind `like`, int or Uint; raises NoValue beyond 64 bits."""
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
            width = 1 if one.isascii() and other.isascii() else 4  # the widest character decides
            frame.build(width * (len(one) + len(other)))
            return one + other
        if kind is int or kind is Uint:
            return integer(int(one) + int(other), kind)
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
            return integer(int(one) - int(other), kind)
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
        return one * other if kind is float else integer(int(one) * int(other), kind)
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
    return integer(-quotient if (one < 0) != (other < 0) else quotient, kind)


def _remainder(frame: Frame, one: Any, other: Any) -> Any:
    kind = type(one)
    if kind is not type(other) or kind is float or kind not in NUMBERS:
        raise unfit("%", one, other)
    if other == 0:
        raise NoValue("divided by zero")
    rest = abs(int(one)) % abs(int(other))
    return integer(-rest if one < 0 else rest, kind)


def _negate(frame: Frame, value: Any) -> Any:
    kind = type(value)
    if kind is float:
        return -value
    if kind is int:
        return integer(-value, int)
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


OPERATORS: dict[str, Function] = {
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
}
"""By the library's name. Those that don't evaluate both sides are in evaluator.py."""
