"""Warnings about parts of a journey that are valid but probably mistakes; they never reject it.

Law: only a document without mistakes gets warnings, and each says what to write instead.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from journeys.checks.expressions import Written
from journeys.checks.graph import Graph
from journeys.checks.lint_expressions import lint_journey_expressions, reads
from journeys.checks.lookalikes import distinguished, look_of, names_in
from journeys.documents.journey import Journey
from journeys.expressions.hints import kind_in_words
from journeys.expressions.lets import uses
from journeys.problems import short
from journeys.schema.fields import TRAIT_NAME
from journeys.schema.findings import Findings
from journeys.schema.marks import Path
from journeys.schema.places import field_name, walk
from journeys.schema.yaml_source import YamlNode
from journeys.time import format_duration

Awaiting = tuple[Path, str, Any]
"""A part that awaits events: its path, its name in messages, and its model."""


def lint_journey(
    findings: Findings, journey: Journey, written: Sequence[Written], graph: Graph | None
) -> None:
    """Adds the warnings about a journey without mistakes.

    Args:
        written: its expressions.
        graph: its ways; None if they are not known.
    """
    _nodes(findings, journey, written)
    _entries(findings, journey)
    _instances(findings, journey)
    _keys(findings, journey, written)
    _goal(findings, journey)
    _traits(findings)
    _labels(findings, journey, written)
    _lets(findings, written)
    _loops(findings, journey)
    _spelling(findings, written)
    lint_journey_expressions(findings, journey, written, graph)


def _nodes(findings: Findings, journey: Journey, written: Sequence[Written]) -> None:
    """The warnings of each node type about its own node."""
    read = {name for path in reads(written, "steps") for name in (path[1:2] or journey.nodes)}
    for name, node in journey.nodes.items():
        for warning in node.lint(name in read):
            path = ("nodes", name, *warning.path)
            place = findings.key(path) if warning.path[-1] == "next" else findings.node(path)
            findings.warn(place, f"{field_name(findings.root, path)}: {warning.message}")


def _entries(findings: Findings, journey: Journey) -> None:
    """Alternatives of the entry that never apply: an earlier one takes all of their events."""
    ways = journey.entry.any_of or []
    for index, one in enumerate(ways):
        for before, other in enumerate(ways[:index]):
            if other.signal == one.signal and other.where in (None, one.where):
                path = ("entry", "any_of", index)
                findings.warn(
                    findings.node(path),
                    f"{field_name(findings.root, path)}: 'any_of[{before}]' already takes every "
                    "such event: this one adds nothing",
                )
                break


# --- Several instances of one user ---------------------------------------------------------------


def _awaiting(journey: Journey) -> Iterator[Awaiting]:
    """All parts that compare an instance's key with an event's."""
    for name, node in journey.nodes.items():
        if node.awaits() and hasattr(node, "match"):
            yield ("nodes", name), f"'{name}'", node
    goal = journey.goal
    if goal is not None:
        yield ("goal",), "the goal", goal


def _instances(findings: Findings, journey: Journey) -> None:
    """Waits where one event moves several instances of a user, as no key tells them apart."""
    if journey.entry.reentry != "every_time":
        return
    awaiting = list(_awaiting(journey))
    if journey.entry.key is None:
        names = [shown for _, shown, _ in awaiting]
        if names:
            more = f" (and {len(names) - 3} more)" if len(names) > 3 else ""
            findings.warn(
                findings.key(("entry",)),
                "the entry: a user can have several instances, and one event that "
                f"{' or '.join(names[:3])}{more} awaits moves all of them: "
                "expected a 'key', or 'reentry: after_exit'",
            )
        return
    for path, _, part in awaiting:
        if part.match == "none":
            findings.warn(
                findings.node((*path, "match")),
                f"{field_name(findings.root, (*path, 'match'))}: a user can have an instance for "
                "each key, and one event moves all of them: expected CEL of their key, or "
                "'reentry: after_exit' in the entry",
            )


def _keys(findings: Findings, journey: Journey, written: Sequence[Written]) -> None:
    """Keys and matches that are the same for every event, or match none."""
    awaiting = list(_awaiting(journey))
    exits: list[Any] = list(journey.exit)
    awaiting += [(("exit", index), "", part) for index, part in enumerate(exits)]
    matched = {(*path, "match"): part for path, _, part in awaiting if part.match is not None}
    inherits = any(part.match is None for path, _, part in awaiting if path[0] != "exit")
    for one in written:
        paths = one.expression.paths
        if one.path == ("entry", "key"):
            if not paths:
                why = "the key is the same for every event: expected CEL that reads 'event'"
                _at(findings, one, why)
            elif inherits and any(path[0] == "entry" for path in paths):
                why = "this is also evaluated for awaited events: expected 'event' for 'entry'"
                _at(findings, one, why)
        elif one.path in matched:
            if journey.entry.key is None:
                why = "it never matches: the entry has no 'key' to compare it with"
                _at(findings, one, why)
            elif one.expression.type not in ("string", "int", "uint", "bool", "dyn"):
                kind = kind_in_words(one.expression.type)
                why = f"it never matches: {kind} is not a key, expected text or an int"
                _at(findings, one, why)
            elif not any(path[0] == "event" for path in paths):
                why = "it is the same for every event: expected CEL that reads 'event', or 'none'"
                _at(findings, one, why)


def _goal(findings: Findings, journey: Journey) -> None:
    """Waits that outlast the window of the goal."""
    goal = journey.goal
    window = goal.within if goal is not None else None
    if window is None:
        return
    for name, node in journey.nodes.items():
        within = getattr(node, "within", None)
        if within == "forever" or (isinstance(within, int) and within > window):
            path = ("nodes", name, "within")
            findings.warn(
                findings.node(path),
                f"{field_name(findings.root, path)}: it outlasts the goal's window, which ends "
                f"{format_duration(window)} after the entry",
            )


def _loops(findings: Findings, journey: Journey) -> None:
    """Events that a journey emits and that start the journey again."""
    if journey.entry.reentry != "every_time" or journey.entry.key is not None:
        return
    own = {one.signal for one in journey.entry.events}
    for name, node in journey.nodes.items():
        if own.intersection(node.emits()):
            path = ("nodes", name, "event")
            findings.warn(
                findings.node(path),
                f"{field_name(findings.root, path)}: this event enters the journey again, up to 16 "
                "times in a row: expected another event, or a 'key' or 'reentry' of the entry",
            )


# --- Names ---------------------------------------------------------------------------------------


def _traits(findings: Findings) -> None:
    """`changes` with the path by which expressions read a trait, instead of its name."""
    for marked in walk(Journey, findings.root):
        found = marked.node.value
        if TRAIT_NAME not in marked.marks or not isinstance(found, str):
            continue
        name = re.sub(r"^(user\.traits|traits|before)\.", "", found)
        if name != found:
            why = f"expected the name of a trait: found '{short(found)}'"
            where = field_name(findings.root, marked.path)
            findings.warn(marked.node, f"{where}: {why}: did you mean '{short(name)}'?")


def _labels(findings: Findings, journey: Journey, written: Sequence[Written]) -> None:
    """Labels that no expression reads."""
    read = reads(written, "attr")
    if ("attr",) in read:
        return
    names = {path[1] for path in read}
    for path in _sets(findings.root.value["nodes"], ("nodes",)):
        for label in findings.node(path).value:
            if label not in names:
                place = (*path, label)
                findings.warn(
                    findings.key(place),
                    f"{field_name(findings.root, place)}: no expression reads 'attr.{label}'",
                    found=label,
                )


def _lets(findings: Findings, written: Sequence[Written]) -> None:
    """Lets that no expression reads."""
    read = {use.name for one in written for use in uses(one.expression.written)}
    for one in written:
        if one.path[0] == "let" and one.path[1] not in read:
            name = str(one.path[1])
            place = field_name(findings.root, one.path)
            findings.warn(
                findings.key(one.path), f"{place}: no expression reads 'let.{name}'", found=name
            )


def _sets(node: YamlNode, path: Path) -> Iterator[Path]:
    """Where labels are set."""
    if len(path) > 2 and path[-1] == "set":
        yield path
    elif not (len(path) == 3 and path[-1] in ("payload", "traits", "properties", "response")):
        below: Iterable[tuple[Any, YamlNode]] = ()
        if isinstance(node.value, dict):
            below = node.value.items()
        elif isinstance(node.value, list):
            below = enumerate(node.value)
        for key, value in below:
            yield from _sets(value, (*path, key))


def _spelling(findings: Findings, written: Sequence[Written]) -> None:
    """Names of events, properties and traits that differ only in case or punctuation."""
    seen: dict[tuple[str, str], tuple[str, int]] = {}
    for what, name, place in sorted(names_in(findings, Journey, written), key=lambda one: one[2]):
        plain = "".join(char for char in look_of(name).casefold() if char.isalnum())
        first, line = seen.setdefault((what, plain), (name, place[0]))
        if plain and first != name:
            one, other = distinguished(name, first)
            findings.warn(
                place,
                f"the {what} {one} is written {other} on line {line}: is a different one meant?",
                found=name,
                near=first,
            )


def _at(findings: Findings, one: Written, message: str) -> None:
    place = findings.source.position(one.node, one.place()[0])
    findings.warn(place, f"{field_name(findings.root, one.path)}: {message}")
