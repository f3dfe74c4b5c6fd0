"""The data that expressions can read, and the pruning of it before the CEL library evaluates.

Law: the library gets only the paths that the expression names, so the cost of an evaluation does
not depend on the size of the event. Values that the library would silently change are refused.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from typing import Any

import msgspec
from cel_expr_python import cel
from google.protobuf.timestamp_pb2 import Timestamp

from journeys.expressions.syntax import Reference
from journeys.records.event_counts import count
from journeys.time import parse_duration

Path = tuple[str, ...]
CountPath = tuple[str, str, str]

MAX_DEPTH = 64
"""Deepest nesting of a value that an expression reads as a whole."""

_DATA = cel.Type.Map(cel.Type.STRING, cel.Type.DYN)
EVENT: dict[str, Any] = {
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
FIELDS: dict[str, dict[str, Any]] = {
    "event": EVENT,
    "entry": EVENT,
    "user": {
        "id": cel.Type.STRING,
        "traits": _DATA,
    },
    "journey": dict.fromkeys(("name", "version", "instance", "key"), cel.Type.STRING),
}
ROOTS = ("event", "entry", "steps", "attr", "user", "journey", "now", "env")
VARIABLES: dict[str, Any] = {
    **{root: cel.Type.TIMESTAMP if root == "now" else _DATA for root in ROOTS},
    **{f"{root}.{name}": kind for root, known in FIELDS.items() for name, kind in known.items()},
}
MAPS = frozenset(name for name, kind in VARIABLES.items() if kind == _DATA)


class Scope(msgspec.Struct):
    """The data that expressions can read in one step. All mappings are JSON-shaped dicts.

    Attributes:
        event, entry: the current event and the entry event with their JSON field names,
            `timestamp` in ms; None: there is no such event in this step.
        steps: what nodes captured, by node name; `steps[x]["event"]` has the form of `event`.
        now: the logical time of the step, ms.
        count: the times of recent events by event name, see `records/event_counts.py`.
    """

    event: Mapping[str, Any] | None = None
    entry: Mapping[str, Any] | None = None
    steps: Mapping[str, Any] = {}
    attr: Mapping[str, Any] = {}
    user: Mapping[str, Any] = {}
    journey: Mapping[str, Any] = {}
    now: int = 0
    env: Mapping[str, str] = {}
    count: Mapping[str, bytes] = {}


_Tree = dict[str, "_Tree"]
Reader = Callable[[Scope], Any]


def plan(references: tuple[Reference, ...], declared: Collection[str]) -> list[tuple[str, Reader]]:
    """How to read each variable of an expression from a scope, pruned to the paths it names.

    Args:
        declared: the dotted names, such as `event.properties`, that are declared to the library as
            variables of their own.
    """
    wanted: dict[str, list[Path]] = {}
    for reference in references:
        two = ".".join(reference.path[:2])
        depth = 2 if reference.dotted >= 2 and two in declared else 1
        name = ".".join(reference.path[:depth])
        wanted.setdefault(name, []).append(reference.path[depth:])
    return [(name, _reader(name, _tree(paths))) for name, paths in wanted.items()]


def count_plan(counts: Mapping[str, CountPath]) -> list[tuple[str, Reader]]:
    """The same for the variables that replace calls of `count`."""
    return [(name, _counter(event, window)) for name, (_, event, window) in counts.items()]


def _counter(event: str, window: str) -> Reader:
    ms = parse_duration(window)
    return lambda scope: count(scope.count.get(event, b""), scope.now, ms)


def _tree(paths: list[Path]) -> _Tree:
    """The paths as a tree; an empty one means the whole value."""
    if () in paths:
        return {}
    tree: dict[str, list[Path]] = {}
    for path in paths:
        tree.setdefault(path[0], []).append(path[1:])
    return {name: _tree(rest) for name, rest in tree.items()}


def _reader(variable: str, tree: _Tree) -> Reader:
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
    _refuse_unsafe(value, MAX_DEPTH)
    return value


def _refuse_unsafe(value: Any, depth: int) -> None:
    """Raise ValueError for a value that is unsafe to give to the library.

    It silently cuts a text at a NUL, which makes different texts equal, and how deeply it can
    recurse depends on the stack.
    """
    if isinstance(value, str):
        if "\0" in value:
            raise ValueError("a text with a NUL character")
    elif isinstance(value, dict | list):
        if depth == 0:
            raise ValueError(f"a value of more than {MAX_DEPTH} levels")
        for item in value:
            _refuse_unsafe(item, depth - 1)
        if isinstance(value, dict):
            for item in value.values():
                _refuse_unsafe(item, depth - 1)


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
    """ms as a protobuf Timestamp: the library accepts no datetime inside a map."""
    if type(ms) is not int:
        return ms
    return Timestamp(seconds=ms // 1000, nanos=ms % 1000 * 1_000_000)


def missing(scope: Scope, path: Path) -> int | None:
    """The index of the first name of a path that the data lacks; None if none is missing."""
    value: Any = getattr(scope, path[0])
    for depth, name in enumerate(path[1:], 1):
        if not isinstance(value, dict):
            return None
        if name not in value:
            return depth
        value = value[name]
    return None
