"""What a type of source consists of: the fields of its documents, and the code that reads its
records.

Law: a type is one file (or folder) and one line in `types.py`. A record is acknowledged only after
Kafka has the resulting event, so after a crash at any instruction it is read again. Importing the
list loads no client library: `connect` imports what it needs.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from journeys.documents.kind import Document


@dataclass(frozen=True, slots=True)
class SourceRecord:
    """One record as it comes from a source, not decoded yet.

    value: its bytes.
    key: None if the source has none.
    headers: their texts.
    meta: its position and time in the source, for expressions of the mapping (`topic`, `partition`,
        `offset`, `timestamp`, `id`).
    position: passed to `acknowledge`; opaque to everything else.
    """

    value: bytes
    key: bytes | None
    headers: Mapping[str, str]
    meta: Mapping[str, Any]
    position: Any


class Reader(Protocol):
    """Reads the records of one Source document."""

    def batches(self) -> AsyncIterator[Sequence[SourceRecord]]:
        """Records as they arrive, oldest first if the source has an order. Batches are yielded
        before earlier ones are acknowledged, within the limits of the type. It ends with `close`;
        it waits through outages of the source instead of raising."""

    async def acknowledge(self, records: Sequence[SourceRecord]) -> None:
        """Kafka has the events of these records, so the source may drop them. Records that are
        never acknowledged are read again, by this worker or another."""

    async def close(self) -> None:
        """Stops reading and closes all connections at once."""


@dataclass(frozen=True, slots=True)
class SourceType:
    """A type of source.

    document: the fields of its documents, their checks and lint; pure.
    connect: opens the reader of one document; imports the client libraries that it needs.
    example: YAML of the fields but kind, name and type, for the conformance suite.
    """

    name: str
    document: type[Document]
    connect: Callable[[Any], Reader]
    example: str
