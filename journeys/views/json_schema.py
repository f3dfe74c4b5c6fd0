"""JSON Schemas of the documents that users write and of the records that the engine writes.

Law: they are generated from the models alone, and every field is described by the docstring below
it. `if` and `then` select the schema of a value by its `kind`, its `type` or whether it is a
mapping, so that an editor reports errors only against the form that was meant. Names and
expressions are checked only by `journeys validate`.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from functools import partial
from typing import Annotated, Any, Union, get_args

import msgspec
from pydantic import BaseModel, Discriminator, TypeAdapter
from pydantic.json_schema import GenerateJsonSchema

from journeys.documents.kind import Kinds
from journeys.nodes import Node
from journeys.records.action import Action
from journeys.records.outcome import Outcome
from journeys.simulation.canned_responses import CannedResponses
from journeys.simulation.testing.suite import Suite
from journeys.time import format_duration
from journeys.views.docstrings import field_texts

DRAFT = "https://json-schema.org/draft/2020-12/schema"
VERSION = 1
"""The version of the schemas; it changes when documents that were valid no longer are."""

Schema = dict[str, Any]


def schemas(kinds: Kinds) -> dict[str, Callable[[], Schema]]:
    """The function that creates each schema, by its file name without `.schema.json`.

    `documents` is any document: what an editor needs for a file that may hold several kinds.
    """
    one_of: Any = Union[tuple(kind.annotation for kind in kinds.values())]  # noqa: UP007
    any_document = Annotated[one_of, Discriminator("kind")]
    return {
        "documents": lambda: _of_model("documents", "Documents", any_document),
        **{
            name.lower(): partial(_of_model, name.lower(), name, kind.annotation)
            for name, kind in kinds.items()
        },
        "test": lambda: _of_model("test", "Tests of journeys", Suite),
        "responses": lambda: _of_model("responses", "Responses to triggers", CannedResponses),
        "action": lambda: _of_record("action", Action),
        "outcome": lambda: _of_record("outcome", Outcome),
    }


class _Described(GenerateJsonSchema):
    """Pydantic's schema of a model, with the meaning of each field."""

    def model_schema(self, schema: Any) -> Schema:
        found, model = super().model_schema(schema), schema["cls"]
        names = {info.alias or name: name for name, info in model.model_fields.items()}
        _describe(found, model, names)
        return found


def _of_model(name: str, title: str, model: Any) -> Schema:
    schema = TypeAdapter(model).json_schema(by_alias=True, schema_generator=_Described)
    for node, text in _node_descriptions().items():
        if node in schema.get("$defs", {}):
            schema["$defs"][node]["description"] = text
    return _finished(name, title, schema)


def _of_record(name: str, record: type) -> Schema:
    schema = msgspec.json.schema(record)
    for part, one in schema["$defs"].items():
        _describe(one, vars(sys.modules[record.__module__])[part], {})
    return _finished(name, record.__name__, schema)


def _finished(name: str, title: str, schema: Schema) -> Schema:
    head = {"$schema": DRAFT, "$id": f"urn:journeys:schema:v{VERSION}:{name}", "title": title}
    return {**head, **_chosen(_cleaned(schema), schema.get("$defs", {}))}


def _describe(part: Schema, model: type, attributes: Mapping[str, str]) -> None:
    """Adds to every field its meaning and its allowed values.

    Args:
        attributes: the attribute names of the fields whose names differ in the class.

    Raises:
        LookupError: a field has no docstring.
    """
    texts = field_texts(model)
    for field, value in part.get("properties", {}).items():
        text = texts.get(attributes.get(field, field))
        if text is None:
            where = f"{model.__module__}.{model.__qualname__}.{field}"
            raise LookupError(f"{where}: expected a docstring below it that says what it means")
        expected = value.get("description")
        value["description"] = text if expected is None else f"{text.rstrip('.')}: {expected}"


def _chosen(part: Any, parts: Schema) -> Any:
    """The schema with `if` and `then` for each choice, if a value shows which one is meant."""
    if isinstance(part, list):
        return [_chosen(one, parts) for one in part]
    if not isinstance(part, dict):
        return part
    found = {name: _chosen(value, parts) for name, value in part.items()}
    word = next((word for word in ("oneOf", "anyOf") if word in found), None)
    options = found.pop(word, []) if word else []
    if not options:
        return found
    models = [parts.get(str(one.get("$ref", "")).rpartition("/")[2], one) for one in options]
    for tag in ("kind", "type"):
        tags = [one.get("properties", {}).get(tag, {}).get("const") for one in models]
        if None not in tags and len(set(tags)) == len(tags):
            return found | _by_tag(tag, dict(zip(tags, options, strict=True)))
    types = [one.get("type") for one in models]
    if None not in types and len(set(types)) == len(types):
        return found | _by_type(dict(zip(types, options, strict=True)))
    return found | {word: options}


def _by_tag(tag: str, options: Mapping[str, Schema]) -> Schema:
    return {
        "type": "object",
        "required": [tag],
        "properties": {tag: {"enum": list(options)}},
        "allOf": [
            {"if": {"required": [tag], "properties": {tag: {"const": word}}}, "then": one}
            for word, one in options.items()
        ],
    }


def _by_type(options: Mapping[str, Schema]) -> Schema:
    if all(set(one) == {"type"} for one in options.values()):
        return {"type": list(options)}
    return {
        "type": list(options),
        "allOf": [{"if": {"type": type}, "then": one} for type, one in options.items()],
    }


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
