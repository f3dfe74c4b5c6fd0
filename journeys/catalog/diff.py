"""What a push would change: every document, node and field, before and after.

Law: the catalog is compared with the catalog as the push would leave it. So the result shows what
an apply does, not how files differ.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from journeys.catalog.catalog import Catalog, Rejected, Verdict, check_push
from journeys.catalog.program import Program
from journeys.schema.marks import Path

ChangeType = Literal["created", "changed", "archived", "unchanged"]

_ABSENT = object()


@dataclass(frozen=True, slots=True)
class FieldChange:
    """One field or node that is added, removed or changed; values as documents write them."""

    path: Path
    change: Literal["added", "removed", "changed"]
    before: Any = None
    after: Any = None


@dataclass(frozen=True, slots=True)
class InFlight:
    """What happens to the instances of an older version of a journey.

    Attributes:
        follow: the nodes where instances continue with the new version.
        stay: the nodes on which they stay with their own version, each with the reason.
    """

    version: str
    follow: tuple[str, ...]
    stay: dict[str, str]


@dataclass(frozen=True, slots=True)
class DocumentChange:
    """What the push does to one of its documents.

    Attributes:
        before: the active version, or None.
        version: the version that would be active.
        fields: what is different; empty for a document that is created.
        in_flight: for a new version of a journey: what happens to instances of each older one.
        notes: sentences about what the fields don't show.
    """

    kind: str
    name: str
    change: ChangeType
    before: str | None
    version: str
    fields: tuple[FieldChange, ...]
    in_flight: tuple[InFlight, ...] = ()
    notes: tuple[str, ...] = ()


def plan(text: str | bytes, file: str, catalog: Catalog) -> list[DocumentChange] | Rejected:
    """What pushing the text would do to the catalog, in the order of its documents."""
    verdict = check_push(text, file, catalog)
    if isinstance(verdict, Rejected):
        return verdict
    versions: defaultdict[str, list[str]] = defaultdict(list)
    for name, version in verdict.catalog.versions:
        versions[name].append(version)
    return [_change(one, catalog, verdict.catalog, versions) for one in verdict.documents]


def _change(
    one: Verdict, before: Catalog, after: Catalog, versions: Mapping[str, list[str]]
) -> DocumentChange:
    kind = after.kinds[one.kind]
    change, fields = change_of(one, before, after)
    version = None if change == "created" else kind.version(before, one.name)
    moved = kind.keeps_versions and change != "created" and version != one.version
    in_flight = tuple(_in_flight(one.name, after, versions[one.name])) if moved else ()
    notes = tuple(kind.plan_notes(one.name, before, after))
    return DocumentChange(
        one.kind, one.name, change, version, one.version, fields, in_flight, notes
    )


def change_of(
    one: Verdict, before: Catalog, after: Catalog
) -> tuple[ChangeType, tuple[FieldChange, ...]]:
    """What a push does to one of its documents, in a word and field by field."""
    kind = after.kinds[one.kind]
    old = kind.written(before, one.name)
    if old is None:
        return "created", ()
    new = kind.written(after, one.name) if one.changed else None
    fields = () if new is None else tuple(differences(old, new))
    if new is None or not fields:
        return "unchanged", ()
    archived = new.get("status") == "archived" != old.get("status")
    return "archived" if archived else "changed", fields


def _in_flight(name: str, after: Catalog, versions: list[str]) -> Iterator[InFlight]:
    now = after.journeys[name].version
    newest = Program(name, now, after.get(name, now))
    for version in versions:
        if version == now:
            continue
        old = Program(name, version, after.get(name, version))
        stands = [
            node for node, model in old.nodes.items() if model.blocking or model.forks is not None
        ]
        if newest.journey.in_flight == "pin":
            stay = dict.fromkeys(stands, "in_flight is pin")
        else:
            found = {node: newest.obstacle(old, node) for node in stands}
            stay = {node: why for node, why in found.items() if why is not None}
        yield InFlight(version, tuple(node for node in stands if node not in stay), stay)


def differences(before: Any, after: Any, path: Path = ()) -> Iterator[FieldChange]:
    """What is added, removed and changed, compared as deeply as both have the same shape."""
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
