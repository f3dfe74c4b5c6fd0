"""Looks up the type annotations of models for the values of a document.

Law: this works for any document, however many mistakes it has; nothing is validated here.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import cache
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from pydantic import BaseModel

from journeys.schema.fields import Among, Expected, Holds
from journeys.schema.marks import Path
from journeys.schema.yaml_source import YamlNode


def options_of(annotation: Any, node: YamlNode | None) -> list[tuple[Any, tuple[Any, ...]]]:
    """The types that an annotation allows, except None, each with its marks.

    Args:
        node: the value. Of several models that differ by `type`, only the one that it names is
            returned. None: all are returned.
    """
    if get_origin(annotation) is Annotated:
        inner, *marks = get_args(annotation)
        return [(base, (*marks, *more)) for base, more in options_of(inner, node)]
    if get_origin(annotation) in (Union, UnionType):
        options = [
            option
            for inner in get_args(annotation)
            if inner is not NoneType
            for option in options_of(inner, node)
        ]
        if node is not None and sum(is_model(base) for base, _ in options) > 1:
            kind = text_at(node, "type")
            return [option for option in options if kind in literals_of(option[0], "type")]
        return options
    return [(annotation, ())]


def base_of(annotation: Any) -> Any:
    """The first type that an annotation allows, without marks."""
    options = options_of(annotation, None)
    return options[0][0] if options else Any


def annotation_at(model: type[BaseModel], root: YamlNode, path: Path) -> Any:
    """The annotation of the value at a path of a document; Any if the model has none."""
    annotation: Any = model
    node: YamlNode | None = root
    for part in path:
        inner: Any = Any
        for base, _ in options_of(annotation, node):
            if is_model(base) and isinstance(part, str):
                inner = type_of_field(base, part) or Any
            elif get_origin(base) is dict:
                inner = get_args(base)[1]
            elif get_origin(base) is list and isinstance(part, int):
                inner = get_args(base)[0]
        annotation = inner
        node = None if node is None else child(node, part)
    return annotation


def model_at(model: type[BaseModel], root: YamlNode, path: Path) -> Any:
    """The model of the mapping at a path of a document, or None."""
    annotation = annotation_at(model, root, path)
    node = root
    for part in path:
        node = child(node, part) or node
    return model_of(annotation, node)


def model_of(annotation: Any, node: YamlNode) -> type[BaseModel] | None:
    """The model of a value, even if the value has mistakes."""
    return next((base for base, _ in options_of(annotation, node) if is_model(base)), None)


def nulls(annotation: Any, node: YamlNode, path: Path) -> Iterator[Path]:
    """The paths of keys with an empty value, which the model would take as absent keys."""
    for base, _ in options_of(annotation, node):
        if is_model(base):
            for key, below in entries_of(node):
                kind = type_of_field(base, key)
                if kind is None:
                    continue
                if below.value is None and not takes_anything(kind):
                    yield (*path, key)
                else:
                    yield from nulls(kind, below, (*path, key))
        elif get_origin(base) is dict:
            for key, below in entries_of(node):
                yield from nulls(get_args(base)[1], below, (*path, key))
        elif get_origin(base) is list and isinstance(node.value, list):
            for index, below in enumerate(node.value):
                yield from nulls(get_args(base)[0], below, (*path, index))


def takes_anything(annotation: Any) -> bool:
    return any(base is Any for base, _ in options_of(annotation, None))


def is_model(base: Any) -> bool:
    return isinstance(base, type) and issubclass(base, BaseModel)


@cache
def names_of_fields(model: type[BaseModel]) -> list[str]:
    return [info.alias or name for name, info in model.model_fields.items()]


@cache
def type_of_field(model: type[BaseModel], key: str | int) -> Any:
    """The annotation of a model's field, with its marks, by the key in documents; None: unknown."""
    for name, info in model.model_fields.items():
        if key == (info.alias or name):
            marks = tuple(info.metadata)
            return Annotated[(info.annotation, *marks)] if marks else info.annotation
    return None


@cache
def literals_of(model: Any, name: str) -> tuple[Any, ...]:
    return get_args(base_of(type_of_field(model, name))) if is_model(model) else ()


def tags_of(annotation: Any) -> list[str]:
    return [word for base, _ in options_of(annotation, None) for word in literals_of(base, "type")]


def words_of(annotation: Any) -> list[str]:
    """The fixed words that a type accepts, such as those of a Literal."""
    words: list[str] = []
    for base, marks in options_of(annotation, None):
        if get_origin(base) is Literal:
            words += get_args(base)
        for mark in marks:
            if isinstance(mark, Among):
                words += mark.words
    return words


def guesses_of(annotation: Any) -> Iterator[Callable[[str], str | None]]:
    """Functions that turn an invalid text into the valid text that was most likely meant."""
    for _, marks in options_of(annotation, None):
        for mark in marks:
            if isinstance(mark, Expected) and mark.guess is not None:
                yield mark.guess


def takes_text(annotation: Any) -> bool:
    """Whether the type is text but not CEL."""
    return all(
        base is str and not any(isinstance(mark, Holds) and mark.whole for mark in marks)
        for base, marks in options_of(annotation, None)
    )


def child(node: YamlNode, part: str | int) -> YamlNode | None:
    if isinstance(node.value, dict) and isinstance(part, str):
        return node.value.get(part)
    if isinstance(node.value, list) and isinstance(part, int) and part < len(node.value):
        item: YamlNode = node.value[part]
        return item
    return None


def entries_of(node: YamlNode) -> Iterator[tuple[str, YamlNode]]:
    if isinstance(node.value, dict):
        yield from node.value.items()


def text_at(node: YamlNode | None, key: str) -> str | None:
    below = None if node is None else child(node, key)
    return below.value if below is not None and isinstance(below.value, str) else None


def expects(annotation: Any) -> str:
    """What a type accepts, as messages name it after 'expected'."""
    texts = []
    options = options_of(annotation, None)
    models = [base for base, _ in options if is_model(base)]
    for base, marks in options:
        described = [mark.text for mark in marks if isinstance(mark, Expected)]
        if described:
            texts.append(described[-1])
        elif get_origin(base) is Literal:
            texts += [f"'{word}'" for word in get_args(base)]
        elif is_model(base):
            needed = [
                name for name in names_of_fields(base) if all(_needs(m, name) for m in models)
            ]
            listing = ", ".join(f"'{name}'" for name in needed)
            texts.append(f"a mapping with {listing}" if listing else "a mapping")
        elif get_origin(base) is dict:
            texts.append("a mapping")
        elif get_origin(base) is list:
            texts.append("a list")
        else:
            words = {str: "text", int: "an integer", float: "a number", bool: "true or false"}
            texts.append(words.get(base, "a value"))
    texts = list(dict.fromkeys(texts))
    return " or ".join([", ".join(texts[:-1]), texts[-1]] if len(texts) > 1 else texts)


def _needs(model: type[BaseModel], key: str) -> bool:
    return any(
        info.is_required() and key == (info.alias or name)
        for name, info in model.model_fields.items()
    )
