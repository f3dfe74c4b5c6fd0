"""The kinds of documents that this program knows, with the types that it has code for."""

from __future__ import annotations

from agents.destinations.types import DESTINATION_TYPES
from journeys.documents.kinds import kinds

KINDS = kinds([one.document for one in DESTINATION_TYPES])
