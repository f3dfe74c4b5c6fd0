"""The meaning of every field, from the docstring below it in its class.

Law: the meaning of a field is written only in the file of its model. The source is read on demand,
so no command starts more slowly.
"""

from __future__ import annotations

import ast
import inspect
import sys
from collections.abc import Iterator, Mapping
from functools import cache


def field_texts(model: type) -> Mapping[str, str]:
    """The meanings of a model's or record's fields, by attribute name, one line each.

    A field that a subclass declares again without a docstring keeps that of its base class.
    """
    fields = tuple(getattr(model, "model_fields", getattr(model, "__struct_fields__", ())))
    found: dict[str, str] = {}
    for one in reversed(model.__mro__):
        found |= _texts_of_module(one.__module__).get(one.__qualname__, {})
    return {field: found[field] for field in fields if field in found}


@cache
def _texts_of_module(name: str) -> Mapping[str, Mapping[str, str]]:
    """By class and attribute; empty if a module has no source, such as one written in C."""
    try:
        source = inspect.getsource(sys.modules[name])
    except (OSError, TypeError):
        return {}
    classes = (part for part in ast.parse(source).body if isinstance(part, ast.ClassDef))
    return {part.name: dict(_texts(part)) for part in classes}


def _texts(part: ast.ClassDef) -> Iterator[tuple[str, str]]:
    for field, below in zip(part.body, part.body[1:], strict=False):
        match field, below:
            case (
                ast.AnnAssign(target=ast.Name(id=name)),
                ast.Expr(value=ast.Constant(value=str(text))),
            ):
                yield name, " ".join(text.split())
