"""CEL expressions: compiled once, then evaluated against what an instance knows at a step.

Law: whatever the data, an evaluation gives a JSON value or raises ExpressionFailed; and it sees
only what the expression's static paths name, so its cost does not depend on the event's size.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Any

from cel_expr_python import cel
from google.protobuf.timestamp_pb2 import Timestamp

from journeys import cel_ast
from journeys.interpolation import Hole, UnclosedError, pieces
from journeys.problems import suggest
from journeys.time import format_time

Path = tuple[str, ...]

MAX_EXPRESSION = 10_000
"""Characters in one expression."""
ENV_PREFIX = "JOURNEYS_SECRET_"
"""Only variables of the environment whose names start with this can be read."""

_DATA = cel.Type.Map(cel.Type.STRING, cel.Type.DYN)
_EVENT: dict[str, Any] = {
    "event": cel.Type.STRING,
    "timestamp": cel.Type.TIMESTAMP,
    "messageId": cel.Type.STRING,
    "userId": cel.Type.STRING,
    "anonymousId": cel.Type.STRING,
    "sessionId": cel.Type.STRING,
    "properties": _DATA,
    "context": _DATA,
    "traits": _DATA,
}
_FIELDS: dict[str, dict[str, Any]] = {
    "event": _EVENT,
    "entry": _EVENT,
    "user": {
        "id": cel.Type.STRING,
        "traits": _DATA,
        "audiences": cel.Type.List(cel.Type.STRING),
    },
    "journey": dict.fromkeys(("name", "version", "instance", "key"), cel.Type.STRING),
}
_ROOTS = ("event", "entry", "steps", "attr", "user", "journey", "now", "env")
_VARIABLES: dict[str, Any] = {
    **{root: cel.Type.TIMESTAMP if root == "now" else _DATA for root in _ROOTS},
    **{f"{root}.{name}": kind for root, known in _FIELDS.items() for name, kind in known.items()},
}
_TYPE_WORDS = frozenset(
    "bool bytes double dyn int list map null_type string type uint google.protobuf.Timestamp "
    "google.protobuf.Duration".split()
)
_FUNCTIONS = (
    "all bool bytes contains double duration dyn endsWith exists exists_one filter getDate "
    "getDayOfMonth getDayOfWeek getDayOfYear getFullYear getHours getMilliseconds getMinutes "
    "getMonth getSeconds has int map matches size startsWith string timestamp type uint"
).split()
_ERROR = re.compile(r"ERROR: <input>:(\d+):(\d+): (.*)")
_MISSING_KEY = re.compile(r'Key not found in map : "(.*)"', re.DOTALL)
_NUMBERS = re.compile(r"\b(int|int64|uint|uint64|double)\b")


class CelError(ValueError):
    """A text is not an expression; `line` and `column` count from 1, `offset` in characters."""

    def __init__(self, message: str, text: str, offset: int, near: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.offset = min(max(offset, 0), len(text))
        self.nearest = near
        before = text[: self.offset]
        self.line = before.count("\n") + 1
        self.column = self.offset - (before.rfind("\n") + 1) + 1


class ExpressionFailed(Exception):
    """An expression has no value for the data it met; `why` is for the outcomes."""

    def __init__(self, text: str, why: str) -> None:
        super().__init__(f"{text}: {why}")
        self.text = text
        self.why = why


@dataclass(slots=True)
class Scope:
    """What expressions can read at one step.

    All mappings are JSON-shaped dicts. `event`, `entry` and `steps[x]["event"]` hold the wire names
    of an event, with `timestamp` in ms; None means that there is no such event in this step.
    """

    event: Mapping[str, Any] | None = None
    entry: Mapping[str, Any] | None = None
    steps: Mapping[str, Any] = field(default_factory=dict)
    attr: Mapping[str, Any] = field(default_factory=dict)
    user: Mapping[str, Any] = field(default_factory=dict)
    journey: Mapping[str, Any] = field(default_factory=dict)
    now: int = 0
    env: Mapping[str, str] = field(default_factory=dict)


class Expression:
    """One compiled expression.

    Attributes:
        paths: what it reads, as `("entry", "properties", "total")`; a whole variable is
            `("event",)`.
        type: CEL's name of its type in lower case, such as `bool`; `dyn` when only data tells.
    """

    __slots__ = ("_plan", "_program", "offsets", "paths", "text", "type")

    def __init__(
        self,
        text: str,
        program: Any,
        references: tuple[cel_ast.Reference, ...],
        declared: Collection[str],
    ) -> None:
        self.text = text
        self.type: str = program.return_type().name().lower()
        self.paths = frozenset(reference.path for reference in references)
        self.offsets = {reference.path: reference.offsets for reference in reversed(references)}
        self._program = program
        self._plan = _plan(references, declared)

    def evaluate(self, scope: Scope) -> Any:
        """Its value as JSON; times are ISO 8601 in UTC, durations seconds such as `90s`.

        Raises:
            ExpressionFailed: it has none for this data.
        """
        try:
            data: dict[str, Any] = {}
            for variable, read in self._plan:
                value = read(scope)
                if value is not None:
                    data[variable] = value
            result = self._program.eval(data=data)
            value = result.plain_value()
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
        """The library's reason, in the words of the document."""
        for path in sorted(self.paths):
            if path[0] in ("event", "entry") and getattr(scope, path[0]) is None:
                return f"there is no {path[0]} in this step"
        missing = _MISSING_KEY.search(error)
        for path in sorted(self.paths):
            depth = _missing(scope, path)
            if depth is not None and (
                "No value with name" in error or (missing and missing[1] == path[depth])
            ):
                return f"{'.'.join(path[: depth + 1])} is missing"
        error = re.sub(r"^[A-Z_]+: | \[[A-Z_]+\]$", "", error)
        error = error.replace("Key not found in map : ", "missing key ")
        return _arithmetic_hint(_plain_operators(error))


@lru_cache(maxsize=16_384)
def compile_cel(text: str, *, env: bool = False) -> Expression:
    """Compiles and checks one expression.

    Args:
        env: whether it may read `env`, as the headers of a Destination may.

    Raises:
        CelError: it is not a valid expression.
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
        syntax = cel_ast.read(_library().compile(text, disable_check=True).serialize(), text)
    except UnicodeError:
        raise CelError("the expression is not valid Unicode", text, 0) from None
    except RuntimeError as error:
        raise _compile_error(str(error), text) from None
    _check_names(syntax, text, env)
    # The checker takes `has(event.userId)` for the variable itself where one is declared.
    tested = frozenset(".".join(one.path) for one in syntax.references if one.tested)
    undeclared = tested.intersection(_VARIABLES)
    try:
        program = _library(undeclared).compile(text)
    except RuntimeError as error:
        raise _compile_error(str(error), text) from None
    return Expression(text, program, syntax.references, _VARIABLES.keys() - undeclared)


@lru_cache(maxsize=256)
def _library(undeclared: frozenset[str] = frozenset()) -> Any:
    return cel.NewEnv(
        variables={name: kind for name, kind in _VARIABLES.items() if name not in undeclared}
    )


def condition(text: str, scope: Scope) -> bool:
    """Whether the condition holds; raises ExpressionFailed, also when it is neither."""
    value = compile_cel(text).evaluate(scope)
    if value is True or value is False:
        return value
    raise ExpressionFailed(text, f"the condition is {_kind(value)}, expected true or false")


def render(data: Any, scope: Scope, *, env: bool = False) -> Any:
    """Data with its `${...}` filled in; raises ExpressionFailed.

    A text that is one `${...}` keeps the value's type; otherwise the pieces are joined as text.
    """
    if isinstance(data, str):
        if "${" not in data:
            return data
        parts = pieces(data)
        if len(parts) == 1:
            part = parts[0]
            return part if isinstance(part, str) else _hole(part, env).evaluate(scope)
        return "".join(
            part if isinstance(part, str) else as_text(_hole(part, env).evaluate(scope), part.text)
            for part in parts
        )
    if isinstance(data, dict):
        return {key: render(value, scope, env=env) for key, value in data.items()}
    if isinstance(data, list | tuple):
        return [render(value, scope, env=env) for value in data]
    return data


def data_paths(data: Any) -> frozenset[Path]:
    """What the `${...}` inside data read."""
    if isinstance(data, str):
        return frozenset().union(*(found.paths for found, _ in data_expressions(data, env=True)))
    if isinstance(data, dict):
        return frozenset().union(*map(data_paths, data.values()))
    if isinstance(data, list | tuple):
        return frozenset().union(*map(data_paths, data))
    return frozenset()


def data_expressions(text: str, *, env: bool = False) -> list[tuple[Expression, int]]:
    """The expressions in a text, each with its offset; raises CelError, placed in `text`."""
    try:
        holes = [part for part in pieces(text) if isinstance(part, Hole)]
    except UnclosedError as error:
        raise CelError(str(error), text, error.offset) from None
    found = []
    for hole in holes:
        try:
            found.append((_hole(hole, env), hole.offset))
        except CelError as error:
            offset = hole.offset + error.offset
            raise CelError(error.message, text, offset, error.nearest) from None
    return found


def as_text(value: Any, expression: str) -> str:
    """A value joined with text; a number is its shortest round-trip form."""
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return str(value)
    if isinstance(value, float):
        return repr(value).removesuffix(".0")
    raise ExpressionFailed(expression, f"{_kind(value)} has no form as text")


def _hole(hole: Hole, env: bool) -> Expression:
    return compile_cel(hole.text, env=env)


def _kind(value: Any) -> str:
    if value is None:
        return "null"
    kinds = {bool: "a boolean", int: "an int", float: "a double", str: "a text", dict: "a map"}
    return kinds.get(type(value), "a list")


# --- what is handed to the library -----------------------------------------------------------

_Tree = dict[str, "_Tree"]
_Reader = Callable[[Scope], Any]


def _plan(
    references: tuple[cel_ast.Reference, ...], declared: Collection[str]
) -> list[tuple[str, _Reader]]:
    """For every variable that the library will ask for, a function that reads its pruned value."""
    wanted: dict[str, list[Path]] = {}
    for reference in references:
        two = ".".join(reference.path[:2])
        depth = 2 if reference.dotted >= 2 and two in declared else 1
        name = ".".join(reference.path[:depth])
        wanted.setdefault(name, []).append(reference.path[depth:])
    return [(name, _reader(name, _tree(paths))) for name, paths in wanted.items()]


def _tree(paths: list[Path]) -> _Tree:
    """The paths as a tree; an empty one means the whole value."""
    if () in paths:
        return {}
    tree: dict[str, list[Path]] = {}
    for path in paths:
        tree.setdefault(path[0], []).append(path[1:])
    return {name: _tree(rest) for name, rest in tree.items()}


def _reader(variable: str, tree: _Tree) -> _Reader:
    if variable == "now":
        return lambda scope: _time(scope.now)
    root, _, name = variable.partition(".")
    if name == "timestamp":
        return lambda scope: _time((getattr(scope, root) or {}).get(name))
    if name:
        return lambda scope: _pruned((getattr(scope, root) or {}).get(name), tree)
    if root in ("event", "entry"):
        return lambda scope: _pruned_event(getattr(scope, root), tree)
    if root == "steps":
        return lambda scope: _pruned_steps(scope.steps, tree)
    return lambda scope: _pruned(getattr(scope, root), tree)


def _pruned(value: Any, tree: _Tree) -> Any:
    if tree and isinstance(value, dict):
        return {name: _pruned(value[name], below) for name, below in tree.items() if name in value}
    _refuse_nul(value)
    return value


def _refuse_nul(value: Any) -> None:
    """The library would silently cut a text at a NUL, so that two different texts were equal."""
    if isinstance(value, str):
        if "\0" in value:
            raise ValueError("a text with a NUL character")
    elif isinstance(value, dict):
        for key, item in value.items():
            _refuse_nul(key)
            _refuse_nul(item)
    elif isinstance(value, list):
        for item in value:
            _refuse_nul(item)


def _pruned_event(event: Any, tree: _Tree) -> Any:
    if not isinstance(event, dict):
        return event
    pruned = dict(_pruned(event, tree))
    if "timestamp" in pruned:
        pruned["timestamp"] = _time(pruned["timestamp"])
    return pruned


def _pruned_steps(steps: Mapping[str, Any], tree: _Tree) -> dict[str, Any]:
    pruned = {}
    for node in tree or steps:
        captured = steps.get(node)
        if isinstance(captured, dict):
            below = tree.get(node, {})
            pruned[node] = {
                label: _pruned_event(value, below.get(label, {}))
                if label == "event"
                else _pruned(value, below.get(label, {}))
                for label, value in captured.items()
                if not below or label in below
            }
    return pruned


def _time(ms: Any) -> Any:
    """A time inside a map must be the protobuf message; the library refuses a datetime there."""
    if type(ms) is not int:
        return ms
    return Timestamp(seconds=ms // 1000, nanos=ms % 1000 * 1_000_000)


def _missing(scope: Scope, path: Path) -> int | None:
    """The first name of a path that the data has not."""
    value: Any = getattr(scope, path[0])
    for depth, name in enumerate(path[1:], 1):
        if not isinstance(value, dict):
            return None
        if name not in value:
            return depth
        value = value[name]
    return None


# --- what comes back ---------------------------------------------------------------------------


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
        # The library's maps come in no particular order; the same value must be the same bytes.
        return dict(sorted((_json_key(key), _json(item)) for key, item in value.items()))
    if isinstance(value, datetime):
        return format_time((value - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(milliseconds=1))
    if isinstance(value, timedelta):
        return repr(value.total_seconds()).removesuffix(".0") + "s"
    raise ValueError(f"the value is {type(value).__name__.lower()}, which JSON has no form for")


def _json_key(key: Any) -> str:
    if isinstance(key, bool):
        return "true" if key else "false"
    if isinstance(key, str | int):
        return str(key)
    raise ValueError("a map's key is neither text nor an int")


# --- what is wrong with an expression -----------------------------------------------------------


def _check_names(syntax: cel_ast.Syntax, text: str, env: bool) -> None:
    for name, offset in syntax.bound:
        if name in _ROOTS:
            raise CelError(f"'{name}' has a meaning already: choose another name", text, offset)
    for reference in syntax.references:
        path, offsets = reference.path, reference.offsets
        root = path[0]
        if root not in _ROOTS:
            if root in _TYPE_WORDS or root == "google":
                continue
            tail, near = suggest(root, [name for name in _ROOTS if env or name != "env"])
            raise CelError(f"unknown name '{root}'{tail}", text, offsets[0], near)
        if root == "env":
            _check_env(path, offsets, text, env)
        if root == "steps":
            if len(path) < 2:
                raise CelError("'steps' needs the name of a node: steps.<node>", text, offsets[0])
            known = _EVENT if path[2:3] == ("event",) else None
            at = 3
        else:
            known = _FIELDS.get(root)
            at = 1
        if known is not None and len(path) > at and path[at] not in known:
            tail, near = suggest(path[at], known, most=9)
            inside = ".".join(path[:at])
            if near is None and known is _EVENT:
                tail += f" (what a producer sends is under {inside}.properties)"
            raise CelError(f"'{inside}' has no field '{path[at]}'{tail}", text, offsets[at], near)


def _check_env(path: Path, offsets: tuple[int, ...], text: str, allowed: bool) -> None:
    if not allowed:
        raise CelError("'env' can be read only in the headers of a Destination", text, offsets[0])
    if len(path) != 2 or not path[1].startswith(ENV_PREFIX):
        name = path[1] if len(path) > 1 else "env"
        raise CelError(
            f"'{name}' can't be read: expected env.{ENV_PREFIX}..., "
            "only such names of the environment are open to documents",
            text,
            offsets[-1],
        )


def _compile_error(error: str, text: str) -> CelError:
    """The library's first error, in words and at the place a reader of the document expects."""
    if "recursion" in error:
        return CelError("the expression is nested too deeply: at most 32 levels", text, 0)
    found = _ERROR.findall(error)
    if not found:
        return CelError(error.split("\n")[0].removesuffix(" [INVALID_ARGUMENT]"), text, 0)
    line, column, message = found[0]
    lines = text.split("\n")
    offset = sum(len(one) + 1 for one in lines[: int(line) - 1]) + max(int(column) - 1, 0)
    if message.startswith("Syntax error: "):
        return CelError(_syntax_error(message.removeprefix("Syntax error: ")), text, offset)
    for line, column, undeclared in found:
        name = re.match(r"undeclared reference to '([^']+)'", undeclared)
        if name is not None and name[1] not in _ROOTS:
            offset = sum(len(one) + 1 for one in lines[: int(line) - 1]) + int(column) - 1
            at = text.rfind(name[1], 0, offset + 1)
            tail, near = suggest(name[1], _FUNCTIONS)
            return CelError(
                f"unknown function '{name[1]}'{tail}", text, at if at >= 0 else offset, near
            )
    return CelError(_arithmetic_hint(_plain_operators(message)), text, offset)


def _syntax_error(message: str) -> str:
    unexpected = re.match(
        r"(?:mismatched|extraneous|no viable alternative at) input '(.*?)'(?: expecting|$)", message
    )
    if unexpected is None:
        token = re.match(r"token recognition error at: '(.*)", message)
        if token is None:
            return f"the expression can't be read: {message.split(' expecting ')[0]}"
        shown = token[1].removesuffix("'") or "a character"
        return f"the expression can't be read from {shown} on: a text without its end?"
    if unexpected[1] == "<EOF>":
        return "the expression ends too early: found its end, expected a value"
    wanted = re.search(r"expecting ('[^']*')$", message)
    expected = wanted[1] if wanted else "an operator or a value"
    return f"the expression can't be read: found '{unexpected[1]}', expected {expected}"


def _plain_operators(message: str) -> str:
    message = re.sub(r"'?\b_?([!<>=+*/%&|-]+)_\b'?", r"'\1'", message)
    message = message.replace("'_[_]'", "'[]'").replace("'@in'", "'in'").replace("'!_'", "'!'")
    return message.replace("'-_'", "'-'").replace("applied to '(", "for '(")


def _arithmetic_hint(message: str) -> str:
    """Where numbers of two kinds meet, what to write instead."""
    kinds = {kind.removesuffix("64") for kind in _NUMBERS.findall(message)}
    if "overload" in message and len(kinds) > 1:
        return f"{message}: int and double don't mix, write double(x)"
    return message
