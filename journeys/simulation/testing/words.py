"""What a test may name: events, nodes, reasons, destinations and fields of the documents it tests.

Law: an expectation that can never fail is an error, and so is a name that nothing produces: under
`not` it would always hold, and as a canned response it would never be used.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Set
from dataclasses import dataclass
from typing import Any

from journeys.catalog.catalog import Catalog
from journeys.catalog.program import Program
from journeys.nodes.base import NodeModel
from journeys.nodes.criteria import Criteria
from journeys.nodes.emit_event import EmitEvent
from journeys.nodes.exit import Exit
from journeys.nodes.experiment import Experiment
from journeys.nodes.parallel import Parallel
from journeys.problems import Problem, nearest, suggest
from journeys.records.event import IDENTIFY
from journeys.records.outcome import DETAILS, OUTCOME_TYPES
from journeys.schema.marks import Path
from journeys.schema.places import dotted
from journeys.schema.signals import trait_of
from journeys.simulation.testing.suite import (
    Case,
    Expect,
    ExpectedAction,
    ExpectedOutcome,
    Never,
    OutcomeLike,
    Suite,
    SuiteFile,
    data_of,
    expects,
    known_keys,
)

_ENDS = frozenset({"end", "error", "archived"})
"""Reasons of exits that no document names; `goal` is added if a goal ends instances."""
_ENDS_OF_BRANCHES = frozenset({"joined", "cancelled"})
_OF_WORKERS = frozenset(
    {
        "action.delivered",
        "action.failed",
        "audience.entered",
        "audience.exited",
        "config.accepted",
        "config.rejected",
        "event.rerouted",
    }
)
"""Types of outcomes that never occur in tests: workers or future versions produce them."""
_REASONS = {
    "journey.rejected": frozenset(
        {"already_in", "min_gap", "no_key", "once", "too_late", "too_many"}
    ),
    "digest.overflowed": frozenset({"max", "bytes"}),
    "action.skipped": frozenset({"paused", "payload_failed", "too_large", "too_many"}),
}
"""The fixed reasons of an outcome, by its type."""
_SENDERS = frozenset({"destination", "trigger"})
_NODES_OF = {
    "action.requested": _SENDERS,
    "action.skipped": _SENDERS,
    "criteria.matched": frozenset({"criteria"}),
    "event.emitted": frozenset({"emit_event"}),
    "experiment.assigned": frozenset({"experiment"}),
    "wait.matched": frozenset({"wait_for_event", "trigger"}),
    "wait.timed_out": frozenset({"wait_for_event", "trigger"}),
    "wait.started": frozenset({"delay", "digest", "wait_for_event", "trigger", "parallel"}),
    "wait.rescheduled": frozenset({"delay", "wait_for_event"}),
    "digest.collected": frozenset({"digest"}),
    "digest.overflowed": frozenset({"digest"}),
    "digest.closed": frozenset({"digest"}),
    "branch.started": frozenset({"parallel"}),
    "branches.joined": frozenset({"parallel"}),
}
"""The types of nodes that report an outcome, by its type; others may come from any node."""
_PLAIN_KEY = re.compile(r"(event\.[A-Za-z0-9_.]+)?")
_SURE = 0.85
"""How similar a word must be to be reported as a misspelling where it may also be correct."""


def check_names(tests: SuiteFile, catalog: Catalog) -> list[Problem]:
    """The mistakes in a file of tests that running it would not show."""
    every = _Words.of(catalog, None)
    own = {name: _Words.of(catalog, name) for name in catalog.journeys}
    findings = tests.findings
    for path, message, found, near in (
        *_answers(tests.suite, every),
        *(
            one
            for number, case in enumerate(tests.suite.tests)
            for one in _case(case, ("tests", number), every, own)
        ),
    ):
        findings.at(findings.node(path), f"'{dotted(path)}': {message}", found=found, near=near)
    return sorted(findings.problems, key=lambda one: (one.line, one.column))


Mistake = tuple[Path, str, str | None, str | None]
"""The place, the message, what was found, and the nearest valid word."""


@dataclass(frozen=True)
class _Words:
    """What the documents of all journeys, or of one, name."""

    journeys: Set[str]
    events: Set[str]
    nodes: dict[str, Set[str]]
    triggers: Set[str]
    """`JOURNEY/NODE`."""
    asked: Set[str]
    """Destinations of triggers."""
    emits: bool
    reasons: Set[str]
    destinations: Set[str]
    actions: Set[str]
    event_names: Set[str]
    variants: Set[str]
    cases: Set[str]
    branches: Set[str]
    payloads: dict[str | None, Set[str] | None]
    plain_keys: bool
    """Whether every key is the unchanged value of a field of an event that a test sends."""

    @classmethod
    def of(cls, catalog: Catalog, journey: str | None) -> _Words:
        programs = [
            Program(name, version, one)
            for (name, version), one in catalog.versions.items()
            if journey in (None, name)
        ]
        nodes: dict[str, set[str]] = {}
        for program in programs:
            for name, node in program.nodes.items():
                nodes.setdefault(name, set()).add(_type_of(node))
        every: list[tuple[str, Any]] = [
            one for program in programs for one in program.nodes.items()
        ]
        senders = [(name, node) for name, node in every if _type_of(node) in _SENDERS]
        return cls(
            set(catalog.journeys),
            {event for program in programs for event in _events(program)},
            dict(nodes),
            {
                f"{program.name}/{name}"
                for program in programs
                for name, node in program.nodes.items()
                if _type_of(node) == "trigger"
            },
            {node.destination for _, node in senders if _type_of(node) == "trigger"},
            any(isinstance(node, EmitEvent) for _, node in every),
            {
                *_ENDS,
                *(
                    "goal"
                    for program in programs
                    if program.journey.goal is not None and program.journey.goal.exit
                ),
                *(node.reason for _, node in every if isinstance(node, Exit)),
                *(leaving.reason for program in programs for leaving in program.journey.exit),
            },
            set(catalog.destinations),
            {text for _, node in senders if (text := getattr(node, "action", None))},
            {text for _, node in senders if (text := getattr(node, "event_name", None))},
            {name for _, node in every if isinstance(node, Experiment) for name in node.variants},
            {case for _, node in every if isinstance(node, Criteria) for case in node.cases or ()},
            {name for _, node in every if isinstance(node, Parallel) for name in node.branches},
            _payloads(senders),
            all(_PLAIN_KEY.fullmatch(one.entry.key or "") for one in catalog.versions.values())
            and not any(
                isinstance(node, EmitEvent)
                for one in catalog.versions.values()
                for node in one.nodes.values()
            ),
        )


def _type_of(node: NodeModel) -> str:
    """The node's type as documents write it."""
    return str(getattr(node, "type", ""))


def _events(program: Program) -> Iterator[str]:
    """Names of events; of a trait's change, the call that makes it."""
    for signal in _signals(program):
        yield signal if trait_of(signal) is None else IDENTIFY


def _signals(program: Program) -> Iterator[str]:
    yield from program.entry_events
    yield from program.exits
    yield from program.counts
    for awaited in program.awaits.values():
        yield from awaited
    for node in program.nodes.values():
        if isinstance(node, EmitEvent):
            yield node.event
    if program.journey.goal is not None:
        yield program.journey.goal.signal


def _payloads(senders: list[tuple[str, Any]]) -> dict[str | None, Set[str] | None]:
    """The fields of payloads by node, and under None those of all nodes; None if they depend on
    data."""
    found: dict[str | None, Set[str] | None] = {None: set()}
    for name, node in senders:
        fields = set(node.payload) if isinstance(node.payload, dict) else None
        for key in (name, None):
            known = found.get(key, set())
            found[key] = None if fields is None or known is None else {*known, *fields}
    return found


def _unknown(path: Path, word: str, kind: str, known: Set[str]) -> Iterator[Mistake]:
    if word not in known:
        tail, near = suggest(word, known)
        yield path, f"'{word}' is not {kind}{tail}", word, near


def _answers(suite: Suite, words: _Words) -> Iterator[Mistake]:
    places: list[tuple[Path, Any]] = [((), suite)]
    places += [(("tests", number), case) for number, case in enumerate(suite.tests)]
    for path, part in places:
        for index, one in enumerate(part.responses):
            at = (*path, "responses", index)
            if one.node is not None:
                yield from _unknown((*at, "node"), one.node, "a journey's trigger", words.triggers)
            if one.destination is not None:
                at = (*at, "destination")
                kind = "a destination of a trigger"
                yield from _unknown(at, one.destination, kind, words.asked)


def _case(case: Case, path: Path, every: _Words, own: dict[str, _Words]) -> Iterator[Mistake]:
    misspelt = list(_given(case, path, every))
    yield from misspelt
    for at, expect in expects(case, path):
        if expect.journey is not None and expect.journey not in every.journeys:
            yield from _unknown((*at, "journey"), expect.journey, "a journey", every.journeys)
            continue
        if not _asserts(expect):
            yield at, "expects nothing, so the test can't fail", None, None
        words = every if expect.journey is None else own[expect.journey]
        concerned = every if every.emits else words
        is_concerned = any(_names_of(one) & concerned.events for one in case.events)
        if not (is_concerned or expect.profile or misspelt):
            which = "a journey" if expect.journey is None else f"'{expect.journey}'"
            yield at, f"no event of the test concerns {which}, so it can't fail", None, None
        yield from _expected(expect, at, words)
        if expect.key is not None and words.plain_keys:
            known = known_keys([data_of(one) for one in case.events])
            at_key = (*at, "key")
            yield from _unknown(at_key, expect.key, "a key that an event of the test has", known)
        if expect.waiting is not None:
            yield from _node((*at, "waiting"), expect.waiting, words, None)
        if expect.not_ is not None:
            yield from _expected(expect.not_, (*at, "not"), words)


def _given(case: Case, path: Path, words: _Words) -> Iterator[Mistake]:
    """Events that no document names: those that look misspelt, or all if the test has only such
    events."""
    unknown = [
        (index, one.event)
        for index, one in enumerate(case.events)
        if one.event is not None and one.event not in words.events
    ]
    without_effect = [
        index
        for index, _ in unknown
        if not case.events[index].traits and not case.events[index].traits_once
    ]
    for index, event in unknown:
        at = (*path, "events", index, "event")
        near = nearest(_plain(event), map(_plain, words.events), cutoff=_SURE)
        meant = next((one for one in sorted(words.events) if _plain(one) == near), None)
        if meant is not None:
            message = f"no journey names the event '{event}': did you mean '{meant}'?"
            yield at, message, event, meant
        elif len(without_effect) == len(case.events):
            tail, near = suggest(event, words.events)
            yield at, f"no journey names the event '{event}'{tail}", event, near


def _names_of(event: Any) -> Set[str]:
    """What an event of a test is to journeys; with traits it may change some."""
    named = {event.event} if event.event is not None else {IDENTIFY}
    return {*named, IDENTIFY} if event.traits else named


def _plain(event: str) -> str:
    return re.sub(r"[\W_]+", "_", event).lower()


def _asserts(expect: Expect | Never) -> bool:
    """Whether the expectation can fail."""
    if expect.path is not None and (expect.path or isinstance(expect, Expect)):
        return True
    if expect.actions is not None and (expect.actions or isinstance(expect, Expect)):
        return True
    if expect.outcomes or expect.exit is not None:
        return True
    if isinstance(expect, Never):
        return False
    return bool(
        expect.waiting is not None
        or expect.profile
        or (expect.not_ is not None and _asserts(expect.not_))
    )


def _expected(part: Expect | Never, path: Path, words: _Words) -> Iterator[Mistake]:
    if isinstance(part, Never) and not _asserts(part):
        yield path, "forbids nothing, so it always holds", None, None
    for index, name in enumerate(part.path or ()):
        yield from _node((*path, "path", index), name, words, None)
    for index, action in enumerate(part.actions or ()):
        yield from _action(action, (*path, "actions", index), words)
    for index, like in enumerate(part.outcomes or ()):
        yield from _outcome(like, (*path, "outcomes", index), words)
    if part.exit is not None:
        reason = part.exit if isinstance(part.exit, str) else part.exit.reason
        at = (*path, "exit") if isinstance(part.exit, str) else (*path, "exit", "reason")
        if reason is not None:
            yield from _unknown(at, reason, "the reason of an exit", words.reasons)


def _node(path: Path, name: str, words: _Words, types: Set[str] | None) -> Iterator[Mistake]:
    if name not in words.nodes:
        yield from _unknown(path, name, "a node", words.nodes.keys())
    elif types is not None and not types & words.nodes[name]:
        kind = ", ".join(sorted(words.nodes[name]))
        expected = " or ".join(sorted(types))
        yield path, f"'{name}' is a node of type {kind}, expected {expected}", name, None


def _action(one: ExpectedAction, path: Path, words: _Words) -> Iterator[Mistake]:
    if one.node is not None:
        yield from _node((*path, "node"), one.node, words, _SENDERS)
    if one.destination is not None:
        at = (*path, "destination")
        yield from _unknown(at, one.destination, "a destination", words.destinations)
    if one.action is not None:
        yield from _unknown((*path, "action"), one.action, "an action of a node", words.actions)
    if one.event_name is not None:
        at = (*path, "event_name")
        yield from _unknown(at, one.event_name, "an event name of a node", words.event_names)
    fields = words.payloads.get(one.node)
    if isinstance(one.payload, dict) and fields is not None:
        for name in one.payload:
            at = (*path, "payload", name)
            yield from _unknown(at, name, "a field of such a payload", fields)


def _outcome(like: OutcomeLike, path: Path, words: _Words) -> Iterator[Mistake]:
    one = ExpectedOutcome(type=like) if isinstance(like, str) else like
    at = path if isinstance(like, str) else (*path, "type")
    if one.type not in OUTCOME_TYPES:
        yield from _unknown(at, one.type, "a type of outcome", OUTCOME_TYPES)
        return
    if one.type in _OF_WORKERS:
        yield at, f"no test produces outcomes of the type {one.type}", one.type, None
        return
    makers = _NODES_OF.get(one.type)
    if makers is not None and not any(makers & types for types in words.nodes.values()):
        kinds = " or ".join(sorted(makers))
        yield at, f"only a {kinds} reports {one.type}, and there is none", one.type, None
    if one.node is not None:
        yield from _node((*path, "node"), one.node, words, _NODES_OF.get(one.type))
    fields = set(next((names for type, names in DETAILS.items() if type == one.type), ()))
    known: dict[str, tuple[str, Set[str]]] = {
        "event": ("an event of a document", words.events),
        "destination": ("a destination", words.destinations),
        "variant": ("a variant of an experiment", words.variants),
    }
    if one.type == "journey.exited":
        known["reason"] = "the reason of an exit", words.reasons
    elif one.type in _REASONS:
        known["reason"] = f"a reason of {one.type}", _REASONS[one.type]
    if one.type in ("branch.started", "branch.ended", "branches.joined"):
        known["branch"] = "a branch of a parallel node", words.branches
    if one.type == "branch.ended":
        known["reason"] = "the reason of a branch's end", {*words.reasons, *_ENDS_OF_BRANCHES}
    if one.type == "criteria.matched":
        known["next"] = "a node", words.nodes.keys()
        known["case"] = "a case of a criteria", words.cases
    for name, value in (one.detail or {}).items():
        at = (*path, "detail", name)
        if name not in fields:
            yield from _unknown(at, name, f"a field of {one.type}", fields)
        elif name in known and isinstance(value, str):
            yield from _unknown(at, value, *known[name])
