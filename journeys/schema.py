"""Documents against their models: every mistake at its place, in the words of the document.

Law: the models are the only description of what may be written; messages, nearest words and the
places of expressions and names follow from their types.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from pydantic import BaseModel, ValidationError

from journeys.fields import Expected
from journeys.problems import Problem, nearest, shown, suggest
from journeys.yaml_source import Source, YamlNode

Path = tuple[str | int, ...]


@dataclass(slots=True)
class Findings:
    """Collects the problems of one document, at most one for each place and message."""

    source: Source
    root: YamlNode
    document: str | None = None
    problems: list[Problem] = field(default_factory=list)

    def at(
        self,
        place: YamlNode | tuple[int, int],
        message: str,
        *,
        found: str | None = None,
        expected: str | None = None,
        near: str | None = None,
    ) -> None:
        line, column = (place.line, place.column) if isinstance(place, YamlNode) else place
        problem = Problem(
            self.source.file, line, column, message, found, expected, near, self.document
        )
        if problem not in self.problems:
            self.problems.append(problem)

    def node(self, path: Path) -> YamlNode:
        """The value at a path, or the innermost one above it that is there."""
        node = self.root
        for part in path:
            below = _child(node, part)
            if below is None:
                break
            node = below
        return node

    def key(self, path: Path) -> YamlNode | tuple[int, int]:
        """Where the key of the value at a path is written (of a list's item: where it starts)."""
        above = self.node(path[:-1])
        if path and isinstance(path[-1], str) and path[-1] in above.keys:
            return above.keys[path[-1]]
        return self.node(path)


@dataclass(frozen=True, slots=True)
class Marked:
    """A value of a document whose field's type carries marks."""

    path: Path
    node: YamlNode
    marks: tuple[Any, ...]


def validate(model: type[BaseModel], findings: Findings) -> BaseModel | None:
    """The document as its model, or None with the problems added to the findings."""
    before = len(findings.problems)
    for path in _nulls(model, findings.root, ()):
        _wrong_value(model, findings, path)
    try:
        document = model.model_validate(findings.root.plain(), by_alias=True, by_name=False)
    except ValidationError as error:
        for one in error.errors(include_url=False):
            _translate(model, findings, one)
        return None
    return document if len(findings.problems) == before else None


def walk(annotation: Any, node: YamlNode, path: Path = ()) -> Iterator[Marked]:
    """Every value whose field's type carries marks, also in a document that has mistakes."""
    for base, marks in _options(annotation, node):
        if marks and node.value is not None:
            yield Marked(path, node, marks)
        if _is_model(base):
            for key, below in _entries(node):
                kind = _field(base, key)
                if kind is not None:
                    yield from walk(kind, below, (*path, key))
        elif get_origin(base) is dict:
            for key, below in _entries(node):
                yield from walk(get_args(base)[1], below, (*path, key))
        elif get_origin(base) is list and isinstance(node.value, list):
            for index, below in enumerate(node.value):
                yield from walk(get_args(base)[0], below, (*path, index))


def where(root: YamlNode, path: Path) -> str:
    """How a message calls the mapping at a path: `node 'bought' (wait_for_event)`."""
    if len(path) >= 2 and path[0] == "nodes":
        node = _child(_child(root, "nodes") or root, path[1])
        kind = _text(node, "type")
        place = f"node '{path[1]}'" + (f" ({kind})" if kind else "")
        rest = path[2:]
    elif path and path[0] == "entry":
        place, rest = "the entry", path[1:]
    else:
        kind, name = _text(root, "kind") or "the document", _text(root, "name")
        place, rest = f"{kind} '{name}'" if name else kind, path
    return f"'{dotted(rest)}' of {place}" if rest else place


def dotted(path: Path) -> str:
    """`branches[0].when`"""
    text = ""
    for part in path:
        text += f"[{part}]" if isinstance(part, int) else f".{part}" if text else part
    return text


def field_name(root: YamlNode, path: Path) -> str:
    """How a message calls the value at a path: `'where' in node 'bought' (wait_for_event)`."""
    named = [index for index, part in enumerate(path) if isinstance(part, str)]
    at = named[-1] if named else 0
    above = path[:at]
    if len(path) == 2 and path[0] == "nodes":
        return where(root, path)
    return f"'{dotted(path[at:])}' in {where(root, above)}"


# --- pydantic's errors in the words of the document ----------------------------------------------


def _translate(model: type[BaseModel], findings: Findings, error: Any) -> None:
    path, rest = _path(findings.root, error["loc"])
    kind = error["type"]
    if kind == "extra_forbidden":
        _unknown_key(model, findings, path)
    elif kind == "missing":
        _missing_key(model, findings, path, str(rest[-1]))
    elif kind in ("union_tag_invalid", "union_tag_not_found"):
        _wrong_tag(model, findings, path)
    elif rest[-1:] == ("[key]",):
        _wrong_key(model, findings, path)
    elif kind == "value_error" and isinstance(findings.node(path).value, dict):
        _wrong_whole(findings, path, str(error["ctx"]["error"]))
    else:
        _wrong_value(model, findings, path, error)


def _path(root: YamlNode, loc: tuple[str | int, ...]) -> tuple[Path, tuple[str | int, ...]]:
    """The part of pydantic's location that is in the document, and the parts that are not."""
    path: list[str | int] = []
    rest: list[str | int] = []
    node = root
    for index, part in enumerate(loc):
        below = _child(node, part)
        # Behind a node's name comes the tag of its type, which could be a key's name, too.
        tag = len(path) == 2 and path[0] == "nodes" and loc[:2] == tuple(path) and index == 2
        if below is None or tag:
            rest.append(part)
        else:
            path.append(part)
            node = below
    return tuple(path), tuple(rest)


def _unknown_key(model: type[BaseModel], findings: Findings, path: Path) -> None:
    above = _model_at(model, findings.root, path[:-1])
    known = [] if above is None else _names(above)
    tail, near = suggest(str(path[-1]), known, most=16)
    findings.at(
        findings.key(path),
        f"unknown key '{path[-1]}' in {where(findings.root, path[:-1])}{tail}",
        found=str(path[-1]),
        near=near,
    )


def _missing_key(model: type[BaseModel], findings: Findings, path: Path, name: str) -> None:
    above = _model_at(model, findings.root, path)
    kind = None if above is None else _field(above, name)
    expected = None if kind is None else expects(kind)
    findings.at(
        findings.key(path) if path else findings.root,
        f"'{name}' is missing in {where(findings.root, path)}"
        + (f": expected {expected}" if expected else ""),
        expected=expected,
    )


def _wrong_tag(model: type[BaseModel], findings: Findings, path: Path) -> None:
    known = _tags(_annotation_at(model, findings.root, path))
    node = findings.node(path)
    given = _child(node, "type")
    if given is None:
        listing = ", ".join(f"'{name}'" for name in known)
        findings.at(
            findings.key(path),
            f"'type' is missing in {where(findings.root, path)}: expected one of {listing}",
            expected=listing,
        )
        return
    found = shown(given.value)
    tail, near = suggest(given.value, known) if isinstance(given.value, str) else ("", None)
    findings.at(
        given,
        f"unknown node type {found} in node '{path[-1]}'{tail}",
        found=found,
        near=near,
    )


def _wrong_key(model: type[BaseModel], findings: Findings, path: Path) -> None:
    base = _base(_annotation_at(model, findings.root, path[:-1]))
    expected = expects(get_args(base)[0]) if get_origin(base) is dict else "another name"
    findings.at(
        findings.key(path),
        f"'{path[-1]}' in {where(findings.root, path[:-1])} is not a valid name: "
        f"expected {expected}",
        found=str(path[-1]),
        expected=expected,
    )


def _wrong_whole(findings: Findings, path: Path, message: str) -> None:
    """A rule over several keys; it is placed at the last one of them that it names."""
    node = findings.node(path)
    named = [key for key in node.value if re.search(rf"\b{re.escape(key)}\b", message)]
    place = node.value[named[-1]] if named else findings.key(path)
    findings.at(place, f"{where(findings.root, path)}: {message.replace('`', chr(39))}")


def _wrong_value(model: type[BaseModel], findings: Findings, path: Path, error: Any = None) -> None:
    node = findings.node(path)
    annotation = _annotation_at(model, findings.root, path)
    found = shown(node.value)
    kind = "" if error is None else error["type"]
    limits = {} if error is None else error.get("ctx", {})
    if kind in ("too_short", "string_too_short"):
        expected = "at least one" if kind == "too_short" else "a text that is not empty"
        found = "nothing" if kind == "too_short" else found
    elif kind == "string_too_long":
        expected = f"at most {limits['max_length']} characters"
        found = f"{len(node.value)} characters"
    elif kind in ("greater_than_equal", "greater_than"):
        expected = "a number " + (
            f"of at least {limits['ge']:g}" if "ge" in limits else f"above {limits['gt']:g}"
        )
    else:
        expected = expects(annotation)
    words = [option for option in _words(annotation) if isinstance(node.value, str)]
    near = nearest(node.value, words) if words else None
    tail = f": did you mean '{near}'?" if near else ""
    findings.at(
        node,
        f"{field_name(findings.root, path)}: found {found}, expected {expected}{tail}",
        found=found,
        expected=expected,
        near=near,
    )


def expects(annotation: Any) -> str:
    """What a type accepts, in words."""
    texts = []
    for base, marks in _options(annotation, None):
        told = [mark.text for mark in marks if isinstance(mark, Expected)]
        if told:
            texts.append(told[-1])
        elif get_origin(base) is Literal:
            texts += [f"'{word}'" for word in get_args(base)]
        elif _is_model(base) or get_origin(base) is dict:
            texts.append("a mapping")
        elif get_origin(base) is list:
            texts.append("a list")
        else:
            words = {str: "text", int: "an integer", float: "a number", bool: "true or false"}
            texts.append(words.get(base, "a value"))
    texts = list(dict.fromkeys(texts))
    return " or ".join([", ".join(texts[:-1]), texts[-1]] if len(texts) > 1 else texts)


# --- types ---------------------------------------------------------------------------------------


def _options(annotation: Any, node: YamlNode | None) -> list[tuple[Any, tuple[Any, ...]]]:
    """The types a value may have, without None, each with its marks.

    Of models that differ by `type`, only the one the value names, when there is a value.
    """
    if get_origin(annotation) is Annotated:
        inner, *marks = get_args(annotation)
        return [(base, (*marks, *more)) for base, more in _options(inner, node)]
    if get_origin(annotation) in (Union, UnionType):
        options = [
            option
            for inner in get_args(annotation)
            if inner is not NoneType
            for option in _options(inner, node)
        ]
        if node is not None and sum(_is_model(base) for base, _ in options) > 1:
            kind = _text(node, "type")
            return [option for option in options if kind in _literal(option[0], "type")]
        return options
    return [(annotation, ())]


def _base(annotation: Any) -> Any:
    options = _options(annotation, None)
    return options[0][0] if options else Any


def _annotation_at(model: type[BaseModel], root: YamlNode, path: Path) -> Any:
    annotation: Any = model
    node: YamlNode | None = root
    for part in path:
        inner: Any = Any
        for base, _ in _options(annotation, node):
            if _is_model(base) and isinstance(part, str):
                inner = _field(base, part) or Any
            elif get_origin(base) is dict:
                inner = get_args(base)[1]
            elif get_origin(base) is list and isinstance(part, int):
                inner = get_args(base)[0]
        annotation = inner
        node = None if node is None else _child(node, part)
    return annotation


def _model_at(model: type[BaseModel], root: YamlNode, path: Path) -> Any:
    annotation = _annotation_at(model, root, path)
    node = root
    for part in path:
        node = _child(node, part) or node
    return model_of(annotation, node)


def model_of(annotation: Any, node: YamlNode) -> type[BaseModel] | None:
    """The model that a value says it is, also where it has mistakes."""
    return next((base for base, _ in _options(annotation, node) if _is_model(base)), None)


def _nulls(annotation: Any, node: YamlNode, path: Path) -> Iterator[Path]:
    """Keys written with nothing behind them, where the model would take it for absent."""
    for base, _ in _options(annotation, node):
        if _is_model(base):
            for key, below in _entries(node):
                kind = _field(base, key)
                if kind is None:
                    continue
                if below.value is None and not _takes_anything(kind):
                    yield (*path, key)
                else:
                    yield from _nulls(kind, below, (*path, key))
        elif get_origin(base) is dict:
            for key, below in _entries(node):
                yield from _nulls(get_args(base)[1], below, (*path, key))
        elif get_origin(base) is list and isinstance(node.value, list):
            for index, below in enumerate(node.value):
                yield from _nulls(get_args(base)[0], below, (*path, index))


def _takes_anything(annotation: Any) -> bool:
    return any(base is Any for base, _ in _options(annotation, None))


def _is_model(base: Any) -> bool:
    return isinstance(base, type) and issubclass(base, BaseModel)


def _names(model: type[BaseModel]) -> list[str]:
    return [info.alias or name for name, info in model.model_fields.items()]


def _field(model: type[BaseModel], key: str | int) -> Any:
    """The type of a model's field, with its marks, by the name that documents use."""
    for name, info in model.model_fields.items():
        if key == (info.alias or name):
            marks = tuple(info.metadata)
            return Annotated[(info.annotation, *marks)] if marks else info.annotation
    return None


def _literal(model: Any, name: str) -> tuple[Any, ...]:
    return get_args(_base(_field(model, name))) if _is_model(model) else ()


def _tags(annotation: Any) -> list[str]:
    return [word for base, _ in _options(annotation, None) for word in _literal(base, "type")]


def _words(annotation: Any) -> list[str]:
    return [
        word
        for base, _ in _options(annotation, None)
        if get_origin(base) is Literal
        for word in get_args(base)
    ]


def _child(node: YamlNode, part: str | int) -> YamlNode | None:
    if isinstance(node.value, dict) and isinstance(part, str):
        return node.value.get(part)
    if isinstance(node.value, list) and isinstance(part, int) and part < len(node.value):
        item: YamlNode = node.value[part]
        return item
    return None


def _entries(node: YamlNode) -> Iterator[tuple[str, YamlNode]]:
    if isinstance(node.value, dict):
        yield from node.value.items()


def _text(node: YamlNode | None, key: str) -> str | None:
    below = None if node is None else _child(node, key)
    return below.value if below is not None and isinstance(below.value, str) else None
