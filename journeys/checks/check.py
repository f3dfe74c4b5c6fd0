"""Everything that makes a pushed document unacceptable, found at once.

Law: an accepted document refers only to what exists, reads only what can have a value, and can't
make a step run for ever.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from types import MappingProxyType

from journeys.checks.expressions import Written, check_expressions, names_on_the_way
from journeys.checks.graph import Graph, check_graph
from journeys.checks.lint import lint_journey
from journeys.checks.lint_expressions import lint_expressions
from journeys.checks.lookalikes import lint_lookalikes
from journeys.documents.journey import Journey
from journeys.documents.kind import Document, Kind, Kinds, NameCheck
from journeys.problems import MOST_IN_ALL, MOST_PROBLEMS, Problem, nearest, shown, suggest
from journeys.schema.findings import Findings, TooManyError
from journeys.schema.marks import Refers
from journeys.schema.places import field_name, walk
from journeys.schema.validate import validate, validate_written_out
from journeys.schema.yaml_source import Source, YamlNode, load


@dataclass(slots=True)
class Context:
    """The checks, as a kind asks for them: `journeys.documents.kind.CheckContext`.

    Attributes:
        model: the fields that the document should have.
        written: its expressions that compile.
        graph: the ways between its nodes, once `check_ways` has run.
    """

    findings: Findings
    model: type[Document]
    written: Sequence[Written] = ()
    graph: Graph | None = None

    def check_expressions(self, names: NameCheck) -> None:
        self.written = check_expressions(self.findings, self.model, names)

    def check_ways(self) -> None:
        self.graph = check_graph(self.findings)

    def names_on_the_way(self) -> NameCheck:
        return names_on_the_way(self.findings, self.graph)

    def lint_expressions(self) -> None:
        lint_expressions(self.findings, self.model, self.written)

    def lint_journey(self, journey: Journey) -> None:
        lint_journey(self.findings, journey, self.written, self.graph)


@dataclass(frozen=True, slots=True)
class Checked:
    """A document and what its checks found.

    Attributes:
        kind: as written; `definition` is None if there is no such kind.
        model: None if the document doesn't fit its schema.
        context: what its checks have found; None if there is no such kind.
        sound: whether it has no problems, apart from what it refers to.
    """

    findings: Findings
    kind: str
    name: str
    definition: Kind | None = None
    model: Document | None = None
    context: Context | None = None
    sound: bool = False

    @property
    def valid(self) -> Document:
        """The model of a document without problems."""
        assert self.model is not None, "a document without a model has problems"
        return self.model


def check(
    files: Iterable[tuple[str, str | bytes]],
    kinds: Kinds,
    known_names: Mapping[str, Mapping[str, bool]] = MappingProxyType({}),
    *,
    references: bool = True,
) -> tuple[list[Checked], list[Problem]]:
    """Checks texts that belong together.

    Args:
        files: names and texts.
        known_names: by kind and name, whether each existing document is archived.
        references: check that the documents that others name exist.

    Returns:
        The documents, and the problems in the order of the files and by position.
    """
    files = list(files)
    documents: list[Checked] = []
    problems: list[Problem] = []
    wrong = 0
    for file, text in files:
        source, found = load(text, file)
        problems += found
        wrong += len(found)
        if source is None:
            continue
        for root in source.documents:
            documents.append(_document(source, root, kinds, not found))
            wrong += len(documents[-1].findings.problems)
            if wrong >= MOST_IN_ALL:
                break
    if (
        wrong < MOST_IN_ALL
    ):  # beyond that some files are unread, and references to them would seem broken
        _check_together(documents, kinds, known_names, references)
    order = {file: index for index, (file, _) in enumerate(files)}
    for document in documents:
        found = document.findings.problems
        problems += found
        if len(found) == MOST_PROBLEMS:
            last = max(found, key=lambda one: (one.line, one.column))
            problems.append(replace(last, message=f"only {len(found)} problems are shown"))
    problems.sort(key=lambda one: (order[one.file], one.line, one.column))
    if len(problems) >= MOST_IN_ALL:
        problems = problems[:MOST_IN_ALL]
        last = replace(problems[-1], message=f"only {MOST_IN_ALL:,} problems are shown in all")
        problems.append(last)
    return documents, problems


def _check_together(
    documents: list[Checked],
    kinds: Kinds,
    known_names: Mapping[str, Mapping[str, bool]],
    references: bool,
) -> None:
    """Adds the problems of documents with each other, until there are enough problems."""
    known = {kind: {**known_names.get(kind, {})} for kind in kinds}
    for document in documents:
        # A misspelt kind is one mistake: it isn't reported again by each journey that names it.
        kind = nearest(document.kind, kinds)
        if document.name and kind is not None:
            known[kind][document.name] = _status(document.findings.root) == "archived"
    _duplicates(documents)
    left = MOST_IN_ALL - sum(len(document.findings.problems) for document in documents)
    for document in documents:
        if not references and document.model is not None:
            continue  # _references reports invalid names, which leave no model
        before = len(document.findings.problems)
        with suppress(TooManyError):
            _references(document, kinds, known)
        left -= len(document.findings.problems) - before
        if left <= 0:
            break


def warnings(documents: Iterable[Checked]) -> list[Problem]:
    """The warnings about checked documents, in the order of each document's text.

    A document with mistakes gets no warnings until they are fixed.
    """
    found: list[Problem] = []
    linted: list[Context] = []
    for document in documents:
        if document.sound and document.definition is not None and document.context is not None:
            with suppress(TooManyError):
                document.definition.lint(document.context, document.model)
            linted.append(document.context)
    with suppress(TooManyError):
        lint_lookalikes((one.findings, one.model, one.written) for one in linted)
    for context in linted:
        lint = context.findings.warnings
        found += sorted(lint, key=lambda one: (one.line, one.column))
    return found


def _document(source: Source, root: YamlNode, kinds: Kinds, readable: bool) -> Checked:
    findings = Findings(source, root)
    if not isinstance(root.value, dict):
        found = shown(root.value)
        findings.at(root, f"found {found}, expected a document with 'kind' and 'name'", found=found)
        return Checked(findings, "", "")
    name = _word(root, "name")
    word = _word(root, "kind")
    findings.document = f"{word}/{name}" if word and name else None
    kind = kinds.get(word)
    if kind is None:
        _unknown_kind(findings, kinds)
        return Checked(findings, word, name)
    context = Context(findings, kind.model_of(_word(root, "type")))
    valid: Document | None = None
    with suppress(TooManyError):
        valid = validate(context.model, findings)  # type: ignore[assignment]
        kind.check(context, context.model)
        if valid is not None and not findings.problems and valid.written_out is not valid:
            validate_written_out(valid.written_out, findings)
    sound = readable and valid is not None and not findings.problems
    return Checked(findings, word, name, kind, valid, context, sound)


def _unknown_kind(findings: Findings, kinds: Kinds) -> None:
    given = findings.root.value.get("kind")
    if given is None:
        *most, last = (f"'{kind}'" for kind in kinds)
        known = f"{', '.join(most)} or {last}"
        findings.at(
            findings.root,
            f"'kind' is missing in the document: expected {known}",
            expected=known,
        )
        return
    found = shown(given.value)
    tail, near = suggest(given.value if isinstance(given.value, str) else "", kinds)
    findings.at(given, f"unknown kind {found}{tail}", found=found, near=near)


def _duplicates(documents: list[Checked]) -> None:
    first: dict[tuple[str, str], Checked] = {}
    for document in documents:
        if document.definition is None or not document.name:
            continue
        other = first.setdefault((document.kind, document.name), document)
        if other is not document and len(document.findings.problems) < MOST_PROBLEMS:
            place = other.findings.node(("name",))
            findings = document.findings
            findings.at(
                findings.node(("name",)),
                f"{document.kind} '{document.name}' is defined twice: "
                f"the first is at {other.findings.source.file}:{place.line}:{place.column}",
                found=document.name,
            )


def _references(
    document: Checked, kinds: Kinds, known_names: Mapping[str, Mapping[str, bool]]
) -> None:
    if document.context is None:
        return
    findings = document.findings
    for marked in walk(document.context.model, findings.root):
        refers = next((mark for mark in marked.marks if isinstance(mark, Refers)), None)
        if refers is None or not isinstance(marked.node.value, str):
            continue
        name, known = marked.node.value, known_names[refers.kind]
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
        elif (
            known[name]
            and not kinds[refers.kind].named_when_archived
            and _status(findings.root) != "archived"
        ):
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
