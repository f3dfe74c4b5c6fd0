"""JSON Schemas of the documents that users write and of the records that the engine writes.

Law: they are generated from the models alone. They describe the fields; that names and expressions
fit together is checked only by `journeys validate`.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from functools import partial
from typing import Annotated, Any, Union, get_args

import msgspec
from pydantic import BaseModel, Discriminator, TypeAdapter

from journeys.documents.kind import Kinds
from journeys.nodes import Node
from journeys.records.action import Action
from journeys.records.outcome import Outcome
from journeys.simulation.canned_responses import CannedResponses
from journeys.simulation.testing.suite import Suite
from journeys.time import format_duration

DRAFT = "https://json-schema.org/draft/2020-12/schema"

Schema = dict[str, Any]


def schemas(kinds: Kinds) -> dict[str, Callable[[], Schema]]:
    """How each schema is made, by the name of its file before `.schema.json`.

    `documents` is any document: what an editor needs for a file that may hold several kinds.
    """
    one_of: Any = Union[tuple(kind.annotation for kind in kinds.values())]  # noqa: UP007
    any_document = Annotated[one_of, Discriminator("kind")]
    return {
        "documents": lambda: _of_model("Documents", any_document),
        **{name.lower(): partial(_of_model, name, kind.annotation) for name, kind in kinds.items()},
        "test": lambda: _of_model("Tests of journeys", Suite),
        "responses": lambda: _of_model("Responses to triggers", CannedResponses),
        "action": lambda: _of_record("Action", Action),
        "outcome": lambda: _of_record("Outcome", Outcome),
    }


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
