"""The kinds of documents: one file and one line each."""

from __future__ import annotations

from typing import Any

from journeys.documents.destination import Destination
from journeys.documents.journey import Journey
from journeys.documents.lifecycle import Lifecycle

Document = Journey | Destination | Lifecycle

KINDS: dict[str, type[Any]] = {
    "Journey": Journey,
    "Destination": Destination,
    "Lifecycle": Lifecycle,
}
