"""kind: Lifecycle: pauses, resumes or archives a journey without changing it.

Law: it changes the status of a journey in the catalog and has no catalog record itself.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Literal

from journeys.documents.kind import Accepted, Change, Document, Kind, Push
from journeys.nodes.base import JourneyName
from journeys.schema.findings import Findings


class Lifecycle(Document):
    """A change of a journey's status that leaves its document as it is."""

    kind: Literal["Lifecycle"]
    name: JourneyName
    status: Literal["running", "paused", "archived"]
    """The journey's new status."""


_EXAMPLE = """
kind: Journey
name: welcome
entry: {event: signed_up}
nodes: {done: {type: exit}}
---
kind: Lifecycle
name: welcome
description: over the holidays
status: paused
"""


class LifecycleKind(Kind):
    order = 1
    """Journeys of the same push are accepted first, wherever they stand in the text."""

    def __init__(self) -> None:
        super().__init__(Lifecycle, [_EXAMPLE])

    def check_status(self, document: Any, push: Push, findings: Findings) -> None:
        """Any status can follow any other."""

    def known(self, catalog: Accepted) -> Mapping[str, bool]:
        return {}

    def statuses(self, document: Any, catalog: Accepted) -> Iterable[tuple[tuple[str, str], str]]:
        return [(("Journey", document.name), document.status)]

    def accept(
        self, document: Any, written: Mapping[str, Any], catalog: Accepted, at: int
    ) -> Change:
        now = catalog.journeys[document.name]
        after = now.with_status(document.status, at) if document.status != now.status else now
        entries = []
        if after != now:
            description = catalog.descriptions.get(document.name)
            key = f"Journey/{document.name}"
            entries.append((key, after.encode(document.name, description)))
        return Change(now.version, document.status, bool(entries), entries)

    def read(
        self, catalog: Accepted, place: Sequence[str], entry: Mapping[str, Any] | None
    ) -> Mapping[str, Any] | None:
        return None

    def written(self, catalog: Accepted, name: str) -> dict[str, Any] | None:
        now = catalog.journeys.get(name)
        return None if now is None else {"status": now.status}

    def version(self, catalog: Accepted, name: str) -> str:
        return catalog.journeys[name].version

    def journey_of(self, document: Any) -> str:
        name: str = document.name
        return name
