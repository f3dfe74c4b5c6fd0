"""The headers that distinguish the engine's own records from plain events and dead letters.

Law: the names and kinds are defined only here. A record without the header `journeys-record` is a
plain event (in `journeys.events`) or a dead letter (in `journeys.dead`).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Literal, NamedTuple, get_args

RECORD = "journeys-record"
"""Names the record's kind."""

ORIGIN = "journeys-origin"
"""The position of an event before it was moved or replayed: `TOPIC-PARTITION-OFFSET`."""

SIGNATURE = "journeys-signature"
"""Proves that the engine wrote the record, if signing keys are set. Bytes, computed outside of the
engine."""

MAX_ORIGIN = 300
"""Longest origin, characters: a topic's name has at most 249."""

Kind = Literal["event", "response", "clock", "barrier", "mark", "dead-mark"]
"""`event` is an event that the engine moved to its user's partition. `mark` has no content: only
its position and its broker timestamp matter. `dead-mark` occurs only in `journeys.dead`."""

KINDS: frozenset[str] = frozenset(get_args(Kind))

Headers = list[tuple[str, bytes]]


def build(kind: Kind, origin: str | None = None) -> Headers:
    """The headers of a new record; for `origin` see ORIGIN."""
    headers = [(RECORD, kind.encode())]
    if origin is not None:
        headers.append((ORIGIN, origin.encode()))
    return headers


class Found(NamedTuple):
    """The engine's headers of a record, unvalidated; None: there is no such header."""

    kind: str | None = None
    origin: str | None = None
    signature: bytes | None = None


def read(headers: Iterable[tuple[str, bytes | None]]) -> Found:
    """The engine's headers among those of a record; the last one of a name counts. A header without
    a value counts as an empty text, which is not a valid kind."""
    kind = origin = signature = None
    for name, text in headers:
        if name == RECORD:
            kind = (text or b"").decode(errors="replace")
        elif name == ORIGIN:
            origin = (text or b"").decode(errors="replace")
        elif name == SIGNATURE:
            signature = text or b""
    return Found(kind, origin, signature)


def as_texts(kind: str | None, origin: str | None) -> dict[str, str] | None:
    """Kind and origin as a dead letter keeps them; None if there is neither."""
    texts = {RECORD: kind, ORIGIN: origin}
    return {name: text for name, text in texts.items() if text is not None} or None


def from_texts(texts: Mapping[str, str] | None, default_origin: str | None = None) -> Headers:
    """The headers that a dead letter keeps, to be written again.

    Args:
        default_origin: the origin if the letter has none; None adds no origin.
    """
    kept = dict(texts or {})
    if default_origin is not None:
        kept.setdefault(ORIGIN, default_origin)
    return [(name, text.encode()) for name, text in kept.items()]
