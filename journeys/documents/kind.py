"""What a kind of document is: its fields, its checks, its place in the catalog, its changes.

Law: whatever depends on a document's kind is a method of its `Kind`; nothing outside this folder
branches on the kind of a document. A plain kind is an instance of `Kind`: its newest document is
kept whole under `kind/name`. Other kinds subclass it.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from types import MappingProxyType
from typing import Any, ClassVar, NamedTuple, Protocol, get_args

from journeys.documents.catalog_records import ActiveVersion, entry_bytes, with_value
from journeys.expressions.expression import Expression
from journeys.expressions.syntax import COUNT
from journeys.schema.fields import Holds, Model, as_written
from journeys.schema.findings import Findings
from journeys.schema.marks import Path, Refers, marked


class Document(Model):
    """A document as the user writes it. Subclasses define `kind`, a literal, and their fields."""

    kind: str
    """What kind of document this is."""
    name: str
    """The name by which other documents, commands and outcomes refer to it."""
    description: str | None = None
    """For people; changing it doesn't create a new version."""

    @property
    def written_out(self) -> Document:
        """The same document with the text of its named expressions wherever they are read."""
        return self


_MOST_LABELS = 10
"""Documents that a message names."""

NameProblem = tuple[str, int, str | None]
"""A name that an expression can't read: the message, the offset in the expression, the nearest
name."""
NameCheck = Callable[[Expression, Holds, Path], Iterable[NameProblem]]
"""Finds the problems of the names in the expression of a field."""


class CheckContext(Protocol):
    """The checks that a kind can call for one document; `journeys.checks` implements them."""

    @property
    def findings(self) -> Findings:
        """The text of the document, and where problems and warnings are added."""

    def check_expressions(self, names: NameCheck) -> None:
        """Adds the problems of the expressions of all fields."""

    def check_ways(self) -> None:
        """Adds the problems of the ways between the nodes of a journey."""

    def names_on_the_way(self) -> NameCheck:
        """What expressions of a journey may name, depending on their place; `check_ways` comes
        first."""

    def lint_expressions(self) -> None:
        """Adds warnings about expressions and data of any document."""

    def lint_journey(self, journey: Any) -> None:
        """Adds warnings about the entry, the nodes and the goal of a journey."""


class Accepted(Protocol):
    """The catalog of accepted documents, as kinds see it."""

    @property
    def kinds(self) -> Kinds: ...

    @property
    def documents(self) -> Mapping[str, Mapping[str, Any]]:
        """Documents of the plain kinds, by kind and name, archived ones included."""

    @property
    def journeys(self) -> Mapping[str, ActiveVersion]: ...

    @property
    def versions(self) -> Mapping[tuple[str, str], Any]: ...

    @property
    def descriptions(self) -> Mapping[str, str | None]: ...


class Change(NamedTuple):
    """What accepting a document does.

    Attributes:
        status: the document's status afterwards.
        entries: the records to write to the catalog, keys and values; none if nothing changes.
    """

    version: str
    status: str
    changed: bool
    entries: list[tuple[str, bytes]]


@dataclass(frozen=True)
class Push:
    """Documents that are pushed together, and the catalog before them."""

    documents: Sequence[Document]
    catalog: Accepted

    @cached_property
    def statuses(self) -> Mapping[tuple[str, str], str]:
        """By kind and name, the statuses after the push of all documents that it changes."""
        found: dict[tuple[str, str], str] = {}
        for document in self.catalog.kinds.in_order(self.documents, lambda one: one):
            kind = self.catalog.kinds[document.kind]
            found.update(kind.statuses(document, self.catalog))
        return found

    @cached_property
    def users(self) -> Mapping[tuple[str, str], Mapping[Kind, list[str]]]:
        """By kind and name, the documents outside the push that refer to that document after it:
        their labels in messages, by their kind."""
        found: dict[tuple[str, str], dict[Kind, list[str]]] = {}
        for user in self.catalog.kinds.values():
            for label, document in user.in_use(self):
                named = {(mark.kind, name) for _, name, mark in marked(document, Refers)}
                for place in named:
                    found.setdefault(place, {}).setdefault(user, []).append(label)
        return found


class Kind:
    """A kind of document. `Kind(Model, examples)` is a plain one."""

    order: ClassVar[int] = 0
    """Within a push, documents of a kind with a lower order are accepted first."""
    names: ClassVar[Mapping[str, tuple[str, ...]]] = MappingProxyType({})
    """What expressions may read: the fields of each variable."""
    keeps_versions: ClassVar[bool] = False
    """Whether accepted versions are kept, because instances may still be in them."""
    named_when_archived: ClassVar[bool] = False
    """Whether a document may name one of this kind that is archived."""
    most_new: ClassVar[int | None] = None
    """How many new documents one push may have; None: no limit but the size of the text."""
    most: ClassVar[int | None] = None
    """How many there may be in all, archived ones included."""
    uses: ClassVar[str] = "still needs it"
    """The verb phrase of a message for documents of this kind that refer to one that is to be
    archived: "the journey 'x' can still send to it"."""

    def __init__(self, model: type[Document], examples: Sequence[str] = ()) -> None:
        """
        Args:
            model: its fields.
            examples: YAML texts that are valid by themselves, for the conformance suite. The last
                document of each is of this kind and uses all of its fields.
        """
        self.model = model
        self.examples = tuple(examples)
        (self.name,) = get_args(model.model_fields["kind"].annotation)

    # ---- fields
    @property
    def annotation(self) -> Any:
        """The type of its documents: a model, or a union of models that differ by `type`."""
        return self.model

    def model_of(self, type: Any) -> type[Document]:
        """The model of a document with this `type`, or with the most similar one that exists."""
        return self.model

    def decode(self, document: Mapping[str, Any]) -> Any:
        """A document from the catalog. Raises ValueError if this program can't read it."""
        model = self.model_of(document.get("type"))
        return model.model_validate(document, by_alias=True, by_name=False)

    # ---- checks
    def check(self, context: CheckContext, model: type[Document]) -> None:
        """Adds the problems of a document, except those of its fields' types and its references."""
        context.check_expressions(self._check_names)

    def lint(self, context: CheckContext, document: Any) -> None:
        """Adds warnings about a document without mistakes."""
        context.lint_expressions()

    def _check_names(self, expression: Expression, holds: Holds, _: Path) -> Iterator[NameProblem]:
        of = f"is not known to a {self.name.lower()}"
        if any(path[0] == COUNT for path in expression.paths):
            yield f"'{COUNT}' {of}", 0, None
        known = [f"{name}.{_listing(fields)}" for name, fields in self.names.items()]
        expected = f"expected {' and '.join(known) or 'no variable'}"
        for path, offsets in expression.offsets.items():
            if path[0] == "env" and holds.env:
                continue
            if len(path) < 2 or path[1] not in self.names.get(path[0], ()):
                yield f"'{'.'.join(path)}' {of}: {expected}", offsets[0], None

    def check_status(self, document: Any, push: Push, findings: Findings) -> None:
        """Adds a problem if the document may not get its new status.

        A document of a plain kind can't be archived while an unarchived one refers to it.
        """
        if self.status_of(document) != "archived":
            return
        users = [
            f"the {kind.name.lower()} {_listed(labels)} {kind.uses}"
            for kind, labels in push.users.get((self.name, document.name), {}).items()
        ]
        if users:
            findings.at(
                findings.node(("status",)),
                f"'status' in {self.name} '{document.name}': found 'archived', but "
                f"{' and '.join(users)}: archive that first",
                found="archived",
            )

    # ---- versions
    def status_of(self, document: Any) -> str:
        """The status that a document was pushed with."""
        return getattr(document, "status", "running")

    def meaning(self, document: Any) -> dict[str, Any]:
        """What a document does, as plain data; its version is the hash of this."""
        return document.model_dump(  # type: ignore[no-any-return]
            mode="json", by_alias=True, exclude_defaults=True, exclude={"status", "description"}
        )

    def version_of(self, document: Any) -> str:
        """A hash of what a document does: 12 hex digits.

        It doesn't depend on the order of keys, formatting, explicit defaults, status or
        description. The order of nodes counts where `next` follows from it.
        """
        meaning = self.meaning(document)
        text = json.dumps(meaning, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
        return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:12]

    # ---- the catalog
    def known(self, catalog: Accepted) -> Mapping[str, bool]:
        """The names in the catalog that documents may refer to, and whether each is archived."""
        known = catalog.documents.get(self.name, {})
        return {name: self.status_of(one) == "archived" for name, one in known.items()}

    def statuses(self, document: Any, catalog: Accepted) -> Iterable[tuple[tuple[str, str], str]]:
        """The statuses that accepting a document sets, by kind and name."""
        return [((self.name, document.name), self.status_of(document))]

    def in_use(self, push: Push) -> Iterator[tuple[str, Any]]:
        """The documents accepted before a push that stay active after it, each with its label in
        messages. Those that the push replaces are left out: the push checks them itself."""
        for name, document in push.catalog.documents.get(self.name, {}).items():
            if (self.name, name) not in push.statuses and self.status_of(document) != "archived":
                yield f"'{name}'", document

    def plan_notes(self, name: str, before: Accepted, after: Accepted) -> Iterator[str]:
        """What a push of a document means that its changed fields don't show, for `plan`."""
        return iter(())

    def accept(
        self, document: Any, written: Mapping[str, Any], catalog: Accepted, at: int
    ) -> Change:
        """What accepting a document without mistakes does at `at`, ms.

        Args:
            written: the document as plain data, as its author wrote it.
        """
        old = catalog.documents.get(self.name, {}).get(document.name)
        entry, changed = self._entry(document, written), old != document
        entries = [(f"{self.name}/{document.name}", entry_bytes(entry))] if changed else []
        return Change(entry["version"], entry["status"], changed, entries)

    def _entry(self, document: Any, written: Mapping[str, Any]) -> dict[str, Any]:
        return {
            "kind": self.name,
            "name": document.name,
            "version": self.version_of(document),
            "status": self.status_of(document),
            "description": document.description,
            "document": written,
        }

    def read(
        self, catalog: Accepted, place: Sequence[str], entry: Mapping[str, Any] | None
    ) -> Mapping[str, Any] | None:
        """The fields of the catalog that one of its records changes, by name; None if this kind
        doesn't know the record.

        Args:
            place: the parts of the record's key after the kind.
            entry: the record's value; None: it was deleted.

        Raises:
            ValueError: this program can't read the document.
        """
        if len(place) != 1:
            return None
        document = None if entry is None else self.decode(entry["document"])
        known = with_value(catalog.documents.get(self.name, {}), place[0], document)
        return {"documents": with_value(catalog.documents, self.name, known)}

    # ---- the active document, for diffs
    def written(self, catalog: Accepted, name: str) -> dict[str, Any] | None:
        """The active document as its author would write it; None if there is none."""
        document = catalog.documents.get(self.name, {}).get(name)
        return None if document is None else as_written(document)

    def version(self, catalog: Accepted, name: str) -> str:
        """The active version of a document that is in the catalog."""
        return self.version_of(catalog.documents[self.name][name])

    # ---- what the roles need of it
    def journey_of(self, document: Any) -> str | None:
        """The journey that outcomes about a document name."""
        return None

    def delivered_for(self, catalog: Accepted, name: str) -> int | None:
        """How long, ms, actions for this document are retried; None if it receives no actions and
        has no topic."""
        return None


class Kinds(Mapping[str, Kind]):
    """The kinds that a program knows, by name, in the order that messages list them in."""

    def __init__(self, kinds: Iterable[Kind]) -> None:
        self._kinds = {kind.name: kind for kind in kinds}

    def __getitem__(self, name: str) -> Kind:
        return self._kinds[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._kinds)

    def __len__(self) -> int:
        return len(self._kinds)

    def in_order(self, items: Iterable[Any], document: Callable[[Any], Document]) -> list[Any]:
        """Items that each hold a document, in the order in which the documents are accepted."""
        return sorted(items, key=lambda item: self[document(item).kind].order)


def _listed(labels: list[str]) -> str:
    """The first labels, and how many more there are."""
    shown = sorted(labels)[:_MOST_LABELS]
    more = [f"{len(labels) - len(shown):,} more"] if len(labels) > len(shown) else []
    return " and ".join([*shown, *more])


def _listing(words: Sequence[str]) -> str:
    """`a`; `a and b`; `a, b and c`"""
    *most, last = words
    return f"{', '.join(most)} and {last}" if most else last
