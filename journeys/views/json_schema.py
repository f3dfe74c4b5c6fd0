"""JSON Schemas of the documents that users write and of the records that the engine writes.

Law: they are generated from the models alone. They describe the fields; that names and expressions
fit together is checked only by `journeys validate`.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from functools import reduce
from operator import or_
from typing import Annotated, Any, get_args

import msgspec
from pydantic import BaseModel, Discriminator, TypeAdapter

from journeys.documents.kinds import KINDS
from journeys.nodes import Node
from journeys.records.action import Action
from journeys.records.outcome import Outcome
from journeys.simulation.canned_responses import CannedResponses
from journeys.simulation.testing.suite import Suite
from journeys.time import format_duration

DRAFT = "https://json-schema.org/draft/2020-12/schema"

Schema = dict[str, Any]


def documents() -> Schema:
    """The schema of any document, for a file with several kinds."""
    one_of: Any = reduce(or_, KINDS.values())
    return _of_model("Documents", Annotated[one_of, Discriminator("kind")])


def _kind(name: str) -> Callable[[], Schema]:
    return lambda: _of_model(name, KINDS[name])


SCHEMAS: dict[str, Callable[[], Schema]] = {
    "documents": documents,
    **{name.lower(): _kind(name) for name in KINDS},
    "test": lambda: _of_model("Tests of journeys", Suite),
    "responses": lambda: _of_model("Responses to triggers", CannedResponses),
    "action": lambda: _of_record("Action", Action),
    "outcome": lambda: _of_record("Outcome", Outcome),
}
"""The function that makes each schema, by the name of its file without `.schema.json`."""


def _of_model(title: str, model: Any) -> Schema:
    schema = TypeAdapter(model).json_schema(by_alias=True)
    for name, text in _node_descriptions().items():
        if name in schema.get("$defs", {}):
            schema["$defs"][name]["description"] = text
    return {"$schema": DRAFT, "title": title, **_cleaned(schema)}


def _of_record(title: str, record: type) -> Schema:
    return {"$schema": DRAFT, **_cleaned(msgspec.json.schema(record)), "title": title}


def _node_descriptions() -> dict[str, str]:
    """The first paragraph of the module docstring of each node type, by the model's name."""
    models: list[type[BaseModel]] = list(get_args(get_args(Node)[0]))
    return {
        model.__name__: _one_line((sys.modules[model.__module__].__doc__ or "").split("\n\n")[0])
        for model in models
    }


def _cleaned(part: Any) -> Any:
    """A schema without null, which documents don't have, and without pydantic's additions."""
    if isinstance(part, list):
        return [_cleaned(item) for item in part]
    if not isinstance(part, dict):
        return part
    found = {
        name: {key: _cleaned(below) for key, below in value.items()}
        if name in ("properties", "$defs", "patternProperties")
        else _cleaned(value)
        for name, value in part.items()
        if name not in ("title", "default", "discriminator")
    }
    default = part.get("default")
    if isinstance(default, int) and not isinstance(default, bool) and "pattern" in found:
        default = format_duration(default)  # a duration is the only number written as text
    if isinstance(default, str | int | float):
        found["default"] = default
    if "description" in found:
        found["description"] = _one_line(str(found["description"]))
    if "patternProperties" in found:
        found["additionalProperties"] = False  # any other name is an error
    options = found.get("anyOf")
    if options and "default" in part and part["default"] is None:
        rest = [option for option in options if option != {"type": "null"}]
        del found["anyOf"]
        found = {**rest[0], **found} if len(rest) == 1 else {**found, "anyOf": rest}
    return found


def _one_line(text: str) -> str:
    return " ".join(text.split())
