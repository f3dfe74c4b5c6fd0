"""Everything that makes a pushed document unacceptable, found at once.

Law: a document that passes names nothing that is not there, asks nothing that has no answer, and
can't make a step run for ever.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass

from pydantic import TypeAdapter, ValidationError

from journeys.check_destination import check_destination
from journeys.check_expressions import check_expressions
from journeys.documents import KINDS, Destination, Document
from journeys.graph import cycles, reachable
from journeys.nodes import Node
from journeys.nodes.base import NextNode, NodeModel, Refers
from journeys.problems import Problem, nearest, shown, suggest
from journeys.schema import Findings, field_name, model_of, validate, walk, where
from journeys.yaml_source import Source, YamlNode, load

_NODE: TypeAdapter[NodeModel] = TypeAdapter(Node)


@dataclass(frozen=True, slots=True)
class Checked:
    """A document with its place; `model` is None where its schema is not met."""

    findings: Findings
    kind: str
    name: str
    model: Document | None


def check(
    files: Iterable[tuple[str, str | bytes]], destinations: Mapping[str, bool]
) -> tuple[list[Checked], list[Problem]]:
    """Checks texts that belong together.

    Args:
        files: names and texts.
        destinations: those in force, by name: whether they are archived.

    Returns:
        The documents and the problems, these in the order of the files and by position.
    """
    files = list(files)
    documents: list[Checked] = []
    problems: list[Problem] = []
    for file, text in files:
        source, found = load(text, file)
        problems += found
        if source is not None:
            documents += [_document(source, root) for root in source.documents]
    known = {**destinations}
    for document in documents:
        if document.kind == "Destination" and document.name:
            known[document.name] = _status(document.findings.root) == "archived"
    _duplicates(documents)
    for document in documents:
        _references(document, known)
        if document.kind == "Journey":
            _graph(document)
    order = {file: index for index, (file, _) in enumerate(files)}
    for document in documents:
        problems += document.findings.problems
    problems.sort(key=lambda one: (order[one.file], one.line, one.column, one.message))
    return documents, problems


def _document(source: Source, root: YamlNode) -> Checked:
    findings = Findings(source, root)
    if not isinstance(root.value, dict):
        found = shown(root.value)
        findings.at(root, f"found {found}, expected a document with 'kind' and 'name'", found=found)
        return Checked(findings, "", "", None)
    name = _word(root, "name")
    kind = _word(root, "kind")
    findings.document = f"{kind}/{name}" if kind and name else None
    model = KINDS.get(kind)
    if model is None:
        _unknown_kind(findings)
        return Checked(findings, kind, name, None)
    valid = validate(model, findings)
    check_expressions(findings, model)
    if model is Destination:
        check_destination(findings)
    return Checked(findings, kind, name, valid)  # type: ignore[arg-type]


def _unknown_kind(findings: Findings) -> None:
    given = findings.root.value.get("kind")
    if given is None:
        findings.at(
            findings.root,
            "'kind' is missing in the document: expected 'Journey' or 'Destination'",
            expected="'Journey' or 'Destination'",
        )
        return
    found = shown(given.value)
    tail, near = suggest(given.value if isinstance(given.value, str) else "", KINDS)
    findings.at(given, f"unknown kind {found}{tail}", found=found, near=near)


def _duplicates(documents: list[Checked]) -> None:
    first: dict[tuple[str, str], Checked] = {}
    for document in documents:
        if not (document.kind in KINDS and document.name):
            continue
        other = first.setdefault((document.kind, document.name), document)
        if other is not document:
            place = other.findings.node(("name",))
            findings = document.findings
            findings.at(
                findings.node(("name",)),
                f"{document.kind} '{document.name}' is there twice: "
                f"the first is at {other.findings.source.file}:{place.line}:{place.column}",
                found=document.name,
            )


def _references(document: Checked, destinations: Mapping[str, bool]) -> None:
    model = KINDS.get(document.kind)
    if model is None:
        return
    findings = document.findings
    for marked in walk(model, findings.root):
        refers = next((mark for mark in marked.marks if isinstance(mark, Refers)), None)
        if refers is None or not isinstance(marked.node.value, str):
            continue
        name = marked.node.value
        if name not in destinations:
            near = nearest(name, destinations)
            tail = f": did you mean '{near}'?" if near else ""
            findings.at(
                marked.node,
                f"{field_name(findings.root, marked.path)}: "
                f"'{name}' is not a {refers.kind.lower()}{tail}",
                found=name,
                near=near,
            )
        elif destinations[name] and _status(findings.root) != "archived":
            findings.at(
                marked.node,
                f"{field_name(findings.root, marked.path)}: "
                f"the {refers.kind.lower()} '{name}' is archived",
                found=name,
            )


def _graph(document: Checked) -> None:
    findings = document.findings
    nodes = findings.root.value.get("nodes")
    if nodes is None or not isinstance(nodes.value, dict) or not nodes.value:
        return
    names = list(nodes.value)
    edges: dict[str, list[str]] = {name: [] for name in names}
    blocking: set[str] = set()
    certain = True
    for name, below in zip(names, [*names[1:], None], strict=True):
        node = nodes.value[name]
        model = _node_model(node)
        certain = certain and model is not None
        kind = model_of(Node, node)
        if kind is None or getattr(kind, "blocking", False):
            blocking.add(name)
        for path, target in _targets(node, name):
            if target in edges:
                edges[name].append(target)
                continue
            place = findings.node(path)
            tail, near = suggest(target, names)
            findings.at(
                place,
                f"{field_name(findings.root, path)}: '{target}' is not a node{tail}",
                found=target,
                near=near,
            )
            if near is None:
                certain = False
            else:
                edges[name].append(near)
        falls = model.falls_through and getattr(model, "next", None) is None if model else False
        if falls and below is not None:
            edges[name].append(below)
    if certain:
        _reached(findings, edges)
    for cycle in cycles(edges, blocking):
        ring = " -> ".join([*cycle, cycle[0]])
        findings.at(
            findings.key(("nodes", cycle[0])),
            f"the nodes {ring} go round without waiting: "
            "expected a delay or a wait_for_event among them",
            found=ring,
            expected="a delay or a wait_for_event",
        )


def _reached(findings: Findings, edges: Mapping[str, Collection[str]]) -> None:
    reached = reachable(edges, [next(iter(edges))])
    for name in edges:
        if name not in reached:
            findings.at(
                findings.key(("nodes", name)),
                f"{where(findings.root, ('nodes', name))} can't be reached: no node leads to it",
                found=name,
            )


def _node_model(node: YamlNode) -> NodeModel | None:
    try:
        return _NODE.validate_python(node.plain(), by_alias=True, by_name=False)
    except ValidationError:
        return None


def _targets(node: YamlNode, name: str) -> Iterable[tuple[tuple[str | int, ...], str]]:
    for marked in walk(Node, node, ("nodes", name)):
        if any(isinstance(mark, NextNode) for mark in marked.marks) and isinstance(
            marked.node.value, str
        ):
            yield marked.path, marked.node.value


def _word(root: YamlNode, key: str) -> str:
    node = root.value.get(key)
    return node.value if node is not None and isinstance(node.value, str) else ""


def _status(root: YamlNode) -> str:
    return _word(root, "status") or "running"
