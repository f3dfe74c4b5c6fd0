"""Validates a document against its model and reports every mistake with its position.

Law: the models are the only description of the format. Messages, suggestions and the places of
expressions and names all follow from their types.
"""

from __future__ import annotations

import re
from contextlib import suppress
from typing import Any, get_args, get_origin

from pydantic import BaseModel, TypeAdapter, ValidationError

from journeys.problems import nearest, short, shown, suggest
from journeys.schema.annotations import (
    annotation_at,
    base_of,
    child,
    expects,
    guesses_of,
    is_model,
    model_at,
    names_of_fields,
    nulls,
    options_of,
    tags_of,
    takes_text,
    type_of_field,
    words_of,
)
from journeys.schema.fields import as_written
from journeys.schema.findings import Findings
from journeys.schema.marks import NextNode, Path, Refers
from journeys.schema.places import field_name, where
from journeys.schema.yaml_source import YamlNode
from journeys.time import like_duration, why_no_duration


def validate(model: type[BaseModel], findings: Findings) -> BaseModel | None:
    """Validate a document.

    Returns:
        the model, or None if there were mistakes; they are added to `findings`.
    """
    before = len(findings.problems)
    for path in nulls(model, findings.root, ()):
        _wrong_value(model, findings, path)
    try:
        document = model.model_validate(findings.root.plain(), by_alias=True, by_name=False)
    except ValidationError as error:
        for one in error.errors(include_url=False):
            _translate(model, findings, one)
        return None
    return document if len(findings.problems) == before else None


def validate_written_out(written_out: BaseModel, findings: Findings) -> None:
    """Adds what a valid document breaks only with its lets written out: rules over several keys of
    which one depends on what an expression reads."""
    try:
        type(written_out).model_validate(as_written(written_out), by_alias=True, by_name=False)
    except ValidationError as error:
        for one in error.errors(include_url=False):
            if one["type"] == "value_error":
                _translate(type(written_out), findings, one)


_BOUNDS = {
    "greater_than_equal": "of at least {ge:,g}",
    "greater_than": "above {gt:,g}",
    "less_than_equal": "of at most {le:,g}",
    "less_than": "below {lt:,g}",
}
"""The kinds of errors about a number that is too small or too large."""

# --- rewriting pydantic's errors for the document -------------------------------------------------


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
    """Split pydantic's location into the path in the document and the rest."""
    path: list[str | int] = []
    rest: list[str | int] = []
    node = root
    for index, part in enumerate(loc):
        below = child(node, part)
        # After a node's name comes the tag of its type, which could also be the name of a key.
        tag = len(path) == 2 and path[0] == "nodes" and loc[:2] == tuple(path) and index == 2
        if below is None or tag:
            rest.append(part)
        else:
            path.append(part)
            node = below
    return tuple(path), tuple(rest)


def _unknown_key(model: type[BaseModel], findings: Findings, path: Path) -> None:
    above = model_at(model, findings.root, path[:-1])
    known = [] if above is None else names_of_fields(above)
    tail, near = suggest(str(path[-1]), known, most=16)
    deeper = [] if above is None else _fields_with(above, str(path[-1]))
    if deeper:
        tail, near = f": expected in {' or '.join(deeper)}", None
    findings.at(
        findings.key(path),
        f"unknown key '{short(str(path[-1]))}' in {where(findings.root, path[:-1])}{tail}",
        found=str(path[-1]),
        near=near,
    )


def _fields_with(above: type[BaseModel], key: str) -> list[str]:
    """The fields of a model, quoted, in whose values a key belongs that it doesn't have itself."""
    found = []
    for name in names_of_fields(above):
        for base, _ in options_of(type_of_field(above, name), None):
            inner = get_args(base)[-1] if get_origin(base) in (list, dict) else base
            models = [one for one, _ in options_of(inner, None) if is_model(one)]
            if any(key in names_of_fields(one) for one in models) and f"'{name}'" not in found:
                found.append(f"'{name}'")
    return found


def _missing_key(model: type[BaseModel], findings: Findings, path: Path, name: str) -> None:
    if findings.node(path).damaged:
        return  # it may be in the part that could not be read
    above = model_at(model, findings.root, path)
    kind = None if above is None else type_of_field(above, name)
    expected = None if kind is None else expects(kind)
    findings.at(
        findings.key(path) if path else findings.root,
        f"'{name}' is missing in {where(findings.root, path)}"
        + (f": expected {expected}" if expected else ""),
        expected=expected,
    )


def _wrong_tag(model: type[BaseModel], findings: Findings, path: Path) -> None:
    known = tags_of(annotation_at(model, findings.root, path))
    node = findings.node(path)
    given = child(node, "type")
    if given is None and node.damaged:
        return
    if given is None:
        listing = ", ".join(f"'{name}'" for name in known)
        findings.at(
            findings.key(path),
            f"'type' is missing in {where(findings.root, path)}: expected one of {listing}",
            expected=listing,
        )
        return
    found = shown(given.value)
    tail, near = suggest(given.value if isinstance(given.value, str) else "", known, most=16)
    findings.at(
        given,
        f"unknown node type {found} in node '{short(str(path[-1]))}'{tail}",
        found=found,
        near=near,
    )


def _wrong_key(model: type[BaseModel], findings: Findings, path: Path) -> None:
    base = base_of(annotation_at(model, findings.root, path[:-1]))
    kind = get_args(base)[0] if get_origin(base) is dict else Any
    name = str(path[-1])
    expected = "another name" if kind is Any else expects(kind)
    near = _meant(kind, name)
    findings.at(
        findings.key(path),
        f"'{short(name)}' in {where(findings.root, path[:-1])} is not a valid name: "
        f"expected {expected}" + (f": did you mean '{near}'?" if near else ""),
        found=name,
        expected=expected,
        near=near,
    )


def _wrong_whole(findings: Findings, path: Path, message: str) -> None:
    """A violated rule over several keys, placed at the first key that its message names."""
    node = findings.node(path)
    if node.damaged or any(below.damaged for below in node.value.values()):
        return
    words = re.findall(r"\w+", message)
    named = sorted((words.index(key), key) for key in node.value if key in words)
    place = node.value[named[0][1]] if named else findings.key(path)
    findings.at(place, f"{where(findings.root, path)}: {message.replace('`', chr(39))}")


def _wrong_value(model: type[BaseModel], findings: Findings, path: Path, error: Any = None) -> None:
    node = findings.node(path)
    annotation = annotation_at(model, findings.root, path)
    if node.damaged or (isinstance(node.value, str) and _is_reference(annotation)):
        return  # an invalid name is reported where it is looked up
    found = shown(node.value)
    kind = "" if error is None else error["type"]
    limits = {} if error is None else error.get("ctx", {})
    if kind == "string_too_short":
        expected = "a text that is not empty"
    elif kind in ("too_short", "too_long"):
        count = len(node.value)
        found = {0: "nothing", 1: "1 item"}.get(count, f"{count} items")
        least = limits.get("min_length")
        at_least = f"at least {'one' if least == 1 else least}"
        expected = f"at most {limits['max_length']}" if least is None else at_least
    elif kind == "string_too_long":
        expected = f"at most {limits['max_length']} characters"
        found = f"{len(node.value)} characters"
    elif kind in _BOUNDS:
        expected = f"a number {_BOUNDS[kind].format(**limits)}"
    else:
        expected = expects(annotation)
    near = _meant(annotation, node.value)
    if near is not None:
        tail = f": did you mean '{near}'?"
    elif isinstance(node.value, bool | int | float) and takes_text(annotation):
        tail = ": write it in quotes"
    else:
        why = _why_no_duration(annotation, node.value)
        tail = f": {why}" if why else ""
    findings.at(
        node,
        f"{field_name(findings.root, path)}: found {found}, expected {expected}{tail}",
        found=found,
        expected=expected,
        near=near,
    )


def _why_no_duration(annotation: Any, value: Any) -> str | None:
    takes_one = isinstance(value, str) and like_duration in guesses_of(annotation)
    return why_no_duration(value) if takes_one else None


def _is_valid(annotation: Any, value: Any) -> bool:
    with suppress(ValidationError):
        TypeAdapter(annotation).validate_python(value)
        return True
    return False


def _is_reference(annotation: Any) -> bool:
    return any(
        isinstance(mark, NextNode | Refers)
        for _, marks in options_of(annotation, None)
        for mark in marks
    )


def _meant(annotation: Any, value: Any) -> str | None:
    """The valid value that an invalid one was most likely meant to be, or None."""
    base = base_of(annotation)
    if isinstance(value, int) and not isinstance(value, bool):
        return f"{value}s" if value > 0 and like_duration in guesses_of(annotation) else None
    if not isinstance(value, str):
        return None
    if base is bool:
        word = value.lower()
        yes, no = word in ("yes", "on", "true", "y"), word in ("no", "off", "false", "n")
        return "true" if yes else "false" if no else None
    if get_origin(base) is list and words_of(get_args(base)[0]):
        return f"[{value}]" if _is_valid(get_args(base)[0], value) else None
    for guess in guesses_of(annotation):
        if (found := guess(value)) is not None:
            return found
    words = words_of(annotation)
    return nearest(value, words) if words else None
