"""Checks of `let`, the named expressions of a journey.

Law: a mistake in a let is reported once, where it is defined; what is wrong only where the let is
read, such as its type or its place, is reported there, with the name and the line of the let.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from pydantic import BaseModel

from journeys.documents.kind import NameCheck
from journeys.expressions.expression import CelError, Expression, compile_cel
from journeys.expressions.interpolation import Hole, UnclosedError, pieces
from journeys.expressions.lets import BrokenLet, Lets, refuse_lets, uses
from journeys.expressions.origins import Names, Origins, length
from journeys.graph import cycles
from journeys.problems import short
from journeys.schema.fields import Holds
from journeys.schema.findings import Findings
from journeys.schema.places import field_name
from journeys.schema.yaml_source import MAX_BYTES, YamlNode

LET = Holds("value")
"""How a let is checked where it is defined: its value may have any type."""


@dataclass(slots=True)
class DocumentLets:
    """The lets that the expressions of a document can read.

    Attributes:
        sound: the lets without mistakes, each compiled from its text with its lets written out.
    """

    findings: Findings
    kind: str
    nodes: dict[str, YamlNode] | None
    lets: Lets = field(default_factory=lambda: Lets({}))
    sound: dict[str, Expression] = field(default_factory=dict)
    _grown: int = 0
    _known: set[str] = field(default_factory=set)

    def write_out(self, text: str, *, whole: bool) -> str:
        """The text of a field with its lets written out.

        Raises:
            CelError: it reads a let that it can't.
            BrokenLet: it reads a let that is refused itself.
        """
        if "let" not in text:
            return text
        if self.nodes is None:
            if whole or "${" in text:
                _refuse(text, self.kind, whole)
            return text
        out: str = self.lets.write_out(text) if whole else self.lets.write_out_data(text)
        self._grown += length(out) - len(text)
        if self._grown > MAX_BYTES:
            most = f"expected at most {MAX_BYTES} characters in all"
            raise CelError(f"the document is too large with its lets written out: {most}", text, 0)
        return out

    def within(self, names: Names) -> str:
        """The beginning of a message about a part of an expression that comes from a let."""
        if not names:
            return ""
        root = self.findings.node(("let",))
        shown = [f"let.{name} (line {root.keys[name][0]})" for name in names[:3]]
        return f"in {', '.join(shown)}: "


def _refuse(text: str, kind: str, whole: bool) -> None:
    if whole:
        refuse_lets(text, kind)
        return
    try:
        holes = [part for part in pieces(text) if isinstance(part, Hole)]
    except UnclosedError:
        return  # reported where the text is compiled
    for hole in holes:
        try:
            refuse_lets(hole.text, kind)
        except CelError as error:
            raise CelError(error.message, text, hole.offset + error.offset) from None


def lets_of(findings: Findings, model: type[BaseModel], names: NameCheck) -> DocumentLets:
    """Checks the lets of a document where they are defined; adds their problems."""
    kind = findings.root.value.get("kind")
    word = kind.value if kind is not None and isinstance(kind.value, str) else "document"
    if "let" not in model.model_fields:
        return DocumentLets(findings, word, None)
    given = findings.root.value.get("let")
    nodes = given.value if given is not None and isinstance(given.value, dict) else {}
    texts = {name: node.value for name, node in nodes.items() if isinstance(node.value, str)}
    document = DocumentLets(findings, word, nodes)
    broken = set(nodes) - set(texts)
    read = {name: list(_read(text, texts)) for name, text in texts.items()}
    for cycle in cycles(read, set()):
        broken |= set(cycle)
        ring = " -> ".join(f"let.{short(name)}" for name in [*cycle[:8], cycle[0]])
        place = findings.key(("let", cycle[0]))
        findings.at(place, f"the lets {ring} read each other in a circle", found=ring)
    for name in texts:
        if name not in broken:
            _check(document, name, Lets(texts, frozenset(broken)), names, broken)
    document.lets = Lets(dict.fromkeys(nodes, "") | texts, frozenset(broken))
    return document


def only_let(text: str) -> Names:
    """The name of the let that is all of an expression, if it is one."""
    text = text.strip()
    found = list(uses(text)) if text.startswith("let") else []
    return (found[0].name,) if found and found[0].end == len(text) else ()


def _read(text: str, known: dict[str, str]) -> Iterator[str]:
    try:
        for use in uses(text):
            if use.name in known:
                yield use.name
    except CelError:
        pass  # reported by `_check`


def _check(
    document: DocumentLets, name: str, lets: Lets, names: NameCheck, broken: set[str]
) -> None:
    findings, path = document.findings, ("let", name)
    node = findings.node(path)
    origins = Origins("")

    def problem(offset: int, message: str, near: str | None = None) -> None:
        broken.add(name)
        at, inside = origins.of(offset)
        text = f"{field_name(findings.root, path)}: {document.within(inside)}{message}"
        findings.at(findings.source.position(node, at), text, near=near)

    try:
        out = lets.write_out(node.value)
        origins = Origins(out)
        expression = _compiled(out)
    except BrokenLet:
        broken.add(name)
        return
    except CelError as error:
        problem(error.offset, error.message, error.nearest)
        return
    for message, at, near in names(expression, LET, path):
        if not origins.of(at)[1]:  # otherwise it is reported at the let that it comes from
            problem(at, message, near)
    if name not in broken:
        document.sound[name] = expression


def _compiled(text: str) -> Expression:
    """A let, compiled as a value, or else as a duration: it may be read as either."""
    try:
        return compile_cel(text)
    except CelError:
        try:
            return compile_cel(text, duration=True)
        except CelError:
            pass
        raise
