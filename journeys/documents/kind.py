"""What a kind of document is: its fields, its checks, its place in the catalog, its changes.

Law: whatever depends on a document's kind is asked of its `Kind`; nothing outside this folder
branches on the kind of a document. A plain kind, which is kept as a whole
under `kind/name` and of which the newest counts, is an instance of `Kind`; others override.
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
    """A document as the user writes it. Subclasses give `kind` as a literal, and their fields."""

    kind: str
    """What kind of document this is."""
    name: str
    """How other documents, commands and outcomes call it."""
    description: str | None = None
    """For people; a change of it makes no new version."""


_MOST_LABELS = 10
"""Documents that a message names."""

NameProblem = tuple[str, int, str | None]
"""A name that an expression can't read: why, the offset in the expression, the nearest name."""
NameCheck = Callable[[Expression, Holds, Path], Iterable[NameProblem]]
"""What is wrong with the names in the expression of a field."""


class CheckContext(Protocol):
    """What a kind asks of the checks, which stand above the documents, for one document."""

    @property
    def findings(self) -> Findings:
        """The text of the document, and where problems and warnings are added."""

    def check_expressions(self, names: NameCheck) -> None:
        """Adds what is wrong with the expressions of all fields."""

    def check_ways(self) -> None:
        """Adds what is wrong with the ways between the nodes of a journey."""

    def names_on_the_way(self) -> NameCheck:
        """What expressions of a journey may name where they stand; `check_ways` comes first."""

    def lint_expressions(self) -> None:
        """Adds warnings about expressions and data of any document."""

    def lint_journey(self, journey: Any) -> None:
        """Adds warnings about the entry, the nodes and the goal of a journey."""


class Accepted(Protocol):
    """What was accepted, as kinds see it: the catalog."""

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
        status: what the document's status is from then on.
        entries: the records to write to the catalog, keys and values; none where nothing changes.
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
        """By kind and name, the status of what the push changes, after it."""
        found: dict[tuple[str, str], str] = {}
        for document in self.catalog.kinds.in_order(self.documents, lambda one: one):
            kind = self.catalog.kinds[document.kind]
            found.update(kind.statuses(document, self.catalog))
        return found

    @cached_property
    def users(self) -> Mapping[tuple[str, str], Mapping[Kind, list[str]]]:
        """By kind and name, the documents that refer to it after the push and are not part of it:
        by their kind, what messages call each."""
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
    """Of the documents of a push, those of a kind with a lower order are accepted first."""
    names: ClassVar[Mapping[str, tuple[str, ...]]] = MappingProxyType({})
    """What expressions may read: the fields of each variable."""
    keeps_versions: ClassVar[bool] = False
    """Whether accepted versions are kept, because instances may still be in them."""
    named_when_archived: ClassVar[bool] = False
    """Whether a document may name one of this kind that is archived."""
    most_new: ClassVar[int | None] = None
    """How many of one push may be new; None: as many as the text holds."""
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
        """The model of a document that says it is of this `type`, or of the nearest there is."""
        return self.model

    def decode(self, document: Mapping[str, Any]) -> Any:
        """A document out of the catalog. Raises ValueError where this program can't read it."""
        model = self.model_of(document.get("type"))
        return model.model_validate(document, by_alias=True, by_name=False)

    # ---- checks
    def check(self, context: CheckContext, model: type[Document]) -> None:
        """Adds what is wrong with a document but for its fields and what it refers to."""
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
        """Adds what forbids the status that a document would have.

        A plain one can't be archived while something that is not archived refers to it.
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
        """What a document does, as plain data: what its version is a hash of."""
        return document.model_dump(  # type: ignore[no-any-return]
            mode="json", by_alias=True, exclude_defaults=True, exclude={"status", "description"}
        )

    def version_of(self, document: Any) -> str:
        """A hash of what a document does: 12 hex digits.

        The same for any order of keys and any formatting, with defaults written out or not, and
        for any status and description. The order of nodes counts as far as `next` follows from it.
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
        """What accepting a document makes of statuses, by kind and name."""
        return [((self.name, document.name), self.status_of(document))]

    def in_use(self, push: Push) -> Iterator[tuple[str, Any]]:
        """The documents accepted before a push that stay active after it, each with what messages
        call it. Those that the push replaces are left out: they are checked by themselves."""
        for name, document in push.catalog.documents.get(self.name, {}).items():
            if (self.name, name) not in push.statuses and self.status_of(document) != "archived":
                yield f"'{name}'", document

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
        """What a record of the catalog changes in it: its fields, by name; None: it is not known.

        Args:
            place: the parts of the record's key behind the kind.
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
        """The active document as its author would write it; None: there is none."""
        document = catalog.documents.get(self.name, {}).get(name)
        return None if document is None else as_written(document)

    def version(self, catalog: Accepted, name: str) -> str:
        """The active version of a document that is in the catalog."""
        return self.version_of(catalog.documents[self.name][name])

    # ---- what the roles do about it
    def journey_of(self, document: Any) -> str | None:
        """The journey that outcomes about a document name."""
        return None

    def delivered_for(self, catalog: Accepted, name: str) -> int | None:
        """For how long, ms, actions for this document are retried; None: no actions are sent to it,
        and it has no topic."""
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
        """Items, each with a document, in the order in which those are accepted."""
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
