"""What every type of source is: the fields of its documents, and what brings its records in.

Law: a type is one file (or folder) and one line in `types.py`. A record is acknowledged only after
Kafka has what was made of it, so a source that is killed at any instruction brings it again.
Importing the list loads no client library: `connect` imports what it needs.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from journeys.documents.kind import Document


@dataclass(frozen=True, slots=True)
class SourceRecord:
    """One record as a source gives it, not decoded yet.

    value: its bytes.
    key: None where the source has none.
    headers: their texts.
    meta: where and when it stood in the source, as expressions of the mapping read it (`topic`,
        `partition`, `offset`, `timestamp`, `id`).
    position: what `acknowledge` is given; opaque to everything else.
    """

    value: bytes
    key: bytes | None
    headers: Mapping[str, str]
    meta: Mapping[str, Any]
    position: Any


class Reader(Protocol):
    """Brings the records of one Source document in."""

    def batches(self) -> AsyncIterator[Sequence[SourceRecord]]:
        """Records as they come, oldest first where the source has an order. A batch is given while
        earlier ones are not acknowledged yet, within the bounds of the type. It ends by `close`;
        an outage of the source is waited out, not raised."""

    async def acknowledge(self, records: Sequence[SourceRecord]) -> None:
        """Kafka has what was made of these records: the source may forget them. Those that are
        never acknowledged come again, from here or from another worker."""

    async def close(self) -> None:
        """Reads no more and gives up all connections at once."""


@dataclass(frozen=True, slots=True)
class SourceType:
    """A type of source.

    document: the fields of its documents, their checks and lint; pure.
    connect: opens what reads for one document; imports the client libraries that it needs.
    example: YAML of the fields but kind, name and type, for the conformance suite.
    """

    name: str
    document: type[Document]
    connect: Callable[[Any], Reader]
    example: str
