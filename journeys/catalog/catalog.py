"""The catalog: which documents are in force and every version that was ever accepted.

Law: a push is accepted as a whole or changes nothing; an accepted version stays for good; and the
catalog's records alone give any worker the same catalog.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Any, NamedTuple

from pydantic import BaseModel

from journeys.checks.check import Checked, check
from journeys.documents.destination import Destination
from journeys.documents.journey import Journey
from journeys.documents.kinds import Document
from journeys.documents.lifecycle import Lifecycle
from journeys.problems import Problem
from journeys.schema.marks import Refers, marked


def _none() -> Mapping[Any, Any]:
    return MappingProxyType({})


class InForce(NamedTuple):
    """What of a journey holds now.

    Attributes:
        written: the status that its document was last pushed with.
        resumed_at: when it last went on after a pause, ms; 0: never.
        archived_at: when it was archived, each time, ms: the first one after an instance was
            looked at ends it.
    """

    version: str
    status: str
    written: str
    resumed_at: int = 0
    archived_at: tuple[int, ...] = ()

    def with_status(self, status: str, at: int) -> InForce:
        """The journey after a change of its life at `at`, ms; each is later than the one before."""
        at = max(at, *(before + 1 for before in (self.resumed_at, *self.archived_at)))
        resumed = self.status == "paused" and status == "running"
        archived = self.status != "archived" and status == "archived"
        return self._replace(
            status=status,
            resumed_at=at if resumed else self.resumed_at,
            archived_at=(*self.archived_at, at) if archived else self.archived_at,
        )


class Verdict(NamedTuple):
    """What a push does to one document."""

    kind: str
    name: str
    version: str
    status: str
    changed: bool


@dataclass(frozen=True, slots=True)
class Accepted:
    """A push that holds. `entries` are the records to write to the catalog, keys and values."""

    documents: list[Verdict]
    entries: list[tuple[str, bytes]]


@dataclass(frozen=True, slots=True)
class Rejected:
    """A push that changes nothing, and why."""

    problems: list[Problem]


@dataclass(frozen=True, slots=True)
class Catalog:
    """All that was accepted. It never changes; `with_entry` gives the next one.

    Attributes:
        journeys: what is in force, by name.
        versions: every accepted journey, by name and version.
        destinations: those in force, by name, the archived ones included.
        descriptions: of the journeys in force, by name.
    """

    journeys: Mapping[str, InForce] = field(default_factory=_none)
    versions: Mapping[tuple[str, str], Journey] = field(default_factory=_none)
    destinations: Mapping[str, Destination] = field(default_factory=_none)
    descriptions: Mapping[str, str | None] = field(default_factory=_none)

    def get(self, name: str, version: str) -> Journey:
        """An accepted version of a journey; raises KeyError for one that never was."""
        return self.versions[name, version]

    def in_force(self) -> list[tuple[str, str, str]]:
        """Name, version and status of every journey, by name."""
        return [
            (name, entry.version, entry.status) for name, entry in sorted(self.journeys.items())
        ]

    def with_entry(self, key: str, value: bytes | None) -> Catalog:
        """The catalog after one of its records.

        Raises:
            ValueError: the record is of a kind that this program doesn't know.
        """
        entry = None if value is None else json.loads(value)
        match key.split("/"):
            case ["Journey", name]:
                now = entry and InForce(
                    entry["version"], entry["status"], *_lifecycle_history(entry)
                )
                return replace(
                    self,
                    journeys=_with(self.journeys, name, now),
                    descriptions=_with(self.descriptions, name, entry and entry["description"]),
                )
            case ["Journey", name, version]:
                journey = entry and _model(Journey, entry)
                return replace(self, versions=_with(self.versions, (name, version), journey))
            case ["Destination", name]:
                destination = entry and _model(Destination, entry)
                return replace(self, destinations=_with(self.destinations, name, destination))
        raise ValueError(f"the catalog's record {key!r} was written by a newer program")


def version_of(document: Document) -> str:
    """A hash of what a document does: 12 hex digits.

    The same for any order of keys and any formatting, with defaults written out or not, and for
    any status and description. The order of nodes counts as far as `next` follows from it.
    """
    meaning = document.model_dump(
        mode="json", by_alias=True, exclude_defaults=True, exclude={"status", "description"}
    )
    if isinstance(document, Journey):
        meaning["first"] = document.first
        for name, node in document.nodes.items():
            below = document.below(name)
            if node.falls_through and getattr(node, "next", None) is None and below is not None:
                meaning["nodes"][name]["next"] = below
    text = json.dumps(meaning, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:12]


def check_push(text: str | bytes, file: str, catalog: Catalog, at: int = 0) -> Accepted | Rejected:
    """What one record of the configuration, pushed at `at` (ms), does to the catalog."""
    in_force: dict[str, Mapping[str, Any]] = {
        "Journey": catalog.journeys,
        "Destination": catalog.destinations,
    }
    archived = {
        kind: {name: one.status == "archived" for name, one in known.items()}
        for kind, known in in_force.items()
    }
    documents, problems = check([(file, text)], archived)
    if not problems:
        for document in documents:
            _check_status(document, documents, catalog)
        problems = sorted(
            (problem for document in documents for problem in document.findings.problems),
            key=lambda one: (one.line, one.column),
        )
    if problems:
        return Rejected(problems)
    return _accept_all(documents, catalog, at)[0]


def catalog_of(files: Iterable[tuple[str, str | bytes]]) -> Catalog | Rejected:
    """What files that hold by themselves bring in force, together."""
    documents, problems = check(files, {})
    if problems:
        return Rejected(problems)
    return _accept_all(documents, Catalog(), 0)[1]


def validate_files(files: Iterable[tuple[str, str | bytes]]) -> list[Problem]:
    """What is wrong with files that shall hold by themselves."""
    return check(files, {})[1]


def _accept_all(documents: list[Checked], catalog: Catalog, at: int) -> tuple[Accepted, Catalog]:
    """What documents that hold do, and the catalog after them."""
    verdicts: dict[int, Verdict] = {}
    entries: list[tuple[str, bytes]] = []
    numbered = enumerate(documents)
    # A journey must be there before its life can change, wherever in the text it stands.
    for number, document in sorted(numbered, key=lambda one: isinstance(one[1].model, Lifecycle)):
        verdicts[number], written = _accept(document, catalog, at)
        entries += written
        for key, value in written:
            catalog = catalog.with_entry(key, value)
    return Accepted([verdicts[number] for number in range(len(documents))], entries), catalog


def _accept(
    document: Checked, catalog: Catalog, at: int
) -> tuple[Verdict, list[tuple[str, bytes]]]:
    model = document.model
    assert model is not None  # a document without a model has problems
    if isinstance(model, Lifecycle):
        return _accept_lifecycle(model, catalog, at)
    version = version_of(model)
    key = f"{model.kind}/{model.name}"
    entry = {
        "kind": model.kind,
        "name": model.name,
        "version": version,
        "status": model.status,
        "description": model.description,
    }
    written = {**entry, "document": document.findings.root.plain()}
    if isinstance(model, Destination):
        old = catalog.destinations.get(model.name)
        changed = old != model
        entries = [(key, _bytes(written))] if changed else []
        return Verdict(model.kind, model.name, version, model.status, changed), entries
    entries = []
    if (model.name, version) not in catalog.versions:
        entries.append((f"{key}/{version}", _bytes(written)))
    before = catalog.journeys.get(model.name)
    now = _after(model, before, at)._replace(version=version)
    changed = before != now or catalog.descriptions.get(model.name) != model.description
    if changed:
        entries.append((key, _in_force(model.name, now, model.description)))
    return Verdict(model.kind, model.name, version, now.status, changed), entries


def _after(journey: Journey, now: InForce | None, at: int) -> InForce:
    """What becomes of a journey that is pushed: its status counts where it is another one than it
    was pushed with before, so that the same file doesn't undo a change of its life."""
    if now is None:
        return InForce("", journey.status, journey.status)
    if journey.status == now.written:
        return now
    return now.with_status(journey.status, at)._replace(written=journey.status)


def _accept_lifecycle(
    change: Lifecycle, catalog: Catalog, at: int
) -> tuple[Verdict, list[tuple[str, bytes]]]:
    now = catalog.journeys[change.name]
    after = now.with_status(change.status, at) if change.status != now.status else now
    entries = []
    if after != now:
        description = catalog.descriptions.get(change.name)
        entries.append((f"Journey/{change.name}", _in_force(change.name, after, description)))
    changed = bool(entries)
    return Verdict(change.kind, change.name, now.version, change.status, changed), entries


def _in_force(name: str, now: InForce, description: str | None) -> bytes:
    return _bytes({"kind": "Journey", "name": name, **now._asdict(), "description": description})


def _lifecycle_history(entry: Mapping[str, Any]) -> tuple[str, int, tuple[int, ...]]:
    return entry["written"], entry["resumed_at"], tuple(entry["archived_at"])


def _check_status(document: Checked, documents: list[Checked], catalog: Catalog) -> None:
    """Changes of status that can't be."""
    model, findings = document.model, document.findings
    place = findings.node(("status",))
    if isinstance(model, Journey):
        now = catalog.journeys.get(model.name)
        begun = now is not None and "draft" not in (now.status, now.written)
        if now is not None and begun and model.status == "draft":
            findings.at(
                place,
                f"'status' in Journey '{model.name}': found 'draft', but it is {now.status} "
                "already: expected 'running', 'paused' or 'archived'",
                found="draft",
            )
    elif isinstance(model, Destination) and model.status == "archived":
        users = _users(model.name, documents, catalog)
        if users:
            findings.at(
                place,
                f"'status' in Destination '{model.name}': found 'archived', but the journey "
                f"{' and '.join(users)} can still send to it: archive that first",
                found="archived",
            )


def _users(destination: str, documents: list[Checked], catalog: Catalog) -> list[str]:
    """Accepted versions of journeys, after the push not archived, that name a destination."""
    statuses = {name: now.status for name, now in catalog.journeys.items()}
    for one in documents:
        if isinstance(one.model, Journey):
            statuses[one.name] = _after(one.model, catalog.journeys.get(one.name), 0).status
    for one in documents:
        if isinstance(one.model, Lifecycle):
            statuses[one.name] = one.model.status
    return sorted(
        f"'{name}' (version {version})"
        for (name, version), journey in catalog.versions.items()
        if statuses.get(name) != "archived" and destination in _destinations(journey)
    )


def _destinations(journey: Journey) -> set[str]:
    return {
        name
        for node in journey.nodes.values()
        for _, name, mark in marked(node, Refers)
        if mark.kind == "Destination"
    }


def _bytes(entry: dict[str, Any]) -> bytes:
    return json.dumps(entry, ensure_ascii=False, separators=(",", ":")).encode()


def _model(kind: type[BaseModel], entry: dict[str, Any]) -> Any:
    return kind.model_validate(entry["document"], by_alias=True, by_name=False)


def _with(known: Mapping[Any, Any], key: Any, value: Any) -> Mapping[Any, Any]:
    """The mapping with another value, or without the key where that is None."""
    if value is None:
        return MappingProxyType({name: one for name, one in known.items() if name != key})
    return MappingProxyType({**known, key: value})
