"""Compiles CEL expressions once and evaluates them against the data of a step.

Law: whatever the data, an evaluation returns a JSON value or raises ExpressionFailed. It reads only
the expression's static paths, so its cost does not depend on the size of the event.
"""

from __future__ import annotations

import ctypes
import math
import re
from collections.abc import Collection, Mapping
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Any

from cel_expr_python import cel
from google.protobuf.message import DecodeError

from journeys.expressions import syntax as cel_ast
from journeys.expressions.errors import NO_ORDER, check_names, compile_error, plain, read_counts
from journeys.expressions.errors import CelError as CelError
from journeys.expressions.fast_path import (
    NeedsLibrary,
    Prefilter,
    compile_direct,
    compile_prefilter,
)
from journeys.expressions.scope import VARIABLES, CountPath, Reader, count_plan, missing, plan
from journeys.expressions.scope import Scope as Scope
from journeys.zones import clock_time

MAX_EXPRESSION = 10_000
"""Characters in one expression."""
MAX_GROWN = 64_000_000
"""Largest text, in characters, that an expression may build by joining and repeating."""
_MOST_TURNS = 10_000  # iterations of all macros in one evaluation; the library's own limit
_MANY_JOINS = 32  # with fewer, and without `map`, no event is large enough to exceed MAX_GROWN
_MAP = re.compile(r"\bmap\s*\(")
_COUNT = cel.FunctionDecl(
    cel_ast.COUNT,
    [
        cel.Overload(
            "count_event_window",
            return_type=cel.Type.INT,
            parameters=[cel.Type.STRING, cel.Type.STRING],
        )
    ],
)
_LOCAL = cel.FunctionDecl(
    cel_ast.LOCAL,
    [
        cel.Overload(
            "local_timestamp_string",
            return_type=cel.Type.TIMESTAMP,
            parameters=[cel.Type.TIMESTAMP, cel.Type.STRING],
            impl=clock_time,
        )
    ],
)
_keep = ctypes.pythonapi.Py_IncRef
_keep.argtypes = [ctypes.py_object]
_keep.restype = None
_MISSING_KEY = re.compile(r'Key not found in map : "(.*)"', re.DOTALL)


class ExpressionFailed(Exception):
    """An expression has no value for the data at hand.

    Attributes:
        text: the expression.
        why: the reason, as outcomes report it.
    """

    def __init__(self, text: str, why: str) -> None:
        super().__init__(f"{text}: {why}")
        self.text = text
        self.why = why


class Expression:
    """One compiled expression.

    Attributes:
        paths: the paths it reads, such as `("entry", "properties", "total")`; a whole variable is
            `("event",)`; a call of `count` is `("count", "login", "10m")`.
        offsets: for each path, the positions of its names in the text, in characters.
        calls: its calls of `timestamp`, `duration` and `matches` with a text literal.
        type: CEL's name of its type in lower case, such as `bool`; `dyn` if it depends on data.
    """

    __slots__ = (
        "_counters",
        "_direct",
        "_growth",
        "_plan",
        "_program",
        "_tree",
        "calls",
        "offsets",
        "paths",
        "text",
        "type",
    )

    def __init__(
        self,
        text: str,
        type: str,
        program: Any,
        syntax: cel_ast.Syntax,
        counts: Mapping[str, CountPath],
        declared: Collection[str],
    ) -> None:
        self.text = text
        self.type = type
        references = syntax.references
        self.paths = frozenset({*(reference.path for reference in references), *counts.values()})
        self.offsets = {reference.path: reference.offsets for reference in reversed(references)}
        self.calls = syntax.calls
        counters = count_plan(counts)
        joins, maps = text.count("+"), len(_MAP.findall(text))
        self._growth = (joins, maps) if maps or joins > _MANY_JOINS else None
        self._counters = counters
        self._tree = None if self._growth else syntax.tree
        self._direct: Reader | None = None
        self._program = program
        self._plan = plan(references, declared) + counters

    def evaluate(self, scope: Scope) -> Any:
        """Evaluate the expression.

        Returns:
            a JSON value; times are ISO 8601 in UTC, durations seconds such as `90s`.

        Raises:
            ExpressionFailed: it has no value for this data.
        """
        direct = self._direct if self._tree is None else self.direct
        if direct is not None:
            try:
                return direct(scope)
            except NeedsLibrary:
                pass
        return self.by_library(scope)

    @property
    def direct(self) -> Reader | None:
        """The fast-path function, or None if the expression is not simple enough for one.

        It is compiled on first use, as that takes longer than the rest of compiling and most
        documents wait for their first event. It raises NeedsLibrary for data it can't evaluate.
        """
        if self._tree is not None:
            self._direct, self._tree = compile_direct(self._tree, self._counters), None
        return self._direct

    def by_library(self, scope: Scope) -> Any:
        """`evaluate` with the CEL library only, without the fast path."""
        try:
            data: dict[str, Any] = {}
            for variable, read in self._plan:
                value = read(scope)
                if value is not None:
                    data[variable] = value
            if self._growth is not None:
                _refuse_growth(data, *self._growth)
            result = self._program.eval(data=data)
            value = result.plain_value()
            _own_nulls(value)
            failed = result.type() == cel.Type.ERROR
        except (RuntimeError, ValueError, TypeError, OverflowError) as error:
            raise ExpressionFailed(self.text, self._why(str(error), scope)) from None
        if failed:
            raise ExpressionFailed(self.text, self._why(str(value), scope))
        if value is None or value is True or value is False or type(value) in (str, int):
            return value
        try:
            return _json(value)
        except ValueError as error:
            raise ExpressionFailed(self.text, str(error)) from None

    def _why(self, error: str, scope: Scope) -> str:
        """The library's error, rewritten for the author of the document."""
        for path in sorted(self.paths):
            if path[0] in ("event", "entry") and getattr(scope, path[0]) is None:
                return f"there is no {path[0]} in this step"
        absent = _MISSING_KEY.search(error)
        for path in sorted(self.paths):
            depth = missing(scope, path)
            if depth is not None and (
                "No value with name" in error or (absent and absent[1] == path[depth])
            ):
                return f"{'.'.join(path[: depth + 1])} is missing"
        if "construction from null" in error:
            return "a text that is not valid Unicode"
        if "_+_(map, list)" in error:  # what repeatable() makes of a map
            return NO_ORDER
        error = re.sub(r"^[A-Z_]+: | \[[A-Z_]+\]$", "", error)
        error = error.replace("Key not found in map : ", "missing key ")
        return plain(error)


@lru_cache(maxsize=16_384)
def compile_cel(text: str, *, env: bool = False) -> Expression:
    """Compile and check one expression; the result is cached.

    Args:
        env: whether it may read `env`, as the headers of a Destination may.

    Raises:
        CelError: the text is not a valid expression.
    """
    if not text.strip():
        raise CelError("an empty expression: expected CEL", text, 0)
    if len(text) > MAX_EXPRESSION:
        raise CelError(
            f"an expression of {len(text)} characters: at most {MAX_EXPRESSION} are allowed",
            text,
            0,
        )
    if "\0" in text:
        raise CelError("a NUL character in an expression", text, text.index("\0"))
    try:
        syntax = _parsed(text)
    except UnicodeError:
        raise CelError("the expression is not valid Unicode", text, 0) from None
    except DecodeError:  # protobuf's own limit, a little above the library's
        raise compile_error("recursion", text) from None
    except RuntimeError as error:
        raise compile_error(str(error), text) from None
    check_names(syntax, text, env)
    counts = read_counts(syntax, text)
    # If `event.userId` is declared as a variable, the checker takes `has(event.userId)` as a test
    # of that variable and rejects it; so tested paths are not declared.
    tested = frozenset(".".join(one.path) for one in syntax.references if one.tested)
    undeclared = tested.intersection(VARIABLES)
    try:
        library = _library(undeclared)
        checked = library.compile(text)
        program = library.deserialize(cel_ast.repeatable(checked.serialize()))
    except DecodeError:
        raise compile_error("recursion", text) from None
    except RuntimeError as error:
        raise compile_error(str(error), text) from None
    kind = checked.return_type().name().lower()
    declared = VARIABLES.keys() - undeclared
    return Expression(text, kind, program, syntax, counts, declared)


def _parsed(text: str) -> cel_ast.Syntax:
    return cel_ast.read(_library().compile(text, disable_check=True).serialize(), text)


@lru_cache(maxsize=256)
def _library(undeclared: frozenset[str] = frozenset()) -> Any:
    return cel.NewEnv(
        variables={name: kind for name, kind in VARIABLES.items() if name not in undeclared},
        functions=[_COUNT, _LOCAL],
    )


def condition(text: str, scope: Scope) -> bool:
    """Evaluate a condition.

    Raises:
        ExpressionFailed: it has no value, or one that is neither true nor false.
    """
    value = compile_cel(text).evaluate(scope)
    if value is True or value is False:
        return value
    raise ExpressionFailed(text, f"the condition is {kind_of(value)}, expected true or false")


@lru_cache(maxsize=16_384)
def prefilter(text: str) -> Prefilter | None:
    """Compile a condition to a prefilter, which rules out events before a step is prepared.

    A prefilter that returns false means that `condition` is false as well. Any other result, or
    NeedsLibrary, decides nothing: the condition must then be evaluated.

    Returns:
        None if the condition is not simple enough, or reads more than a prefilter is given.
    """
    return compile_prefilter(_parsed(text).tree)


def always(text: str) -> bool | None:
    """The constant value of a condition that reads no data.

    Returns:
        whether it is true (False if it fails), or None if it depends on data.
    """
    expression = compile_cel(text)
    if expression.paths:
        return None
    try:
        return expression.evaluate(Scope()) is True
    except ExpressionFailed:
        return False


def _refuse_growth(data: Mapping[str, Any], joins: int, maps: int) -> None:
    """Raise ValueError if the expression could build a text of more than MAX_GROWN characters.

    The library limits the iterations of macros but not the size of values, so a single event could
    exhaust the memory.

    Args:
        joins: the number of `+` in the expression.
        maps: the number of `map(` in it.
    """
    text, items = _longest(data)
    times = min(items**maps, _MOST_TURNS) * (joins + 1)
    if text * times > MAX_GROWN:
        raise ValueError(
            f"a text of {text} characters joined or repeated up to {times} times: at most "
            f"{MAX_GROWN} characters are allowed"
        )


def _longest(value: Any) -> tuple[int, int]:
    """The length of the longest text and of the longest list in a value."""
    if isinstance(value, str):
        return len(value), 0
    if isinstance(value, Mapping):
        below = [_longest(one) for one in value.values()]
    elif isinstance(value, list | tuple):
        below = [(0, len(value)), *map(_longest, value)]
    else:
        return 0, 0
    return max((text for text, _ in below), default=0), max((n for _, n in below), default=0)


def kind_of(value: Any) -> str:
    """The everyday name of a value's type, for messages."""
    if value is None:
        return "null"
    kinds = {bool: "a boolean", int: "an int", float: "a double", str: "a text", dict: "a map"}
    return kinds.get(type(value), "a list")


def _own_nulls(value: Any) -> None:
    """Add the missing reference to every None that the library returned.

    cel-expr-python 0.1.3 returns None without incrementing its reference count; after some
    thousand times the interpreter frees None and aborts. If a later version counts correctly, one
    reference too many is harmless.
    """
    if value is None:
        _keep(None)
    elif type(value) is list:
        for item in value:
            _own_nulls(item)
    elif type(value) is dict:
        for item in value.values():
            _own_nulls(item)


def _json(value: Any) -> Any:
    if value is None or isinstance(value, bool | str | int):
        return value
    if isinstance(value, float):
        if not math.isfinite(value):
            raise ValueError("the value is not a finite number")
        return value
    if isinstance(value, list):
        return [_json(item) for item in value]
    if isinstance(value, dict):
        # The library returns maps in no particular order; equal values must have equal bytes.
        return dict(sorted((_json_key(key), _json(item)) for key, item in value.items()))
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    if isinstance(value, timedelta):
        return repr(value.total_seconds()).removesuffix(".0") + "s"
    kind = "bytes" if isinstance(value, bytes | bytearray) else "a type"
    raise ValueError(f"the value is {kind}, which JSON has no form for")


def _json_key(key: Any) -> str:
    if isinstance(key, bool):
        return "true" if key else "false"
    if isinstance(key, str | int):
        return str(key)
    raise ValueError("a map's key is neither text nor an int")
