"""Marks on the types of fields, such as `NextNode`, and a search for the values that have one."""

from collections.abc import Callable, Iterator
from functools import cache, partial
from typing import Annotated, Any, NamedTuple, TypeVar, get_args, get_origin

from pydantic import BaseModel

_Model = TypeVar("_Model", bound=BaseModel)


class NextNode(NamedTuple):
    """Marks a field that names the node an instance goes to."""


class Refers(NamedTuple):
    """Marks a field that names another document."""

    kind: str


Path = tuple[str | int, ...]


def marked(part: BaseModel, kind: type) -> Iterator[tuple[Path, Any, Any]]:
    """Every value below `part` whose field has a mark of type `kind`: (path, value, mark)."""
    for name, value, mark, depth in _fields(part, kind):
        if mark is None:
            inside = _below(value, kind)
        else:
            inside = ((path, found, mark) for path, found in _items(value, depth))
        for path, found, found_mark in inside:
            yield (name, *path), found, found_mark


def replaced(part: _Model, kind: type, change: Callable[[Any, Any], Any]) -> _Model:
    """A copy of `part`, whose values with a mark of type `kind` are those that `change` returns.

    Args:
        change: takes a value and its mark.
    """
    changes: dict[str, Any] = {}
    for name, value, mark, depth in _fields(part, kind):
        if mark is None:
            new = _replaced_below(value, kind, change)
        else:
            new = _changed(value, depth, partial(_with_mark, change, mark))
        if new is not value:
            changes[name] = new
    return part.model_copy(update=changes) if changes else part


def _fields(part: BaseModel, kind: type) -> Iterator[tuple[str, Any, Any, int]]:
    """The fields that have a value: (name, value, mark, how many containers deep the mark is), with
    None as the mark of those that have none themselves."""
    marks = _marks(type(part), kind)
    for name in type(part).model_fields:
        value = getattr(part, name)
        if value is not None:
            yield name, value, *marks.get(name, (None, 0))


def _with_mark(change: Callable[[Any, Any], Any], mark: Any, value: Any) -> Any:
    return change(value, mark)


def _replaced_below(value: Any, kind: type, change: Callable[[Any, Any], Any]) -> Any:
    if isinstance(value, BaseModel):
        return replaced(value, kind, change)
    if isinstance(value, list | dict):
        return _changed(value, 1, lambda item: _replaced_below(item, kind, change))
    return value


def _changed(value: Any, depth: int, change: Callable[[Any], Any]) -> Any:
    """The container with its values at a depth of `depth` containers changed."""
    if depth == 0:
        return change(value)
    if isinstance(value, dict):
        return {key: _changed(item, depth - 1, change) for key, item in value.items()}
    return [_changed(item, depth - 1, change) for item in value]


def _below(value: Any, kind: type) -> Iterator[tuple[Path, Any, Any]]:
    if isinstance(value, BaseModel):
        yield from marked(value, kind)
    elif isinstance(value, list | dict):
        for key, item in _entries(value):
            for path, found, mark in _below(item, kind):
                yield (key, *path), found, mark


def _items(value: Any, depth: int) -> Iterator[tuple[Path, Any]]:
    """The values at a depth of `depth` containers."""
    if depth == 0:
        yield (), value
        return
    for key, item in _entries(value):
        for path, found in _items(item, depth - 1):
            yield (key, *path), found


def _entries(container: list[Any] | dict[str, Any]) -> Iterator[tuple[str | int, Any]]:
    return iter(container.items()) if isinstance(container, dict) else enumerate(container)


@cache
def _marks(model: type[BaseModel], kind: type) -> dict[str, tuple[Any, int]]:
    """The marked fields, each with its mark and how many containers deep the mark is."""
    found = {}
    for name, field in model.model_fields.items():
        on_field = ((mark, 0) for mark in field.metadata)
        for mark, depth in (*on_field, *_annotations(field.annotation, 0)):
            if isinstance(mark, kind):
                found[name] = (mark, depth)
    return found


def _annotations(annotation: Any, depth: int) -> Iterator[tuple[Any, int]]:
    """The marks inside a type such as `Next | None` or `dict[Label, Data]`."""
    origin, inner = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        yield from ((mark, depth) for mark in inner[1:])
        yield from _annotations(inner[0], depth)
    elif origin in (list, dict):
        yield from _annotations(inner[-1], depth + 1)
    else:
        for member in inner:
            yield from _annotations(member, depth)
