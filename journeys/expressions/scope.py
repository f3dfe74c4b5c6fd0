"""The data that expressions can read in a step, and the names and types it has when pushed."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import msgspec
from cel_expr_python import cel

from journeys.records.event_counts import count
from journeys.time import parse_duration
from journeys.work import Meter

Path = tuple[str, ...]
CountPath = tuple[str, str, str]

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
    "traits_once": _DATA,
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
ROOTS = ("event", "entry", "steps", "attr", "user", "journey", "now", "env", "before")
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
        before: the user's traits before the current event changed some of them.
        count: the times of recent events by event name, see `records/event_counts.py`.
        meter: of the step's input; None: each evaluation has a budget of its own.
    """

    event: Mapping[str, Any] | None = None
    entry: Mapping[str, Any] | None = None
    steps: Mapping[str, Any] = {}
    attr: Mapping[str, Any] = {}
    user: Mapping[str, Any] = {}
    journey: Mapping[str, Any] = {}
    now: int = 0
    env: Mapping[str, str] = {}
    before: Mapping[str, Any] = {}
    count: Mapping[str, bytes] = {}
    meter: Meter | None = None


Reader = Callable[[Scope], Any]


def count_readers(counts: Mapping[str, CountPath]) -> dict[str, Reader]:
    """How to read each variable that replaces a call of `count`."""
    return {name: _counter(event, window) for name, (_, event, window) in counts.items()}


def _counter(event: str, window: str) -> Reader:
    ms = parse_duration(window)
    return lambda scope: count(scope.count.get(event, b""), scope.now, ms)
