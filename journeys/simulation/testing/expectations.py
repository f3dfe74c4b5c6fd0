"""Compares the expectations of a test with what happened.

Law: only what an expectation names is compared; fields that it doesn't name may have any value.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence, Set
from dataclasses import dataclass, replace
from typing import Any

from msgspec import UNSET

from journeys.problems import suggest
from journeys.records.action import Action
from journeys.records.outcome import Outcome
from journeys.records.user_record import Instance
from journeys.schema.marks import Path
from journeys.simulation.scenario import TimelineEntry, parse_moment
from journeys.simulation.testing.suite import (
    ExitLike,
    Expect,
    ExpectedAction,
    ExpectedExit,
    ExpectedOutcome,
    Never,
    OutcomeLike,
)
from journeys.time import format_time

Mismatch = tuple[Path, str, str]
"""The path below the expectation, what was expected there, and what was found."""

NOTHING = "nothing"
_ABSENT = object()


@dataclass(frozen=True)
class TestResult:
    """What happened in a test, restricted to one journey and key if these are given.

    Attributes:
        start: the time that offsets such as `+10m` count from, ms.
        known_keys: the keys of all instances, entered or rejected, and the scalars of the events as
            texts, any of which may be a key.
    """

    timeline: Sequence[TimelineEntry]
    waiting: Sequence[Instance]
    traits: Mapping[str, Any]
    start: int
    known_keys: Set[str] = frozenset()
    journey: str | None = None
    key: str | None = None

    @property
    def outcomes(self) -> list[Outcome]:
        return [one for part in self.timeline for one in part.outcomes if self._selected(one)]

    @property
    def actions(self) -> list[Action]:
        return [one for part in self.timeline for one in part.actions if self._selected(one)]

    @property
    def path(self) -> list[str]:
        return [one.node or "" for one in self.outcomes if one.type == "node.reached"]

    @property
    def waiting_nodes(self) -> list[str]:
        """Without branches: while they run, their instance waits at the parallel node."""
        return [one.node for one in self.waiting if one.branch is None and self._selected(one)]

    @property
    def exits(self) -> list[dict[str, Any]]:
        return [
            {"reason": (one.detail or {}).get("reason"), "at": one.at}
            for one in self.outcomes
            if one.type == "journey.exited"
        ]

    def _selected(self, one: Outcome | Action | Instance) -> bool:
        return self.journey in (None, one.journey) and self.key in (None, one.key)


def mismatches(expect: Expect, result: TestResult) -> Iterator[Mismatch]:
    """The parts of an expectation that failed, in the order of its fields."""
    if expect.key is not None and expect.key not in result.known_keys:
        keys = sorted(result.known_keys)
        tail, _ = suggest(expect.key, keys)
        yield ("key",), f"a key that an event has{tail}", shown(expect.key)
    result = replace(result, journey=expect.journey, key=expect.key)
    if expect.path is not None and expect.path != result.path:
        yield ("path",), _way(expect.path), _way(result.path)
    if expect.waiting is not None and result.waiting_nodes != [expect.waiting]:
        found = ", ".join(result.waiting_nodes) or f"{NOTHING} that waits"
        yield ("waiting",), expect.waiting, found
    if expect.exit is not None:
        yield from _exit(expect.exit, result)
    if expect.actions is not None:
        yield from _actions(expect.actions, result)
    yield from _outcomes(expect.outcomes or (), result)
    if expect.profile is not None:
        for path, wanted, found in differences(expect.profile, result.traits):
            yield ("profile", *path), wanted, found
    if expect.not_ is not None:
        for path, wanted, found in _never(expect.not_, result):
            yield ("not", *path), wanted, found


def _exit(expect: ExitLike, result: TestResult) -> Iterator[Mismatch]:
    exits = result.exits
    if len(exits) == 1:
        for path, wanted, found in differences(_wanted_exit(expect, result), exits[0]):
            yield ("exit", *(path if isinstance(expect, ExpectedExit) else ())), wanted, found
        return
    yield ("exit",), shown(_wanted_exit(expect, result)), ", ".join(map(shown, exits)) or "no exit"


def _actions(expect: Sequence[ExpectedAction], result: TestResult) -> Iterator[Mismatch]:
    found = result.actions
    for index, (one, action) in enumerate(zip(expect, found, strict=False)):
        wanted = _wanted(one, result)
        for path, left, right in differences(wanted, _fields(action), exact=_exact(one)):
            yield ("actions", index, *path), left, right
    for index, one in enumerate(expect[len(found) :], len(found)):
        yield ("actions", index), shown(_wanted(one, result)), "no such action"
    for action in found[len(expect) :]:
        yield ("actions",), f"{len(expect)} in all", f"one more: {_brief(action)}"


def _outcomes(expect: Sequence[OutcomeLike], result: TestResult) -> Iterator[Mismatch]:
    found = result.outcomes
    at = 0
    for index, one in enumerate(expect):
        wanted = _wanted_outcome(one, result)
        place = next((n for n in range(at, len(found)) if _is(wanted, found[n])), None)
        if place is not None:
            at = place + 1
            continue
        same = [shown(_part(wanted, other)) for other in found if other.type == wanted["type"]]
        reason = f"{len(same)} of this type: {'; '.join(same[:3])}" if same else "none of this type"
        earlier = any(_is(wanted, other) for other in found[:at])
        yield ("outcomes", index), shown(wanted), "it came earlier than this" if earlier else reason


def _never(never: Never, result: TestResult) -> Iterator[Mismatch]:
    for index, node in enumerate(never.path or ()):
        if node in result.path:
            yield ("path", index), f"{node} is not reached", _way(result.path)
    for index, one in enumerate(never.actions or ()):
        wanted = _wanted(one, result)
        for action in result.actions:
            if not any(differences(wanted, _fields(action), exact=_exact(one))):
                yield ("actions", index), "no such action", _brief(action)
    for index, like in enumerate(never.outcomes or ()):
        for outcome in result.outcomes:
            if _is(_wanted_outcome(like, result), outcome):
                found = _part({"type": "", "node": "", "at": "", "detail": {}}, outcome)
                yield ("outcomes", index), "no such outcome", shown(found)
    if never.exit is not None:
        for one_exit in result.exits:
            if not any(differences(_wanted_exit(never.exit, result), one_exit)):
                yield ("exit",), "no such exit", shown(one_exit)


def _wanted(
    like: ExpectedAction | ExpectedOutcome | ExpectedExit, result: TestResult
) -> dict[str, Any]:
    """The fields that an expectation names, with times in the form that outcomes use."""
    wanted = {name: getattr(like, name) for name in like.model_fields_set - {"exact"}}
    if wanted.get("at") is not None:
        wanted["at"] = format_time(parse_moment(wanted["at"], result.start))
    return wanted


def _wanted_outcome(like: OutcomeLike, result: TestResult) -> dict[str, Any]:
    return {"type": like} if isinstance(like, str) else _wanted(like, result)


def _wanted_exit(like: ExitLike, result: TestResult) -> dict[str, Any]:
    return {"reason": like} if isinstance(like, str) else _wanted(like, result)


def _exact(one: ExpectedAction) -> Path | None:
    return ("payload",) if one.exact else None


def _is(wanted: Mapping[str, Any], outcome: Outcome) -> bool:
    return not any(differences(wanted, _fields(outcome)))


def _fields(record: Action | Outcome) -> dict[str, Any]:
    fields = {name: getattr(record, name) for name in record.__struct_fields__}
    if isinstance(record, Action) and record.trigger is not UNSET:
        fields |= {"method": record.trigger.method, "path": record.trigger.path}
    return fields


def _part(wanted: Mapping[str, Any], outcome: Outcome) -> dict[str, Any]:
    """The fields of an outcome that an expectation names."""
    return {
        name: getattr(outcome, name) for name in ("type", "node", "at", "detail") if name in wanted
    }


def differences(
    expected: Any, found: Any, *, exact: Path | None = None, path: Path = ()
) -> Iterator[Mismatch]:
    """Where `found` differs from `expected`.

    Args:
        exact: the path below which mappings may have no further keys; elsewhere they may.
        path: the path of the two values.
    """
    if isinstance(expected, dict) and isinstance(found, Mapping):
        for name, value in expected.items():
            yield from differences(value, found.get(name, _ABSENT), exact=exact, path=(*path, name))
        if exact is not None and path[: len(exact)] == exact:
            for name in found:
                if name not in expected:
                    yield path, f"no '{name}'", f"'{name}': {shown(found[name])}"
    elif isinstance(expected, list) and isinstance(found, list) and len(expected) == len(found):
        for index, (one, other) in enumerate(zip(expected, found, strict=True)):
            yield from differences(one, other, exact=exact, path=(*path, index))
    elif isinstance(expected, bool) != isinstance(found, bool) or expected != found:
        yield path, shown(expected), shown(found)


def shown(value: Any) -> str:
    """A value as JSON in one line."""
    return NOTHING if value is _ABSENT else json.dumps(value, ensure_ascii=False)


def _way(nodes: Sequence[str]) -> str:
    return " -> ".join(nodes) or "no node"


def _brief(action: Action) -> str:
    return f"to {action.destination} at {action.at}: {shown(action.payload)}"
