"""Evaluates simple expressions, such as `event.properties.total >= 50`, in one Python function.

Law: the result is exactly the evaluator's, or NeedsEvaluator is raised and evaluator.py evaluates.
That happens for a missing field, types that don't compare, long texts, and texts or numbers that
may be refused. So every error comes from the evaluator, which also counts all costly work. A
property test compares the two.

A simple expression is compiled to the source of one Python function, which takes about half the
time of nested closures. This module is the only one that calls `exec`. What may reach it:

- Text that is written in this module: keywords, operators, the names of the helpers and of the six
  built-in types that the function can use, and the argument list (one of two constants).
- Names that are generated here, `v0 v1 ...` and `count0 count1 ...`, and the attribute
  `scope.<root>`, whose root is in `ROOTS`.
- Literals of the document (names of fields, texts, numbers, true, false, null), each written by
  `repr` of a plain str, int, float or bool, so that no quote, newline or brace can end it.

The input is the library's parsed syntax tree, never the text of the expression, and any node that
is not listed in `SourceWriter.term` makes the expression not simple. Tests check the generated
source of hostile names and texts against this list.
"""

from __future__ import annotations

import math
import operator
import sys
from collections.abc import Callable, Mapping
from typing import Any

from journeys.expressions.scope import FIELDS, ROOTS, Path, Reader, Scope
from journeys.expressions.syntax import COUNT, Reference, counted_variable, reference
from journeys.expressions.values import is_unicode
from journeys.time import LAST, format_time

Prefilter = Callable[[Mapping[str, Any], Mapping[str, Any], Mapping[str, Any]], Any]
"""A condition as a function of an event's properties and context and of the user's traits."""

_LONG = 4_096
"""Longer texts are left to the evaluator, which counts what they cost."""
_LARGEST = 2**63
_MISSING = object()
_ORDERS: dict[str, tuple[str, Callable[[Any, Any], bool]]] = {
    "_<_": ("<", operator.lt),
    "_<=_": ("<=", operator.le),
    "_>_": (">", operator.gt),
    "_>=_": (">=", operator.ge),
}
_PREFILTER_ARGUMENTS: dict[Path, str] = {
    **{(root, part): part for root in ("event", "entry") for part in ("properties", "context")},
    ("user", "traits"): "traits",
}


class NeedsEvaluator(Exception):
    """The fast path can't evaluate this data: use the evaluator."""


class _NotSimple(Exception):
    """The expression is not simple enough for the fast path."""


def compile_direct(tree: Any, counts: Mapping[str, Reader]) -> Reader | None:
    """Compile an expression that the library has checked.

    The function reads and checks every path that the expression names before it evaluates.

    Args:
        tree: the expression as the library parsed it.
        counts: how to read the variables that replace calls of `count`.

    Returns:
        a function that returns the value or raises NeedsEvaluator; None if the expression is not
        simple.
    """
    whole = reference(tree)
    if whole is not None and not whole.tested and _is_time(whole.path):
        return _time_reader(whole.path)
    return SourceWriter(counts).function("scope", tree)


def compile_prefilter(tree: Any) -> Prefilter | None:
    """The same for a condition that reads only `properties` and `context` of an event, and traits.

    It is used to rule out entries before a step is prepared. The traits it is given are the user's
    before the event, so it may be used only for an event that carries none.
    """
    return SourceWriter({}, prefilter=True).function("properties, context, traits", tree)


class SourceWriter:
    """Writes the source of one function: each path is read once, into a variable.

    Args:
        counts: how to read the variables that replace calls of `count`.
        prefilter: whether the function is a prefilter, with fewer variables.
    """

    def __init__(self, counts: Mapping[str, Reader], *, prefilter: bool = False) -> None:
        self._counts = counts
        self._prefilter = prefilter
        self._lines: list[str] = []
        self._names: dict[Path, str] = {}
        self._known = dict(_HELPERS)

    def function(self, arguments: str, tree: Any) -> Callable[..., Any] | None:
        """Compile the expression to a function, or None if it is not simple."""
        source = self.source(arguments, tree)
        if source is None:
            return None
        try:
            exec(source, self._known)
        except (SyntaxError, RecursionError, MemoryError):
            return None  # nested more deeply than Python can parse
        return self._known["found"]  # type: ignore[no-any-return]

    def source(self, arguments: str, tree: Any) -> str | None:
        """The source of the function `found`, or None if the expression is not simple.

        Args:
            arguments: its argument list, a constant of this module.
        """
        try:
            value = self.term(tree)
        except _NotSimple:
            return None
        lines = "\n    ".join([*self._lines, f"return present({value})"])
        return f"def found({arguments}):\n    {lines}"

    def term(self, node: Any) -> str:
        """The source of a node's value. Only a variable can hold MISSING."""
        path = reference(node)
        if path is not None:
            return self._path(path)
        if node.HasField("const"):
            return _literal(node.const)
        if not node.HasField("call") or node.call.HasField("target"):
            raise _NotSimple
        function, arguments = node.call.function, list(node.call.args)
        if function == COUNT:
            return self._count(counted_variable(node))
        if function == "@in":
            return self._among(*arguments)
        if function in ("_==_", "_!=_"):
            return self._equal(function, *arguments)
        if function in _ORDERS:
            return self._ordered(function, *arguments)
        if function in ("_&&_", "_||_"):
            word = " and " if function == "_&&_" else " or "
            return f"({word.join(map(self._truth, arguments))})"
        if function == "!_":
            return f"(not {self._truth(*arguments)})"
        if function == "_?_:_":
            condition, yes, no = arguments
            return f"({self.term(yes)} if {self._truth(condition)} else {self.term(no)})"
        raise _NotSimple

    def _truth(self, node: Any) -> str:
        value = self.term(node)
        if _is_truth(node):
            return value
        if _is_name(value):
            return f"({value} is True or ({value} is not False and truth({value})))"
        return f"truth({value})"

    def _equal(self, function: str, left: Any, right: Any) -> str:
        one, other = self.term(left), self.term(right)
        kind = _kind(right)
        value = f"equal({one}, {other})"
        if kind is not None and _is_name(one):
            value = f"({one} == {other} if type({one}) is {kind} else {value})"
        return value if function == "_==_" else f"(not {value})"

    def _ordered(self, function: str, left: Any, right: Any) -> str:
        one, other = self.term(left), self.term(right)
        kind = _kind(right)
        sign, _ = _ORDERS[function]
        value = f"{_helper_name(function)}({one}, {other})"
        if kind in ("int", "float", "str") and _is_name(one):
            value = f"({one} {sign} {other} if type({one}) is {kind} else {value})"
        return value

    def _among(self, item: Any, container: Any) -> str:
        if not container.HasField("list"):
            raise _NotSimple
        elements = list(container.list.elements)
        if not all(one.HasField("const") for one in elements):
            raise _NotSimple
        known = "".join(f"{_literal(one.const)}, " for one in elements)
        return f"among({self.term(item)}, ({known}))"

    # The source that reads paths.

    def _path(self, path: Reference) -> str:
        names = path.path
        least = 3 if names[0] == "steps" else 2
        if len(names) < least or names[0] not in ROOTS or _is_time(names):
            raise _NotSimple
        value = self._value(names)
        if names[0] in FIELDS and len(names) == 2:  # always a text
            self._once(f"fit_text({value})")
        else:
            plain = f"type({value}) is float and -LARGEST <= {value} <= LARGEST"
            self._once(f"if not ({plain}): fit({value})")
        return f"({value} is not MISSING)" if path.tested else value

    def _value(self, names: Path) -> str:
        """The variable that holds the value at a path; MISSING if the last name is missing."""
        if names not in self._names:
            if self._prefilter and len(names) <= 2:
                if names not in _PREFILTER_ARGUMENTS:
                    raise _NotSimple
                self._names[names] = _PREFILTER_ARGUMENTS[names]
            elif len(names) == 1:
                self._read(names, f"scope.{names[0]}")
            else:
                above = self._value(names[:-1])
                self._once(f"if type({above}) is not dict: raise NeedsEvaluator")
                self._read(names, f"{above}.get({names[-1]!r}, MISSING)")
        return self._names[names]

    def _once(self, line: str) -> None:
        if line not in self._lines:
            self._lines.append(line)

    def _read(self, path: Path, source: str) -> None:
        self._names[path] = f"v{len(self._names)}"
        self._lines.append(f"{self._names[path]} = {source}")

    def _count(self, variable: str) -> str:
        if self._prefilter:
            raise _NotSimple
        path = (variable,)
        if path not in self._names:
            counter = f"count{len(self._names)}"
            self._known[counter] = self._counts[variable]
            self._read(path, f"{counter}(scope)")
        return self._names[path]


def _is_name(source: str) -> bool:
    return source.isidentifier()


def _is_truth(node: Any) -> bool:
    """Whether the term can be only true or false."""
    path = reference(node)
    if path is not None:
        return path.tested
    return node.HasField("call") and node.call.function not in ("_?_:_", COUNT)


def _kind(node: Any) -> str | None:
    """The name of a literal's Python type; None if the node is not a literal."""
    if not node.HasField("const"):
        return None
    kind = node.const.WhichOneof("constant_kind")
    return _KINDS.get(kind or "")


def _helper_name(function: str) -> str:
    return _ORDERS[function][1].__name__


def _literal(const: Any) -> str:
    """A constant as a Python literal, written by `repr`."""
    kind = const.WhichOneof("constant_kind")
    if kind == "null_value":
        return "None"
    if kind is None:
        raise _NotSimple
    value = getattr(const, kind)
    if kind not in _KINDS:
        raise _NotSimple
    if isinstance(value, str) and "\0" in value:
        raise _NotSimple
    if isinstance(value, float) and not math.isfinite(value):
        raise _NotSimple
    return f"({value!r})" if isinstance(value, int | float) else repr(value)


def _is_time(path: Path) -> bool:
    """Whether the number at this path is a time for expressions."""
    if path[0] == "steps":
        return len(path) == 4 and path[2:] == ("event", "timestamp")
    return path == ("now",) or (path[0] in ("event", "entry") and path[1:] == ("timestamp",))


def _time_reader(path: Path) -> Reader:
    root = operator.attrgetter(path[0])
    names = path[1:]

    def time(scope: Scope) -> str:
        ms = root(scope)
        for name in names:
            if type(ms) is not dict:
                raise NeedsEvaluator
            ms = ms.get(name)
        if type(ms) is not int or not 0 <= ms <= LAST:
            raise NeedsEvaluator
        return format_time(ms)

    return time


# The helpers that the generated functions call.


def _fit(value: Any) -> None:
    """Raise NeedsEvaluator for a value that the evaluator might refuse or change."""
    kind = type(value)
    if kind is str:
        _fit_text(value)
    elif not (
        kind is bool
        or value is None
        or value is _MISSING
        or (kind is int and -_LARGEST <= value < _LARGEST)
        or (kind is float and math.isfinite(value))
    ):
        raise NeedsEvaluator


def _fit_text(value: Any) -> None:
    if value is _MISSING:
        return
    if type(value) is not str or len(value) > _LONG:
        raise NeedsEvaluator
    if "\0" in value or not (value.isascii() or is_unicode(value)):
        raise NeedsEvaluator


def _present(value: Any) -> Any:
    if value is _MISSING:
        raise NeedsEvaluator
    return value


def _truth(value: Any) -> bool:
    if value is True or value is False:
        return bool(value)
    raise NeedsEvaluator


def _are_numbers(one: Any, other: Any) -> bool:
    """Whether one is an int and the other a float; Python compares them by their exact value."""
    return (type(one), type(other)) in ((int, float), (float, int))


def _equal(left: Any, right: Any) -> bool:
    if left is _MISSING or right is _MISSING:
        raise NeedsEvaluator
    if type(left) is type(right) or _are_numbers(left, right):
        return bool(left == right)
    return False


def _among(value: Any, known: tuple[Any, ...]) -> bool:
    _present(value)
    return any(_equal(value, one) for one in known)


def _ordered(compare: Callable[[Any, Any], bool]) -> Callable[[Any, Any], bool]:
    def ordered(one: Any, other: Any) -> bool:
        kind = type(one)
        if (kind is type(other) and kind in (int, float, str)) or _are_numbers(one, other):
            return compare(one, other)
        raise NeedsEvaluator

    return ordered


_KINDS = {
    "bool_value": "bool",
    "int64_value": "int",
    "double_value": "float",
    "string_value": "str",
}
_HELPERS: dict[str, Any] = {
    "__builtins__": {kind.__name__: kind for kind in (type, bool, int, float, str, dict)},
    "NeedsEvaluator": NeedsEvaluator,
    "MISSING": _MISSING,
    "LARGEST": sys.float_info.max,
    "fit": _fit,
    "fit_text": _fit_text,
    "present": _present,
    "truth": _truth,
    "equal": _equal,
    "among": _among,
    **{compare.__name__: _ordered(compare) for _, compare in _ORDERS.values()},
}
