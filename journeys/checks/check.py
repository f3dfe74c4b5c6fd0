"""Everything that makes a pushed document unacceptable, found at once.

Law: a document that passes names nothing that is not there, asks nothing that has no answer, and
can't make a step run for ever.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace

from journeys.checks.destination import check_destination
from journeys.checks.expressions import Written, check_expressions
from journeys.checks.graph import Graph, check_graph
from journeys.checks.lint import warn
from journeys.documents.destination import Destination
from journeys.documents.journey import Journey
from journeys.documents.kinds import KINDS, Document
from journeys.problems import MOST_PROBLEMS, Problem, nearest, shown, suggest
from journeys.schema.findings import Findings, TooManyError
from journeys.schema.marks import Refers
from journeys.schema.places import field_name, walk
from journeys.schema.validate import validate
from journeys.schema.yaml_source import Source, YamlNode, load


@dataclass(frozen=True, slots=True)
class Checked:
    """A document with its place.

    Attributes:
        model: None where its schema is not met.
        written: its expressions.
        graph: of a journey.
        sound: whether nothing is wrong with it but, it may be, what it refers to.
    """

    findings: Findings
    kind: str
    name: str
    model: Document | None
    written: Sequence[Written] = ()
    graph: Graph | None = None
    sound: bool = False


def check(
    files: Iterable[tuple[str, str | bytes]], in_force: Mapping[str, Mapping[str, bool]]
) -> tuple[list[Checked], list[Problem]]:
    """Checks texts that belong together.

    Args:
        files: names and texts.
        in_force: by kind and name, the documents that there are: whether they are archived.

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
            documents += [_document(source, root, not found) for root in source.documents]
    known = {kind: {**in_force.get(kind, {})} for kind in KINDS}
    for document in documents:
        # A misspelt kind is one mistake, not one more at every journey that names the document.
        kind = nearest(document.kind, KINDS)
        if document.name and kind is not None:
            known[kind][document.name] = _status(document.findings.root) == "archived"
    _duplicates(documents)
    for document in documents:
        with suppress(TooManyError):
            _references(document, known)
    order = {file: index for index, (file, _) in enumerate(files)}
    for document in documents:
        found = document.findings.problems
        problems += found
        if len(found) == MOST_PROBLEMS:
            last = max(found, key=lambda one: (one.line, one.column))
            problems.append(replace(last, message=f"only {len(found)} problems are told"))
    problems.sort(key=lambda one: (order[one.file], one.line, one.column))
    return documents, problems


def warnings(documents: Iterable[Checked]) -> list[Problem]:
    """What is hardly meant in checked documents; those of one document in the order of its text.

    A document with mistakes is not doubted before they are mended.
    """
    found: list[Problem] = []
    for document in documents:
        if document.sound and document.model is not None:
            lint = warn(document.findings, document.model, document.written, document.graph)
            found += sorted(lint, key=lambda one: (one.line, one.column))
    return found


def _document(source: Source, root: YamlNode, readable: bool) -> Checked:
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
    valid: Document | None = None
    written: list[Written] = []
    graph = None
    with suppress(TooManyError):
        valid = validate(model, findings)  # type: ignore[assignment]
        graph = check_graph(findings) if model is Journey else None
        written = check_expressions(findings, model, graph)
        if model is Destination:
            check_destination(findings)
    sound = readable and not findings.problems
    return Checked(findings, kind, name, valid, written, graph, sound)


def _unknown_kind(findings: Findings) -> None:
    given = findings.root.value.get("kind")
    if given is None:
        *most, last = (f"'{kind}'" for kind in KINDS)
        known = f"{', '.join(most)} or {last}"
        findings.at(
            findings.root,
            f"'kind' is missing in the document: expected {known}",
            expected=known,
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
        if other is not document and len(document.findings.problems) < MOST_PROBLEMS:
            place = other.findings.node(("name",))
            findings = document.findings
            findings.at(
                findings.node(("name",)),
                f"{document.kind} '{document.name}' is there twice: "
                f"the first is at {other.findings.source.file}:{place.line}:{place.column}",
                found=document.name,
            )


def _references(document: Checked, in_force: Mapping[str, Mapping[str, bool]]) -> None:
    model = KINDS.get(document.kind)
    if model is None:
        return
    findings = document.findings
    for marked in walk(model, findings.root):
        refers = next((mark for mark in marked.marks if isinstance(mark, Refers)), None)
        if refers is None or not isinstance(marked.node.value, str):
            continue
        name, known = marked.node.value, in_force[refers.kind]
        if name not in known:
            near = nearest(name, known)
            tail = f": did you mean '{near}'?" if near else ""
            findings.at(
                marked.node,
                f"{field_name(findings.root, marked.path)}: "
                f"'{name}' is not a {refers.kind.lower()}{tail}",
                found=name,
                near=near,
            )
        elif refers.kind != "Journey" and known[name] and _status(findings.root) != "archived":
            findings.at(
                marked.node,
                f"{field_name(findings.root, marked.path)}: "
                f"the {refers.kind.lower()} '{name}' is archived",
                found=name,
            )


def _word(root: YamlNode, key: str) -> str:
    node = root.value.get(key)
    return node.value if node is not None and isinstance(node.value, str) else ""


def _status(root: YamlNode) -> str:
    return _word(root, "status") or "running"
