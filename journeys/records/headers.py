"""The headers that tell the engine's own records from plain events and from dead letters.

Law: both names and all kinds are written here and nowhere else. A record without the header
`journeys-record` is a plain event (in `journeys.events`) or a dead letter (in `journeys.dead`).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Literal

RECORD = "journeys-record"
"""Names the record's kind."""

ORIGIN = "journeys-origin"
"""Where an event stood before it was moved or put back: `TOPIC-PARTITION-OFFSET`."""

Kind = Literal["event", "response", "clock", "barrier", "dead-mark"]
"""`event` is an event that the engine moved to its user's partition; `dead-mark` stands in
`journeys.dead` alone."""

Headers = list[tuple[str, bytes]]


def build(kind: Kind, origin: str | None = None) -> Headers:
    """The headers of a new record; `origin` as of ORIGIN."""
    headers = [(RECORD, kind.encode())]
    if origin is not None:
        headers.append((ORIGIN, origin.encode()))
    return headers


def read(headers: Iterable[tuple[str, bytes | None]]) -> tuple[str | None, str | None]:
    """The kind and the origin that a record's headers name, as they stand there: any text."""
    texts = {name: text.decode(errors="replace") for name, text in headers if text is not None}
    return texts.get(RECORD), texts.get(ORIGIN)


def as_texts(kind: str | None, origin: str | None) -> dict[str, str] | None:
    """What `read` gave, as a dead letter keeps it; None where there was neither."""
    texts = {RECORD: kind, ORIGIN: origin}
    return {name: text for name, text in texts.items() if text is not None} or None


def from_texts(texts: Mapping[str, str] | None, default_origin: str | None = None) -> Headers:
    """The headers that a dead letter keeps, to be written again.

    Args:
        default_origin: the origin where the letter names none; None adds no origin.
    """
    kept = dict(texts or {})
    if default_origin is not None:
        kept.setdefault(ORIGIN, default_origin)
    return [(name, text.encode()) for name, text in kept.items()]
