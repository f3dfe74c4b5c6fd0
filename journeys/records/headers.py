"""The headers that tell the engine's own records from plain events and from dead letters.

Law: both names and all kinds are written here and nowhere else. A record without the header
`journeys-record` is a plain event (in `journeys.events`) or a dead letter (in `journeys.dead`).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Literal, NamedTuple, get_args

RECORD = "journeys-record"
"""Names the record's kind."""

ORIGIN = "journeys-origin"
"""Where an event stood before it was moved or put back: `TOPIC-PARTITION-OFFSET`."""

SIGNATURE = "journeys-signature"
"""Shows that the engine wrote the record, where keys are set. Bytes, made outside of the engine."""

MAX_ORIGIN = 300
"""Characters of an origin: a topic's name has at most 249."""

Kind = Literal["event", "response", "clock", "barrier", "mark", "dead-mark"]
"""`event` is an event that the engine moved to its user's partition. `mark` says nothing: its place
in the log and the time with which the broker stamps it are all there is to it. `dead-mark` stands
in `journeys.dead` alone."""

KINDS: frozenset[str] = frozenset(get_args(Kind))

Headers = list[tuple[str, bytes]]


def build(kind: Kind, origin: str | None = None) -> Headers:
    """The headers of a new record; `origin` as of ORIGIN."""
    headers = [(RECORD, kind.encode())]
    if origin is not None:
        headers.append((ORIGIN, origin.encode()))
    return headers


class Found(NamedTuple):
    """What a record's headers name, as it stands there: any text. None: there is no such header."""

    kind: str | None = None
    origin: str | None = None
    signature: bytes | None = None


def read(headers: Iterable[tuple[str, bytes | None]]) -> Found:
    """The engine's own among the headers of a record; of equal names the last one counts. A header
    without a value counts as an empty text, which is no kind."""
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
