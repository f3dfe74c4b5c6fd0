"""Warnings about expressions that are valid but probably mistakes, and about data that was probably
meant as an expression.

Law: a warning is given where the result is always the same, or where the text misleads a reader;
what depends on data gets none.
"""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Iterator, Sequence

from pydantic import BaseModel

from journeys.calendar import LOCAL, PERIOD
from journeys.checks.expressions import Written
from journeys.checks.graph import Graph
from journeys.checks.lets import only_let
from journeys.documents.journey import Journey
from journeys.expressions.errors import CelError
from journeys.expressions.expression import ExpressionFailed, Scope, compile_cel
from journeys.expressions.interpolation import pieces
from journeys.expressions.lets import uses
from journeys.problems import short
from journeys.schema.fields import Holds
from journeys.schema.findings import Findings
from journeys.schema.marks import Path
from journeys.schema.places import field_name, walk
from journeys.schema.yaml_source import YamlNode

_PATH = re.compile(r"\s*(event|entry|steps|attr|user|journey|let)\s*[.\[]\s*['\"]?\w")
_OTHER_TEMPLATE = re.compile(
    r"(?:(?<!\$)[#%]?\{\{?-?|\$(?!\{)|<%=?)\s*((?:event|entry|steps|attr|user|journey|let)\.\w[\w.]*)"
)
_EXPECTED = {
    "timestamp": "a time such as '2026-03-01T09:00:00Z'",
    "duration": "a duration such as '90s', '15m' or '1h30m'",
    "matches": "a regular expression (RE2)",
    "period": PERIOD,
    "zone": "the name of a time zone such as 'Europe/Berlin'",
    "local": LOCAL,
    "anniversary": "a date, with or without a time, such as '1980-02-29'",
}
_PROBES = {
    "timestamp": "timestamp({})",
    "duration": "duration({})",
    "matches": "''.matches({})",
    "period": "plus(seconds(0), {})",
    "zone": "date(seconds(0), {})",
    "local": "local({}, 'UTC')",
    "anniversary": "next_anniversary({}, 'UTC')",
}
"""Expressions that fail if a literal doesn't have its form."""
_WORDS = frozenset("yes no on off y n Yes No On Off YES NO ON OFF Y N".split())


def lint_expressions(
    findings: Findings, model: type[BaseModel], written: Sequence[Written]
) -> None:
    """Adds warnings about the expressions and the data of a document without mistakes."""
    for one in written:
        _constant(findings, one)
        _calls(findings, one)
    for marked in walk(model, findings.root):
        if any(isinstance(mark, Holds) and mark.kind == "data" for mark in marked.marks):
            _data(findings, marked.node, marked.path)


def lint_journey_expressions(
    findings: Findings, journey: Journey, written: Sequence[Written], graph: Graph | None
) -> None:
    """Adds warnings about expressions of a journey that read what can't exist at their place."""
    for one in written:
        _key(findings, journey, one)
        _has_captured(findings, one)
        _before(findings, one)
    if graph is not None:
        _no_event(findings, journey, written, graph)


def reads(written: Sequence[Written], root: str) -> set[tuple[str, ...]]:
    """All paths that the expressions read below a root name."""
    return {path for one in written for path in one.expression.paths if path[0] == root}


def _warn(findings: Findings, one: Written, message: str, offset: int = 0) -> None:
    place = findings.source.position(one.node, one.place(offset)[0])
    findings.warn(place, f"{field_name(findings.root, one.path)}: {message}")


def _constant(findings: Findings, one: Written) -> None:
    if one.holds.kind != "condition":
        return
    if one.expression.paths:
        return
    try:
        value = one.expression.evaluate(Scope())
    except ExpressionFailed as error:
        _warn(findings, one, f"the condition always fails, so it never holds: {error.why}")
    else:
        always = "true" if value is True else "false"
        _warn(findings, one, f"the condition is always {always}: expected one that reads data")


def _calls(findings: Findings, one: Written) -> None:
    """Literal texts that are not a valid time, duration, zone or pattern."""
    for call in one.expression.calls:
        if one.place(call.offset)[1]:
            continue  # reported where the let is defined
        text = json.dumps(call.text)
        try:
            compile_cel(_PROBES[call.form].format(text)).evaluate(Scope())
        except (CelError, ExpressionFailed):
            why = f"'{call.function}' always fails: found '{short(call.text)}', expected"
            _warn(findings, one, f"{why} {_EXPECTED[call.form]}", call.offset)


def _key(findings: Findings, journey: Journey, one: Written) -> None:
    """`journey.key` where instances have no key."""
    if ("journey", "key") not in one.expression.offsets:
        return
    offset = one.expression.offsets["journey", "key"][1]
    if one.path[0] == "entry":
        why = "'journey.key' has no value yet in the entry: it always fails"
        _warn(findings, one, why, offset)
    elif journey.entry.key is None:
        why = "'journey.key' always fails: expected a 'key' in the entry"
        _warn(findings, one, why, offset)


def _has_captured(findings: Findings, one: Written) -> None:
    """`has` of what a node captures: if it has captured nothing, `steps.<node>` is missing too."""
    for path in sorted(one.expression.tested):
        if path[0] != "steps" or len(path) != 3:
            continue
        offset = one.expression.offsets[path][0]
        if not one.place(offset)[1]:  # else reported where the let is defined
            node = f"steps.{path[1]}" if path[1].isidentifier() else f'steps["{path[1]}"]'
            why = f"'has' fails if '{path[1]}' has captured nothing: expected has({node})"
            _warn(findings, one, why, offset)


def _before(findings: Findings, one: Written) -> None:
    """`before.traits.x`, written as `user.traits.x` is."""
    for path, offsets in one.expression.offsets.items():
        if path[:2] == ("before", "traits") and len(path) > 2:
            why = f"'before' holds the traits themselves: did you mean 'before.{short(path[2])}'?"
            _warn(findings, one, why, offsets[1])


# --- Steps without an event ----------------------------------------------------------------------


def _no_event(
    findings: Findings, journey: Journey, written: Sequence[Written], graph: Graph
) -> None:
    """`event` where a node is reached, or left, by the clock or a response."""
    reached = _reached(journey, graph)
    for one in written:
        offsets = [at[0] for path, at in one.expression.offsets.items() if path[0] == "event"]
        if not offsets or one.path[0] != "nodes":
            continue
        having = _having(journey, graph, reached, one.path)
        if False in having:
            way = "expected 'entry' or 'steps.<node>.event'"
            when = "here" if having == {False} else "on some of the ways here"
            _warn(findings, one, f"there is no event {when}, so it fails: {way}", min(offsets))


def _reached(journey: Journey, graph: Graph) -> dict[str, set[bool]]:
    """For each node, whether there is an event when it is reached."""
    reached: dict[str, set[bool]] = {name: set() for name in journey.nodes}
    waiting = [(journey.first, True)]
    while waiting:
        name, event = waiting.pop()
        if event in reached[name]:
            continue
        reached[name].add(event)
        for way in graph.ways_from(("nodes", name)):
            waiting += [(way.target, one) for one in _left(journey, way.source, way.path, event)]
    return reached


def _left(journey: Journey, name: str, path: Path | None, event: bool) -> Iterator[bool]:
    """Whether there is an event when an instance takes a way from a node; `event`: whether there
    was one when it reached the node."""
    for mover in journey.nodes[name].moved_by(None if path is None else path[2:]):
        yield event if mover == "here" else mover == "event"


def _having(journey: Journey, graph: Graph, reached: dict[str, set[bool]], path: Path) -> set[bool]:
    """Whether there is an event where an expression is evaluated."""
    name = str(path[1])
    if "set" not in path[2:]:
        return {True} if journey.nodes[name].awaits() else reached[name]
    part = path[: path.index("set", 2)]
    ways: Collection[Path | None] = [way.path for way in graph.ways_from(part)] or [None]
    return {
        left for way in ways for event in reached[name] for left in _left(journey, name, way, event)
    }


# --- Data ----------------------------------------------------------------------------------------


def _data(findings: Findings, node: YamlNode, path: Path) -> None:
    if isinstance(node.value, dict):
        for key, below in node.value.items():
            _data(findings, below, (*path, key))
    elif isinstance(node.value, list):
        for index, below in enumerate(node.value):
            _data(findings, below, (*path, index))
    elif isinstance(node.value, str):
        _text(findings, node, path)


def _text(findings: Findings, node: YamlNode, path: Path) -> None:
    text = node.value
    name = field_name(findings.root, path)
    if (at := text.find("$${")) >= 0:
        way = "'$${' is sent as '${': write '${...}' where an expression is meant"
        findings.warn(findings.source.position(node, at), f"{name}: {way}")
    if node.style is None and text in _WORDS:
        findings.warn(
            node, f"{name}: '{text}' is text: expected true or false, or the text in quotes"
        )
    elif "${" not in text and _PATH.match(text) and _is_cel(text):
        findings.warn(
            node, f"{name}: this is sent as it stands: expected '${{{short(text.strip())}}}'"
        )
    else:
        for part in pieces(text):
            if isinstance(part, str) and (found := _OTHER_TEMPLATE.search(part)) is not None:
                place = findings.source.position(node, max(text.find(found[0]), 0))
                shown, meant = short(found[0]), short(found[1])
                findings.warn(
                    place, f"{name}: '{shown}' is sent as it stands: expected '${{{meant}}}'"
                )
                return


def _is_cel(text: str) -> bool:
    try:
        if any(uses(text)):
            return only_let(text) != ()
        return any(len(path) > 1 for path in compile_cel(text.strip()).paths)
    except CelError:
        return False
