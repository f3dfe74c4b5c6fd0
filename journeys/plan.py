"""What a push would change: every document, node and field, before and after.

Law: it is the difference between the catalog and the catalog as the push would leave it, so it
says what an apply does and not what files look like.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal

from journeys.catalog import Catalog, Rejected, Verdict, check_push, version_of
from journeys.documents import Journey
from journeys.fields import as_written
from journeys.schema_types import Path

Kind = Literal["created", "changed", "archived", "unchanged"]

_ABSENT = object()


@dataclass(frozen=True, slots=True)
class FieldChange:
    """One field or node that is added, removed or changed; values as documents write them."""

    path: Path
    change: Literal["added", "removed", "changed"]
    before: Any = None
    after: Any = None


@dataclass(frozen=True, slots=True)
class DocumentChange:
    """What becomes of one document of the push.

    Attributes:
        before: the version in force now, or None.
        version: the version that would be in force.
        fields: what is different; of a document that is created, nothing.
    """

    kind: str
    name: str
    change: Kind
    before: str | None
    version: str
    fields: tuple[FieldChange, ...]


def plan(text: str | bytes, file: str, catalog: Catalog) -> list[DocumentChange] | Rejected:
    """What pushing the text would do to the catalog, in the order of its documents."""
    verdict = check_push(text, file, catalog)
    if isinstance(verdict, Rejected):
        return verdict
    after = catalog
    for key, value in verdict.entries:
        after = after.with_entry(key, value)
    return [_change(one, catalog, after) for one in verdict.documents]


def _change(one: Verdict, before: Catalog, after: Catalog) -> DocumentChange:
    old, new = _written(before, one.kind, one.name), _written(after, one.kind, one.name)
    fields = () if old is None or new is None else tuple(differences(old, new))
    if old is None:
        change: Kind = "created"
    elif not fields:
        change = "unchanged"
    elif new and new.get("status") == "archived" != old.get("status"):
        change = "archived"
    else:
        change = "changed"
    version = None if old is None else _version(before, one.kind, one.name)
    return DocumentChange(one.kind, one.name, change, version, one.version, fields)


def _version(catalog: Catalog, kind: str, name: str) -> str:
    if kind == "Journey":
        return catalog.journeys[name].version
    return version_of(_document(catalog, kind, name))


def _document(catalog: Catalog, kind: str, name: str) -> Any:
    """A document of a kind other than journeys, or None; the catalog keeps each kind by name."""
    return getattr(catalog, f"{kind.lower()}s").get(name)


def _written(catalog: Catalog, kind: str, name: str) -> dict[str, Any] | None:
    """What is in force of a document, as its author would write it; None where there is none."""
    if kind != "Journey":
        document = _document(catalog, kind, name)
        return None if document is None else as_written(document)
    now = catalog.journeys.get(name)
    if now is None:
        return None
    journey = catalog.get(name, now.version)
    written = {**as_written(journey), "status": now.status}
    written["description"] = catalog.descriptions.get(name)
    return {key: value for key, value in written.items() if value is not None} | _ways(journey)


def _ways(journey: Journey) -> dict[str, Any]:
    """Where the order of the nodes counts: which is the first, and where those without `next` go.

    Otherwise a journey whose nodes have changed places would seem to be as it was.
    """
    nodes = {name: as_written(node) for name, node in journey.nodes.items()}
    for name, node in journey.nodes.items():
        below = journey.below(name)
        if node.falls_through and below is not None:
            nodes[name].setdefault("next", below)
    return {"first": journey.first, "nodes": nodes}


def differences(before: Any, after: Any, path: Path = ()) -> Iterator[FieldChange]:
    """What is added, removed and changed, as deep as both have the same shape."""
    if isinstance(before, dict) and isinstance(after, dict):
        for name in [*before, *(name for name in after if name not in before)]:
            old, new = before.get(name, _ABSENT), after.get(name, _ABSENT)
            if new is _ABSENT:
                yield FieldChange((*path, name), "removed", before=old)
            elif old is _ABSENT:
                yield FieldChange((*path, name), "added", after=new)
            else:
                yield from differences(old, new, (*path, name))
    elif isinstance(before, list) and isinstance(after, list) and len(before) == len(after):
        for index, (old, new) in enumerate(zip(before, after, strict=True)):
            yield from differences(old, new, (*path, index))
    elif before != after or isinstance(before, bool) != isinstance(after, bool):
        yield FieldChange(path, "changed", before, after)
