"""The catalog: which documents are active, and every version that was ever accepted.

Law: a push is accepted as a whole or changes nothing; an accepted version is never removed; every
worker builds the same catalog from the catalog's records alone.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from itertools import groupby
from types import MappingProxyType
from typing import Any, NamedTuple, cast

from journeys.checks.check import Checked, check
from journeys.documents.catalog_records import ActiveVersion, Draft
from journeys.documents.destination import Destination
from journeys.documents.journey import Journey
from journeys.documents.kind import Document, Kind, Kinds, Push
from journeys.problems import Problem


def _none() -> Mapping[Any, Any]:
    return MappingProxyType({})


class Verdict(NamedTuple):
    """What a push does to one document.

    Attributes:
        journey: the journey that the document concerns, if any.
    """

    kind: str
    name: str
    version: str
    status: str
    changed: bool
    journey: str | None


@dataclass(frozen=True, slots=True)
class Accepted:
    """A push without mistakes.

    Attributes:
        entries: the keys and values to write to the catalog.
        catalog: the catalog after them.
    """

    documents: list[Verdict]
    entries: list[tuple[str, bytes]]
    catalog: Catalog


@dataclass(frozen=True, slots=True)
class Rejected:
    """A push that changes nothing, and its problems."""

    problems: list[Problem]


@dataclass(frozen=True, slots=True)
class Catalog:
    """All accepted documents. It is immutable; `with_entry` returns the next catalog.

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
        """An accepted version of a journey; raises KeyError if there is none."""
        return self.versions[name, version]

    def active(self) -> list[tuple[str, str, str]]:
        """Name, version and status of every journey, by name."""
        return [
            (name, entry.version, entry.status) for name, entry in sorted(self.journeys.items())
        ]

    def with_entry(self, key: str, value: bytes | None) -> Catalog:
        """The catalog after one more record of its topic; raises as `with_entries`."""
        return self.with_entries([(key, value)])

    def with_entries(self, entries: Iterable[tuple[str, bytes | None]]) -> Catalog:
        """The catalog after several of its records.

        Raises:
            ValueError: this program doesn't know the kind of a record.
        """
        entries = list(entries)
        if not entries:
            return self
        documents = {kind: Draft(self.documents.get(kind, {})) for kind in self.kinds}
        catalog = replace(
            self,
            journeys=Draft(self.journeys),
            versions=Draft(self.versions),
            descriptions=Draft(self.descriptions),
            documents=Draft(documents),
        )
        for key, value in entries:
            entry = None if value is None else json.loads(value)
            kind, *place = key.split("/")
            changes = self.kinds[kind].read(catalog, place, entry) if kind in self.kinds else None
            if changes is None:
                raise ValueError(f"the catalog's record {key!r} was written by a newer program")
            catalog = replace(catalog, **changes)
        return replace(
            catalog,
            journeys=MappingProxyType(catalog.journeys),
            versions=MappingProxyType(catalog.versions),
            descriptions=MappingProxyType(catalog.descriptions),
            documents=MappingProxyType(
                {
                    kind: MappingProxyType(known)
                    for kind, known in catalog.documents.items()
                    if known
                }
            ),
        )


def check_push(text: str | bytes, file: str, catalog: Catalog, at: int = 0) -> Accepted | Rejected:
    """What one record of the configuration, pushed at `at` (ms), does to the catalog."""
    kinds = catalog.kinds
    known = {name: kind.known(catalog) for name, kind in kinds.items()}
    documents, problems = check([(file, text)], kinds, known)
    problems = problems or [
        problem for kind in kinds.values() for problem in _beyond_limits(kind, documents, known)
    ]
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
    return _accept_all(documents, catalog, at)


def _beyond_limits(
    kind: Kind, documents: list[Checked], known: Mapping[str, Mapping[str, bool]]
) -> Iterator[Problem]:
    """A problem if the push has too many new documents of a kind."""
    there = known[kind.name]
    new = [one for one in documents if one.kind == kind.name and one.name not in there]
    for found, limit, where in (
        (len(new), kind.most_new, "in one push"),
        (len(there) + len(new), kind.most, "in all, archived ones included"),
    ):
        if limit is not None and new and found > limit:
            expected = f"at most {limit:,} {where}"
            findings = new[-1].findings
            message = f"found {found:,} documents of kind {kind.name}, expected {expected}"
            findings.at(findings.root, message, found=f"{found:,}", expected=expected)
            yield from findings.problems
            return


def catalog_of(files: Iterable[tuple[str, str | bytes]], kinds: Kinds) -> Catalog | Rejected:
    """The catalog of these files alone; Rejected if they are not valid by themselves."""
    documents, problems = check(files, kinds)
    if problems:
        return Rejected(problems)
    return _accept_all(documents, Catalog(kinds), 0).catalog


def _accept_all(documents: list[Checked], before: Catalog, at: int) -> Accepted:
    """What accepting these documents changes.

    Documents of kinds with the same order are accepted together: none can change another, since a
    push names each document once.
    """
    kinds, catalog = before.kinds, before
    verdicts: dict[int, Verdict] = {}
    entries: list[tuple[str, bytes]] = []
    numbered = kinds.in_order(enumerate(documents), lambda one: one[1].valid)
    for _, together in groupby(numbered, lambda one: kinds[one[1].kind].order):
        new: list[tuple[str, bytes]] = []
        for number, document in together:
            valid, kind = document.valid, kinds[document.kind]
            change = kind.accept(valid, document.findings.root.plain(), catalog, at)
            verdicts[number] = Verdict(
                kind.name,
                valid.name,
                change.version,
                change.status,
                change.changed,
                kind.journey_of(valid),
            )
            new += change.entries
        entries += new
        catalog = catalog.with_entries(new)
    return Accepted([verdicts[number] for number in range(len(documents))], entries, catalog)
