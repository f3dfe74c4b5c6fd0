"""Evaluates what most expressions are, `event.properties.total >= 50`, without the CEL library.

Law: it gives exactly what the library gives, or declines. Whatever is not plain is the library's:
a field that is missing, kinds that don't compare, texts and numbers it may not take; so every error
is told in one place. A property test holds the two to each other.
"""

from __future__ import annotations

import math
import operator
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from journeys.cel_ast import COUNT, Reference, counted_variable, reference
from journeys.scope import FIELDS, ROOTS, Path, Reader, Scope
from journeys.time import LAST, format_time

_Values = list[Any]
_Term = Callable[[_Values], Any]

_EXACT = 2**53
"""Up to here the library, which compares an int with a double as doubles, is as exact as Python."""
_LARGEST = 2**63
_MISSING = object()
_ORDERS: dict[str, Callable[[Any, Any], bool]] = {
    "_<_": operator.lt,
    "_<=_": operator.le,
    "_>_": operator.gt,
    "_>=_": operator.ge,
}


class Declined(Exception):
    """Not plain enough for this data: ask the library."""


class _Unfit(Exception):
    """Not one of the simple expressions."""


def compile_direct(tree: Any, counts: Iterable[tuple[str, Reader]]) -> Reader | None:
    """A function that evaluates a checked expression, or None for one that is not simple.

    It raises Declined where only the library can tell. All that the expression names is read first,
    as the library does, so that an unfit value counts even where nothing comes of it.

    Args:
        tree: the expression as the library parsed it.
        counts: how to read the variables that stand for calls of `count`.
    """
    whole = reference(tree)
    if whole is not None and not whole.tested and _is_time(whole.path):
        return _time_reader(whole.path)
    builder = _Builder(dict(counts))
    try:
        term = builder.term(tree)
    except _Unfit:
        return None
    loads = builder.loads
    if len(loads) == 1:
        (load,) = loads
        return lambda scope: term([load(scope)])
    return lambda scope: term([load(scope) for load in loads])


class _Builder:
    """Makes terms of a tree, and of each path a function that reads it; a term knows its place."""

    def __init__(self, counts: Mapping[str, Reader]) -> None:
        self._counts = counts
        self._places: dict[Path, int] = {}
        self.loads: list[Reader] = []

    def term(self, node: Any) -> _Term:
        path = reference(node)
        if path is not None:
            return self._path(path)
        if node.HasField("const"):
            value = _constant(node.const)
            return lambda values: value
        if not node.HasField("call") or node.call.HasField("target"):
            raise _Unfit
        function, arguments = node.call.function, node.call.args
        if function == COUNT:
            variable = counted_variable(node)
            return _present(self._place((variable,), self._counts[variable]))
        if function == "@in":
            return self._among(*arguments)
        make = _CALLS.get(function)
        if make is None:
            raise _Unfit
        return make(*map(self.term, arguments))

    def _path(self, path: Reference) -> _Term:
        names = path.path
        least = 3 if names[0] == "steps" else 2
        if len(names) < least or names[0] not in ROOTS or _is_time(names):
            raise _Unfit
        place = self._place(names, _path_reader(names))
        return _tested(place) if path.tested else _present(place)

    def _place(self, path: Path, load: Reader) -> int:
        if path not in self._places:
            self._places[path] = len(self.loads)
            self.loads.append(load)
        return self._places[path]

    def _among(self, item: Any, container: Any) -> _Term:
        if not container.HasField("list"):
            raise _Unfit
        found = self.term(item)
        known = [
            _constant(one.const) if one.HasField("const") else _unfit()
            for one in container.list.elements
        ]

        def among(values: _Values) -> bool:
            value = found(values)
            return any(_equal(value, one) for one in known)

        return among


# Reading.


def _is_time(path: Path) -> bool:
    """Whether expressions see this number as a time."""
    if path[0] == "steps":
        return len(path) == 4 and path[2:] == ("event", "timestamp")
    return path == ("now",) or (path[0] in ("event", "entry") and path[1:] == ("timestamp",))


def _time_reader(path: Path) -> Reader:
    read = _follow(path)

    def time(scope: Scope) -> str:
        ms = read(scope)
        if type(ms) is not int or not 0 <= ms <= LAST:
            raise Declined
        return format_time(ms)

    return time


def _path_reader(path: Path) -> Reader:
    read = _follow(path)
    declared = path[0] in FIELDS and len(path) == 2  # a text, and never null

    def load(scope: Scope) -> Any:
        value = read(scope)
        kind = type(value)
        if kind is str:
            if "\0" not in value and (value.isascii() or _is_unicode(value)):
                return value
        elif value is _MISSING or declared:
            if value is _MISSING:
                return value
        elif (
            kind is bool
            or value is None
            or (kind is int and -_LARGEST <= value < _LARGEST)
            or (kind is float and math.isfinite(value))
        ):
            return value
        raise Declined

    return load


def _follow(path: Path) -> Reader:
    """What stands at a path; its last name may be missing."""
    root = operator.attrgetter(path[0])
    names = path[1:]

    def follow(scope: Scope) -> Any:
        value = root(scope)
        for name in names:
            if type(value) is not dict:
                raise Declined
            value = value.get(name, _MISSING)
        return value

    return follow


def _is_unicode(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


# Terms.


def _unfit() -> Any:
    raise _Unfit


def _constant(const: Any) -> Any:
    kind = const.WhichOneof("constant_kind")
    if kind == "null_value":
        return None
    value = getattr(const, kind) if kind is not None else _unfit()
    if isinstance(value, str) and "\0" in value:
        raise _Unfit
    if isinstance(value, float) and not math.isfinite(value):
        raise _Unfit
    return value


def _present(place: int) -> _Term:
    def present(values: _Values) -> Any:
        value = values[place]
        if value is _MISSING:
            raise Declined
        return value

    return present


def _tested(place: int) -> _Term:
    return lambda values: values[place] is not _MISSING


def _crosses(left: Any, right: Any) -> bool:
    """Whether one is an int and the other a double."""
    kinds = type(left), type(right)
    if kinds == (int, float):
        number = left
    elif kinds == (float, int):
        number = right
    else:
        return False
    if not -_EXACT <= number <= _EXACT:
        raise Declined
    return True


def _equal(left: Any, right: Any) -> bool:
    if type(left) is type(right) or _crosses(left, right):
        return bool(left == right)
    return False


def _equality(wanted: bool) -> Callable[[_Term, _Term], _Term]:
    def make(left: _Term, right: _Term) -> _Term:
        return lambda values: _equal(left(values), right(values)) is wanted

    return make


def _ordered(compare: Callable[[Any, Any], bool]) -> Callable[[_Term, _Term], _Term]:
    def make(left: _Term, right: _Term) -> _Term:
        def ordered(values: _Values) -> bool:
            one, other = left(values), right(values)
            kind = type(one)
            if (kind is type(other) and kind in (int, float, str)) or _crosses(one, other):
                return compare(one, other)
            raise Declined

        return ordered

    return make


def _truth(value: Any) -> bool:
    if value is True or value is False:
        return bool(value)
    raise Declined


def _until(decided: bool) -> Callable[..., _Term]:
    """`||` is decided by the first that is true, `&&` by the first that is false."""

    def make(*terms: _Term) -> _Term:
        def until(values: _Values) -> bool:
            for term in terms:
                if _truth(term(values)) is decided:
                    return decided
            return not decided

        return until

    return make


def _negation(term: _Term) -> _Term:
    return lambda values: not _truth(term(values))


def _choice(condition: _Term, yes: _Term, no: _Term) -> _Term:
    return lambda values: yes(values) if _truth(condition(values)) else no(values)


_CALLS: dict[str, Callable[..., _Term]] = {
    "_==_": _equality(True),
    "_!=_": _equality(False),
    **{name: _ordered(compare) for name, compare in _ORDERS.items()},
    "_&&_": _until(False),
    "_||_": _until(True),
    "!_": _negation,
    "_?_:_": _choice,
}
