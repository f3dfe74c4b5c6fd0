"""The field tables of the pages are those of the models: every field, its type and its default.

A table is preceded by `<!-- fields: Model -->`, one of records by `<!-- record: Record -->`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache
from types import NoneType
from typing import Any, Literal, get_args, get_origin

import pytest
from pydantic import BaseModel
from pydantic.fields import FieldInfo

from agents.client.dead_letters import DeadMark
from agents.kinds import KINDS
from journeys.nodes import Node, base
from journeys.records import admission as events
from journeys.records.action import Action
from journeys.records.dead_letter import DeadLetter
from journeys.records.outcome import OUTCOME_TYPES, Outcome
from journeys.schema import fields
from journeys.schema.annotations import options_of
from journeys.schema.fields import Expected, Holds
from journeys.simulation import canned_responses as canned
from journeys.simulation.testing import suite
from tests.docs.pages import DOCS, cells

RECORDS = {kind.__name__: kind for kind in (Action, Outcome, DeadLetter, DeadMark)}

WORDS: dict[str, str] = {
    fields.DURATION: "duration",
    fields.SIGNED_DURATION: "duration with a sign",
    fields.TIME_OF_DAY: "time of day",
    fields.NAME: "name",
    fields.ZONE: "zone",
    fields.PATH: "path",
    f"'user', 'journey' or {fields.ZONE}": "zone",
    fields.DAYS: "day",
    suite.MOMENT: "time",
    "CEL": "CEL",
    "CEL that is true or false": "condition",
    "CEL that gives a time, such as timestamp('2026-03-01T09:00:00Z')": "CEL that gives a time",
    "CEL or 'none'": "CEL or none",
    "the name of a node": "node",
    "the name of a destination": "name of a Destination",
    "the name of a journey": "name of a Journey",
    "an event's name, as text": "event name",
    "the name of a trait, as text": "trait",
    "the type of an outcome": "text",
    "the reason of an exit": "text",
    "status_code, body, payload.<name> or headers.<name>": "response path",
    "a journey and a node, as in abandoned-checkout/score": "journey/node",
}
"""How the pages name what a message expects."""

PLAIN = {str: "text", int: "integer", float: "number", bool: "boolean", Any: "anything"}
PLURAL = {"node": "nodes", "day": "days", "response path": "response paths"}
OTHERWISE = {
    ("Journey", "nodes"): "map of nodes",
    ("Suite", "documents"): "list of text",
    ("HttpDestination", "url"): "text with ${CEL}",
    ("HttpDestination", "headers"): "map of text with ${CEL} and ${env.NAME}",
    ("Expect", "path"): "list of nodes",
    ("Never", "path"): "list of nodes",
    ("Expect", "waiting"): "node",
    ("ExpectedAction", "node"): "node",
    ("ExpectedOutcome", "node"): "node",
}
"""Fields that their page describes more exactly than their type."""
DEFAULTS = {
    ("UntilLocal", "weekdays"): "all",
    ("HttpDestination", "retry"): "its defaults",
    ("Journey", "on_resume"): "{spread: 1h}",
}


@cache
def tables(mark: str) -> dict[str, list[list[str]]]:
    """The marked tables of all pages, without their headers, by what is marked."""
    found: dict[str, list[list[str]]] = {}
    pattern = re.compile(rf"<!-- {mark}:? ?(\w*) -->\n(?:(?!<!--|\|).*\n)*((?:\|.*\n)+)")
    for page in sorted(DOCS.rglob("*.md")):
        for name, table in pattern.findall(page.read_text("utf-8")):
            assert name not in found, f"{name} has two tables"
            found[name] = cells(table)[1:]
    return found


def models() -> Iterator[type[BaseModel]]:
    """All that users write."""
    waiting: list[Any] = [
        *(kind.annotation for kind in KINDS.values()),
        Node,
        suite.Suite,
        canned.Canned,
    ]
    seen = set()
    while waiting:
        annotation = waiting.pop()
        if isinstance(annotation, type) and issubclass(annotation, BaseModel):
            if annotation not in seen:
                seen.add(annotation)
                waiting += [field.annotation for field in annotation.model_fields.values()]
        else:
            waiting += [one for one in get_args(annotation) if one not in (None, NoneType)]
    return iter(sorted(seen, key=lambda one: one.__name__))


MODELS = list(models())


def plain(cell: str) -> str:
    """A cell without links and backticks."""
    return re.sub(r"\[([^]]*)\]\([^)]*\)", r"\1", cell).replace("`", "").strip()


def type_words(annotation: Any, marks: tuple[Any, ...] = ()) -> str:
    """A type in the words of the pages."""
    words = []
    for option, more in options_of(annotation, None):
        told = [mark.text for mark in (*marks, *more) if isinstance(mark, Expected)]
        holds = [mark for mark in (*marks, *more) if isinstance(mark, Holds)]
        inner = get_args(option)
        if told:
            by_data = any(one.kind == "duration" for one in holds)
            words.append(WORDS[told[-1]] + ", or ${CEL} that gives one" * by_data)
        elif holds:
            words.append("data")
        elif get_origin(option) is Literal:
            words.append(", ".join(inner))
        elif option == base.Labels:
            words.append("labels")
        elif get_origin(option) is list:
            of = type_words(inner[0])
            words.append(f"list of {PLURAL.get(of, of)}")
        elif get_origin(option) is dict:
            of = type_words(inner[1])
            words.append("map" if of == "anything" else f"map of {PLURAL.get(of, of)}")
        elif isinstance(option, type) and issubclass(option, BaseModel):
            words.append(option.__name__)
        else:
            words.append(PLAIN[option])
    return " or ".join(dict.fromkeys(words))


def default_words(field: FieldInfo, kind: str) -> str:
    if field.is_required():
        return "required"
    value = field.get_default(call_default_factory=True)
    if value in (None, {}, []):
        return "–"
    if isinstance(value, bool):
        return str(value).lower()
    return fields.format_duration(value) if kind == "duration" else str(value)


def test_every_model_has_its_table_and_none_is_made_up() -> None:
    assert set(tables("fields")) - {"Wire"} == {model.__name__ for model in MODELS}


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model.__name__)
def test_a_table_has_the_fields_of_its_model(model: type[BaseModel]) -> None:
    expected = []
    for name, field in model.model_fields.items():
        key = (model.__name__, field.alias or name)
        kind = OTHERWISE.get(key) or type_words(field.annotation, tuple(field.metadata))
        default = DEFAULTS.get(key) or default_words(field, kind)
        expected.append([field.alias or name, kind, default])
    found = [[plain(cell) for cell in row[:3]] for row in tables("fields")[model.__name__]]
    assert sorted(found) == sorted(expected)


def test_the_table_of_events_has_the_fields_of_events() -> None:
    told = {plain(row[0]) for row in tables("fields")["Wire"]}
    assert told == set(events.Wire.__struct_fields__)


@pytest.mark.parametrize("name", RECORDS)
def test_a_table_has_the_fields_of_its_record(name: str) -> None:
    told = [word for row in tables("record")[name] for word in plain(row[0]).split(", ")]
    assert sorted(told) == sorted(RECORDS[name].__struct_fields__)


def test_every_type_of_outcome_is_documented() -> None:
    told = [plain(row[0]) for row in tables("outcomes")[""]]
    later = {"audience.entered", "audience.exited"}  # said below the table
    assert sorted(told) == sorted(OUTCOME_TYPES - later)
