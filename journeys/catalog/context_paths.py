"""Which paths of its context an instance still needs, as trees of names.

Law: an instance keeps no more of its context than later nodes read.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import Any

from pydantic import BaseModel

from journeys.expressions.expression import compile_cel
from journeys.expressions.templates import data_paths
from journeys.schema.fields import Holds
from journeys.schema.marks import marked

Paths = dict[str, Any]
"""A tree of paths: what is kept below each name; an empty tree keeps everything below it."""

_KEPT = ("entry", "steps", "attr")


def expression_paths(part: BaseModel) -> Iterator[tuple[str, ...]]:
    """The path of every value that the expressions below `part` read."""
    for _, value, holds in marked(part, Holds):
        if isinstance(value, str) and value in holds.literals:
            continue
        if holds.whole:
            yield from compile_cel(value).paths
        else:
            yield from data_paths(value, duration=holds.kind == "duration")


def path_tree(paths: Iterable[tuple[str, ...]], roots: Collection[str] = _KEPT) -> Paths:
    tree: Paths = {}
    for path in sorted(set(paths)):  # a shorter path comes before those below it
        branch = tree
        for name in path if path[0] in roots else ():
            if name in branch and not branch[name]:
                break  # all of it is kept already
            branch = branch.setdefault(name, {})
    return tree


def first_missing(kept: Paths, read: Paths) -> tuple[str, ...] | None:
    """A path in `read` that `kept` doesn't keep whole; None if there is none."""
    for name, below in read.items():
        if name not in kept:
            return (name, *_first_path(below))
        if kept[name]:
            missing = first_missing(kept[name], below) if below else ()
            if missing is not None:
                return (name, *missing)
    return None


def _first_path(tree: Paths) -> tuple[str, ...]:
    for name, below in tree.items():
        return (name, *_first_path(below))
    return ()


def prune(value: Mapping[str, Any], tree: Paths) -> dict[str, Any]:
    kept = {}
    for name, below in tree.items():
        if name in value:
            inner = value[name]
            if below and isinstance(inner, dict):
                inner = prune(inner, below)
            kept[name] = inner
    return kept
