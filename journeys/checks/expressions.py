"""Checks of the expressions in a document, each at its own place in the text.

Law: an accepted expression compiles, has a type that its field can use, and names only nodes,
captures and labels that can exist when it is evaluated.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel

from journeys.checks.graph import Graph
from journeys.checks.lets import LET, DocumentLets, lets_of, only_let
from journeys.documents.kind import NameCheck, NameProblem
from journeys.expressions.expression import CelError, Expression, compile_cel
from journeys.expressions.hints import kind_in_words
from journeys.expressions.interpolation import UnclosedError
from journeys.expressions.lets import BrokenLet
from journeys.expressions.origins import Names, Origins
from journeys.expressions.templates import data_expressions
from journeys.nodes import Node
from journeys.problems import short, suggest
from journeys.schema.annotations import model_of, text_at
from journeys.schema.fields import Holds
from journeys.schema.findings import Findings
from journeys.schema.marks import Path
from journeys.schema.places import field_name, walk
from journeys.schema.yaml_source import YamlNode
from journeys.time import is_time

_DATE = re.compile(r"\d{4}-\d\d-\d\d")
_OUTSIDE = {"entry": "the entry", "exit": "a global exit", "goal": "the goal"}


@dataclass(frozen=True, slots=True)
class Written:
    """An expression of a document.

    Attributes:
        start: where it begins in the text of its field with lets written out, in characters.
        path: of the field, in the document.
    """

    expression: Expression
    start: int
    node: YamlNode
    path: Path
    holds: Holds
    origins: Origins

    def place(self, offset: int = 0) -> tuple[int, Names]:
        """Where a character of the expression is in the text of the field as written, and the lets
        that it comes from."""
        return self.origins.of(self.start + offset)


@dataclass(frozen=True, slots=True)
class _Names:
    """What expressions of a journey can name.

    Attributes:
        captures: by node, what it captures; None if the type of the node is unknown.
        responses: by node, the labels of its response, if it has any.
        labels: by label, the nodes and branches that set it.
        resets: the waits that capture an event also if they time out.
    """

    captures: dict[str, frozenset[str] | None]
    types: dict[str, str]
    responses: dict[str, list[str]]
    labels: dict[str, list[Path]]
    resets: frozenset[str]
    graph: Graph | None

    def is_set(self, label: str, here: Path) -> bool:
        """Whether an instance can have the label at the place of an expression."""
        own = "set" in here and any(part[1] == here[1] for part in self.labels[label])
        return own or any(self._leads(part, here, ()) for part in self.labels[label])

    def has_captured(self, node: str, here: Path) -> bool:
        own = node == here[1] and "set" in here
        but = () if node in self.resets else ("on_timeout",)
        return own or self._leads(("nodes", node), here, but)

    def _leads(self, part: Path, here: Path, but_by: tuple[str, ...]) -> bool:
        """Whether a way from a node, or a part of it, leads to the place of an expression."""
        if self.graph is None or not self.graph.certain:
            return True
        return any(
            way.target == here[1] or self.graph.leads(way.target, str(here[1]))
            for way in self.graph.ways_from(part)
            if way.path is None or way.path[-1] not in but_by
        )


def check_expressions(
    findings: Findings, model: type[BaseModel], names: NameCheck
) -> list[Written]:
    """Adds the problems of a document's expressions, and returns those that compile."""
    lets = lets_of(findings, model, names)
    written: list[Written] = []
    for name, expression in lets.sound.items():
        origins = Origins(expression.text)
        node = findings.node(("let", name))
        written.append(Written(expression, 0, node, ("let", name), LET, origins))
    for marked in walk(model, findings.root):
        for holds in (mark for mark in marked.marks if isinstance(mark, Holds)):
            for node, text, path in _texts(marked.node, marked.path, holds):
                written += _check(findings, lets, holds, names, node, text, path)
    return written


def _texts(node: YamlNode, path: Path, holds: Holds) -> Iterator[tuple[YamlNode, str, Path]]:
    """The texts of a field that are or contain expressions."""
    if holds.whole:
        if isinstance(node.value, str) and node.value not in holds.literals:
            yield node, node.value, path
    elif isinstance(node.value, str):
        if "${" in node.value:
            yield node, node.value, path
    elif isinstance(node.value, dict):
        for key, below in node.value.items():
            yield from _texts(below, (*path, key), holds)
    elif isinstance(node.value, list):
        for index, below in enumerate(node.value):
            yield from _texts(below, (*path, index), holds)


def _check(
    findings: Findings,
    lets: DocumentLets,
    holds: Holds,
    names: NameCheck,
    node: YamlNode,
    text: str,
    path: Path,
) -> list[Written]:
    origins = Origins(text)
    alone: Names = ()

    def problem(
        at: int, message: str, found: str | None = None, near: str | None = None, inside: Names = ()
    ) -> None:
        place, names = origins.of(at)
        findings.at(
            findings.source.position(node, place),
            f"{field_name(findings.root, path)}: {lets.within(names or inside)}{message}",
            found=found,
            near=near,
        )

    try:
        out = lets.write_out(text, whole=holds.whole)
        origins = Origins(out)
        if holds.whole:
            found = [(compile_cel(out), 0)]
        else:
            found = data_expressions(out, env=holds.env, duration=holds.kind == "duration")
    except (BrokenLet, UnclosedError) as error:
        if isinstance(error, UnclosedError):
            problem(error.offset, str(error))
        return []
    except CelError as error:
        message = error.message
        if "timestamp" in holds.types and is_time(text):
            message = f"found a plain time, expected CEL: timestamp('{text}')"
        if not text.strip() and holds.kind == "condition":
            message = "an empty condition: expected CEL that is true or false"
        problem(error.offset, message, near=error.nearest)
        return []
    if holds.kind == "duration" and [out] != [f"${{{one.text}}}" for one, _ in found]:
        problem(0, "expected one expression alone, such as ${days(user.traits.trial_days)}", text)
        return []
    for expression, start in found:
        alone = only_let(expression.written)
        if holds.kind == "condition" and expression.type not in ("bool", "dyn"):
            found_kind = kind_in_words(expression.type)
            message = f"the condition is {found_kind}, expected true or false"
            problem(0, message, expression.type, inside=alone)
        if "timestamp" in holds.types and _DATE.fullmatch(text.strip()):
            # CEL would subtract the month and the day from the year.
            problem(0, f"found a plain date, expected CEL: timestamp('{text.strip()}T00:00:00Z')")
        elif holds.types and expression.type not in (*holds.types, "dyn"):
            kinds = [kind_in_words(kind) for kind in holds.types if kind != "uint"]
            expected = " or ".join([", ".join(kinds[:-1]), kinds[-1]])
            if "timestamp" in holds.types and expression.type in ("int", "uint", "double"):
                expected += ": write seconds(x) or ms(x), which say what the number counts"
            if "duration" in holds.types and expression.type in ("int", "uint", "double"):
                expected += ": write hours(x) or days(x), which say what the number counts"
            problem(
                0,
                f"the value is {kind_in_words(expression.type)}, expected {expected}",
                expression.type,
                inside=alone,
            )
        for message, at, near in names(expression, holds, path):
            problem(start + at, message, near=near)
    return [Written(one, start, node, path, holds, origins) for one, start in found]


def names_on_the_way(findings: Findings, graph: Graph | None) -> NameCheck:
    """What expressions of a journey may name, depending on their place."""
    names = _names(findings.root, graph)

    def names_of(expression: Expression, _: Holds, path: Path) -> Iterator[NameProblem]:
        yield from _journey_names(expression, names, path)
        if path[0] == "let":
            return  # judged where the let is read
        offsets = next((at for of, at in expression.offsets.items() if of[0] == "before"), None)
        if offsets is not None and not _of_change(findings.root, path):
            why = "'before' has a value only in the 'where' of a trait's change, beside 'changes'"
            if path[0] == "nodes":
                why += ": to use an old value here, keep it in a trait of its own"
            yield why, offsets[0], None

    return names_of


def _of_change(root: YamlNode, path: Path) -> bool:
    """Whether the path is the `where` of a part that can listen for a trait's change."""
    part = root
    for name in path[:-1]:
        inside: Any = part.value
        part = inside[name]
    if path[-1] != "where" or not isinstance(part.value, dict):
        return False
    several = part.value.get("any_of")
    ways = several.value if several is not None and isinstance(several.value, list) else []
    return any(isinstance(one.value, dict) and "changes" in one.value for one in [part, *ways])


def _journey_names(expression: Expression, names: _Names, path: Path) -> Iterator[NameProblem]:
    for reference, offsets in expression.offsets.items():
        if reference[0] not in ("steps", "attr") or len(reference) < 2:
            continue
        root, name = reference[:2]
        anywhere = path[0] == "let"  # a let is read at other places, and checked there again
        if path[0] in _OUTSIDE:
            if path[0] == "entry":
                message = f"'{root}' has no value yet in the entry"
            else:
                known = "event, entry, user, journey or now"
                message = f"'{root}' can't be read in {_OUTSIDE[str(path[0])]}: expected {known}"
            yield message, offsets[0], None
        elif root == "attr":
            if name not in names.labels:
                tail, near = suggest(name, names.labels)
                yield f"no node sets '{name}'{tail}", offsets[1], near
            elif not anywhere and not names.is_set(name, path):
                yield f"no node on the way to '{path[1]}' sets '{name}'", offsets[1], None
        else:
            yield from _step_names(reference, offsets, names, path)


def _step_names(
    reference: Path, offsets: tuple[int, ...], names: _Names, path: Path
) -> Iterator[NameProblem]:
    name = str(reference[1])
    captured = names.captures.get(name)
    if name not in names.captures:
        tail, near = suggest(name, names.captures)
        yield f"'{name}' is not a node{tail}", offsets[1], near
    elif captured is None:
        return  # the type is reported
    elif not captured:
        yield f"node '{name}' ({names.types[name]}) captures nothing", offsets[1], None
    elif len(reference) > 2 and reference[2] not in captured:
        tail, near = suggest(str(reference[2]), captured)
        yield f"node '{name}' captures no '{reference[2]}'{tail}", offsets[2], near
    elif (
        len(reference) > 3
        and reference[2] == "response"
        and (reference[3] not in names.responses.get(name, ()))
    ):
        tail, near = suggest(str(reference[3]), names.responses.get(name, ()))
        message = f"node '{name}' extracts no '{reference[3]}' from its response{tail}"
        yield message, offsets[3], near
    elif path[0] == "let":
        return  # it is read at other places, and checked there again
    elif name == path[1] and not names.has_captured(name, path):
        message = f"node '{name}' has no value yet when it is reached for the first time"
        yield message, offsets[1], None
    elif not names.has_captured(name, path):
        message = f"node '{name}' is on no way to '{path[1]}', so it has no value there"
        yield message, offsets[1], None


def _names(root: YamlNode, graph: Graph | None) -> _Names:
    nodes = root.value.get("nodes")
    captures: dict[str, frozenset[str] | None] = {}
    types: dict[str, str] = {}
    responses: dict[str, list[str]] = {}
    labels: dict[str, list[Path]] = {}
    resets: set[str] = set()
    if nodes is not None and isinstance(nodes.value, dict):
        for name, node in nodes.value.items():
            model = model_of(Node, node)
            captures[name] = None if model is None else getattr(model, "captures", frozenset())
            types[name] = _type(node)
            if _resets(node):
                resets.add(name)
            response = node.value.get("response") if isinstance(node.value, dict) else None
            if response is not None and isinstance(response.value, dict):
                responses[name] = list(response.value)
            for label, part in _labels(node, ("nodes", name)):
                labels.setdefault(label, []).append(part)
    return _Names(captures, types, responses, labels, frozenset(resets), graph)


def _resets(node: YamlNode) -> bool:
    """Whether an event can start the time limit of a wait anew."""
    ways = node.value.get("any_of") if isinstance(node.value, dict) else None
    return (
        ways is not None
        and isinstance(ways.value, list)
        and any(isinstance(way.value, dict) and "reset" in way.value for way in ways.value)
    )


def _type(node: YamlNode) -> str:
    kind = text_at(node, "type")
    return short(kind) if kind else "without a type"


def _labels(node: YamlNode, part: Path) -> Iterator[tuple[str, Path]]:
    """The labels that a node or its branches set, and which of them sets each."""
    if isinstance(node.value, dict):
        written: Any = node.value.get("set")
        if written is not None and isinstance(written.value, dict):
            for label in written.value:
                yield label, part
        for key, below in node.value.items():
            if key not in ("set", "payload", "traits", "properties"):
                yield from _labels(below, (*part, key))
    elif isinstance(node.value, list):
        for index, below in enumerate(node.value):
            yield from _labels(below, (*part, index))
