"""The schemas for editors take what the engine takes, and know its words."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from agents.kinds import KINDS
from journeys.schema.fields import as_written
from journeys.schema.yaml_source import load
from journeys.simulation.backtest import Backtest
from journeys.views.json_schema import schemas
from tests.journeys.builders import running
from tests.journeys.nodes.test_conformance import EXAMPLES, fields_of

ROOT = Path(__file__).parents[3]
CHECKOUT = ROOT / "examples" / "checkout"
SCHEMAS = schemas(KINDS)
SILENT = {"type", "$id", "$schema", "$defs", "title", "description", "default", "then"}
TYPES = {
    "object": dict,
    "array": list,
    "string": str,
    "integer": int,
    "number": (int, float),
    "boolean": bool,
    "null": type(None),
}


def wrong(value: Any, schema: dict[str, Any], root: dict[str, Any]) -> list[str]:
    """Why a value doesn't meet a schema, for the words of JSON Schema that ours use."""
    found = _type(value, schema["type"]) if "type" in schema else []
    if found:
        return found  # the other words ask for a value of the type
    for word, rule in schema.items():
        if word in SILENT:
            continue
        found += _RULES[word](value, rule, schema, root)
    return found


def _if(bad: bool, word: str) -> list[str]:
    return [word] if bad else []


def _ref(value: Any, rule: str, _: Any, root: Any) -> list[str]:
    return wrong(value, root["$defs"][rule.removeprefix("#/$defs/")], root)


def _type(value: Any, rule: str | list[str]) -> list[str]:
    if isinstance(rule, list):
        return _if(all(_type(value, one) for one in rule), f"none of {rule}: {value!r}")
    meant = isinstance(value, TYPES[rule]) and (rule == "boolean" or not isinstance(value, bool))  # type: ignore[arg-type]
    return _if(not meant, f"type {rule}: {value!r}")


def _properties(value: Any, rule: Any, _: Any, root: Any) -> list[str]:
    known = value if isinstance(value, dict) else {}
    return [
        f"{name}: {one}"
        for name, below in rule.items()
        if name in known
        for one in wrong(known[name], below, root)
    ]


def _patterns(value: Any, rule: Any, _: Any, root: Any) -> list[str]:
    return [
        one
        for pattern, below in rule.items()
        for name, item in value.items()
        if re.search(pattern, name)
        for one in wrong(item, below, root)
    ]


def _others(value: Any, rule: Any, schema: Any, root: Any) -> list[str]:
    known, patterns = schema.get("properties", {}), schema.get("patternProperties", {})
    rest = [
        name
        for name in value
        if name not in known and not any(re.search(pattern, name) for pattern in patterns)
    ]
    if rule is False:
        return [f"unknown {name}" for name in rest]
    return [one for name in rest if rule is not True for one in wrong(value[name], rule, root)]


def _any(value: Any, rule: Any, _: Any, root: Any) -> list[str]:
    tried = [wrong(value, one, root) for one in rule]
    return _if(all(tried), f"none of {len(rule)}: {tried}")


_RULES: dict[str, Any] = {
    "$ref": _ref,
    "properties": _properties,
    "patternProperties": _patterns,
    "additionalProperties": _others,
    "propertyNames": lambda value, rule, _, root: [
        one for name in value for one in wrong(name, rule, root)
    ],
    "required": lambda value, rule, *_: [f"no {name}" for name in rule if name not in value],
    "items": lambda value, rule, _, root: [
        one for item in value for one in wrong(item, rule, root)
    ],
    "anyOf": _any,
    "allOf": lambda value, rule, _, root: [
        one for part in rule for one in wrong(value, part, root)
    ],
    "if": lambda value, rule, schema, root: (
        [] if wrong(value, rule, root) else wrong(value, schema["then"], root)
    ),
    "const": lambda value, rule, *_: _if(value != rule, f"not {rule}"),
    "enum": lambda value, rule, *_: _if(value not in rule, f"not among {rule}"),
    "pattern": lambda value, rule, *_: _if(not re.search(rule, str(value)), f"not {rule}"),
    "minLength": lambda value, rule, *_: _if(len(value) < rule, "too short"),
    "maxLength": lambda value, rule, *_: _if(len(value) > rule, "too long"),
    "minItems": lambda value, rule, *_: _if(len(value) < rule, "too few"),
    "maxItems": lambda value, rule, *_: _if(len(value) > rule, "too many"),
    "minProperties": lambda value, rule, *_: _if(len(value) < rule, "too few"),
    "maxProperties": lambda value, rule, *_: _if(len(value) > rule, "too many"),
    "minimum": lambda value, rule, *_: _if(value < rule, "too small"),
    "maximum": lambda value, rule, *_: _if(value > rule, "too large"),
}


def check(name: str, value: Any) -> list[str]:
    schema = SCHEMAS[name]()
    return wrong(value, schema, schema)


@pytest.mark.parametrize("path", sorted((ROOT / "examples").rglob("*.yaml")), ids=str)
def test_the_examples_meet_their_schema(path: Path) -> None:
    kinds = {"responses.yaml": "responses", "journey.test.yaml": "test"}
    name = kinds.get(path.name, "documents")
    source, _ = load(path.read_bytes(), path.name)
    assert source is not None
    for document in source.documents:
        assert check(name, document.plain()) == []


@pytest.mark.parametrize("type", EXAMPLES)
def test_every_node_type_can_be_written_in_an_editor(type: str) -> None:
    node = fields_of(type)
    journey = {"kind": "Journey", "name": "j", "entry": {"event": "e"}, "nodes": {"n": node}}
    assert check("journey", journey) == []
    assert check("journey", {**journey, "nodes": {"n": {**node, "nxt": "left"}}}) != []


@pytest.mark.parametrize(
    "change",
    [
        {"status": "runing"},
        {"nodes": {}},
        {"nodes": {"n": {"type": "dely", "for": "1h"}}},
        {"nodes": {"n": {"type": "delay", "for": 5}}},
        {"nodes": {"n": {"type": "delay", "for": "soon"}}},
        {"nodes": {"N": {"type": "exit"}}},
        {"entry": {"event": 5}},
        {"enrty": {}},
    ],
)
def test_an_editor_sees_what_is_wrong(change: dict[str, Any]) -> None:
    nodes = {"n": {"type": "exit"}}
    journey = {"kind": "Journey", "name": "j", "entry": {"event": "e"}, "nodes": nodes}
    assert check("journey", journey) == []
    assert check("journey", journey | change) != []


def test_a_default_is_reported_as_it_would_be_written() -> None:
    timeout = SCHEMAS["destination"]()["properties"]["timeout"]
    assert timeout["default"] == "10s"
    assert "a duration such as" in timeout["description"]


def test_every_kind_has_a_schema_and_is_among_the_documents() -> None:
    assert {name.lower() for name in KINDS} <= SCHEMAS.keys()
    branches = SCHEMAS["documents"]()["allOf"]
    named = {one["then"]["$ref"].rpartition("/")[2] for one in branches}
    assert named == {kind.annotation.__name__ for kind in KINDS.values()}


def _parts(schema: Any, place: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """Every part of a schema, with its place."""
    if isinstance(schema, dict):
        yield place, schema
        for word, below in schema.items():
            yield from _parts(below, f"{place}/{word}")
    elif isinstance(schema, list):
        for number, below in enumerate(schema):
            yield from _parts(below, f"{place}/{number}")


@pytest.mark.parametrize("name", SCHEMAS)
def test_every_field_is_described_and_no_choice_is_left_to_be_guessed(name: str) -> None:
    schema = SCHEMAS[name]()
    assert schema["$id"] == f"urn:journeys:schema:v1:{name}"
    for place, part in _parts(schema, ""):
        assert "oneOf" not in part, place
        if "/if/" in f"{place}/" or place.endswith("/properties"):
            continue
        for field, below in part.get("properties", {}).items():
            chosen = field in ("kind", "type") and set(below) == {"enum"}
            assert below.get("description") or chosen, f"{place}: {field}"


@pytest.mark.parametrize("type", EXAMPLES)
def test_mistakes_in_a_node_are_reported_against_its_own_type(type: str) -> None:
    node = fields_of(type)
    nodes = {"n": {**node, "nxt": "left"}}
    journey = {"kind": "Journey", "name": "j", "entry": {"event": "e"}, "nodes": nodes}
    assert check("documents", journey) == ["nodes: unknown nxt"]


def test_an_unknown_type_or_kind_is_the_only_mistake() -> None:
    nodes = {"n": {"type": "dely", "for": "1h"}}
    journey = {"kind": "Journey", "name": "j", "entry": {"event": "e"}, "nodes": nodes}
    (one,) = check("documents", journey)
    assert one.startswith("nodes: type: not among ['criteria', ")
    (one,) = check("documents", journey | {"kind": "Jurney"})
    assert one == "kind: not among ['Journey', 'Destination', 'Lifecycle']"


def test_each_node_type_is_described_by_its_own_file() -> None:
    parts = SCHEMAS["journey"]()["$defs"]
    assert parts["Delay"]["description"].startswith("delay: the instance waits for a duration")


def test_what_the_engine_writes_meets_the_records_schemas() -> None:
    catalog = running((CHECKOUT / "journey.yaml").read_text())
    lines = (CHECKOUT / "events.jsonl").read_bytes().splitlines()
    for effects in Backtest(catalog, "events").run(lines, drain=True):
        for outcome in effects.outcomes:
            assert check("outcome", msgspec.to_builtins(outcome)) == []
        for action in effects.actions:
            assert check("action", msgspec.to_builtins(action)) == []
            assert check("action", {**msgspec.to_builtins(action), "at": 5}) != []


def test_a_document_can_be_written_as_its_author_would() -> None:
    written = {
        "kind": "Destination",
        "name": "mailer",
        "type": "http",
        "url": "https://mail.example.com/",
        "timeout": "90s",
        "retry": {"for": "2d"},
    }
    assert as_written(KINDS["Destination"].decode(written)) == written
