"""What every field means: the docstring below it in its class.

Law: a field's meaning stands in the file of its model and nowhere else. The source is read only
when somebody asks, so no command starts later for it.
"""

from __future__ import annotations

import ast
import inspect
import sys
from collections.abc import Iterator, Mapping
from functools import cache


def field_texts(model: type) -> Mapping[str, str]:
    """What the fields of a model or record mean, by the name of the attribute, one line each.

    A field that a class declares again without a text keeps that of the class above it.
    """
    fields = tuple(getattr(model, "model_fields", getattr(model, "__struct_fields__", ())))
    found: dict[str, str] = {}
    for one in reversed(model.__mro__):
        found |= _texts_of_module(one.__module__).get(one.__qualname__, {})
    return {field: found[field] for field in fields if field in found}


@cache
def _texts_of_module(name: str) -> Mapping[str, Mapping[str, str]]:
    """By class and attribute; nothing where a module has no source, as those written in C."""
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
