"""The catalog: which documents are active, and every version that was ever accepted.

Law: a push is accepted as a whole or changes nothing; an accepted version stays for good; and the
catalog's records alone give any worker the same catalog.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Any, NamedTuple, cast

from journeys.checks.check import Checked, check
from journeys.documents.catalog_records import ActiveVersion
from journeys.documents.destination import Destination
from journeys.documents.journey import Journey
from journeys.documents.kind import Document, Kinds, Push
from journeys.problems import Problem


def _none() -> Mapping[Any, Any]:
    return MappingProxyType({})


class Verdict(NamedTuple):
    """What a push does to one document.

    Attributes:
        journey: the journey that it is about, if any.
    """

    kind: str
    name: str
    version: str
    status: str
    changed: bool
    journey: str | None


@dataclass(frozen=True, slots=True)
class Accepted:
    """A push without mistakes. `entries`: the keys and values to write to the catalog."""

    documents: list[Verdict]
    entries: list[tuple[str, bytes]]


@dataclass(frozen=True, slots=True)
class Rejected:
    """A push that changes nothing, and its problems."""

    problems: list[Problem]


@dataclass(frozen=True, slots=True)
class Catalog:
    """All that was accepted. It is immutable; `with_entry` returns the next one.

    Attributes:
        kinds: the kinds of documents that the program knows.
        journeys: the active version of each journey, by name.
        versions: every accepted journey, by name and version.
        descriptions: of the active versions, by name.
        documents: the documents of the other kinds, by kind and name, archived ones included.
    """

    kinds: Kinds
    journeys: Mapping[str, ActiveVersion] = field(default_factory=_none)
    versions: Mapping[tuple[str, str], Journey] = field(default_factory=_none)
    descriptions: Mapping[str, str | None] = field(default_factory=_none)
    documents: Mapping[str, Mapping[str, Document]] = field(default_factory=_none)

    @property
    def destinations(self) -> Mapping[str, Destination]:
        """By name, archived ones included."""
        return cast("Mapping[str, Destination]", self.documents.get("Destination", {}))

    def get(self, name: str, version: str) -> Journey:
        """An accepted version of a journey; raises KeyError for one that never was."""
        return self.versions[name, version]

    def active(self) -> list[tuple[str, str, str]]:
        """Name, version and status of every journey, by name."""
        return [
            (name, entry.version, entry.status) for name, entry in sorted(self.journeys.items())
        ]

    def with_entry(self, key: str, value: bytes | None) -> Catalog:
        """The catalog after one more record of its topic.

        Raises:
            ValueError: this program doesn't know the kind of the record.
        """
        entry = None if value is None else json.loads(value)
        kind, *place = key.split("/")
        if kind in self.kinds:
            changes = self.kinds[kind].read(self, place, entry)
            if changes is not None:
                return replace(self, **changes)
        raise ValueError(f"the catalog's record {key!r} was written by a newer program")

    def with_entries(self, entries: Iterable[tuple[str, bytes]]) -> Catalog:
        """The catalog after several of its records."""
        catalog = self
        for key, value in entries:
            catalog = catalog.with_entry(key, value)
        return catalog


def check_push(text: str | bytes, file: str, catalog: Catalog, at: int = 0) -> Accepted | Rejected:
    """What one record of the configuration, pushed at `at` (ms), does to the catalog."""
    kinds = catalog.kinds
    known = {name: kind.known(catalog) for name, kind in kinds.items()}
    documents, problems = check([(file, text)], kinds, known)
    if not problems:
        push = Push([document.valid for document in documents], catalog)
        for document in documents:
            kinds[document.kind].check_status(document.valid, push, document.findings)
        problems = sorted(
            (problem for document in documents for problem in document.findings.problems),
            key=lambda one: (one.line, one.column),
        )
    if problems:
        return Rejected(problems)
    return _accept_all(documents, catalog, at)[0]


def catalog_of(files: Iterable[tuple[str, str | bytes]], kinds: Kinds) -> Catalog | Rejected:
    """The catalog of a set of files alone; Rejected where they are not valid by themselves."""
    documents, problems = check(files, kinds)
    if problems:
        return Rejected(problems)
    return _accept_all(documents, Catalog(kinds), 0)[1]


def _accept_all(documents: list[Checked], catalog: Catalog, at: int) -> tuple[Accepted, Catalog]:
    """What accepting these documents changes, and the catalog after it."""
    verdicts: dict[int, Verdict] = {}
    entries: list[tuple[str, bytes]] = []
    numbered = enumerate(documents)
    for number, document in catalog.kinds.in_order(numbered, lambda one: one[1].valid):
        valid, kind = document.valid, catalog.kinds[document.kind]
        change = kind.accept(valid, document.findings.root.plain(), catalog, at)
        verdicts[number] = Verdict(
            kind.name,
            valid.name,
            change.version,
            change.status,
            change.changed,
            kind.journey_of(valid),
        )
        entries += change.entries
        catalog = catalog.with_entries(change.entries)
    return Accepted([verdicts[number] for number in range(len(documents))], entries), catalog
