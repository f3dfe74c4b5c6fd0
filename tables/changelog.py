"""A changelog partition: the latest record of every key, and the position they belong to.

Law: the records and the position of a batch are written in one transaction, so a reader at any
committed offset has exactly the effects of the source records before the position.
"""

import struct
from dataclasses import dataclass

RESERVED = b"\x00"
"""Keys with this prefix are not records of the table (roles refuse such keys)."""
POSITION_KEY = RESERVED + b"position"
"""Key of the position record."""

_POSITION = struct.Struct(">Bqq")
_VERSION = 3
_OLDER = frozenset({1, 2})
"""1 has no topic; the notes of 2 don't say how far evaluate knows the catalog."""


@dataclass(frozen=True, slots=True)
class Position:
    """How far the source partition is applied.

    source: offset of the next source record to apply.
    time: the partition's time (ms): the largest event time seen on it; -1 before the first.
    topic_id: Kafka's id of the source topic to which the offset belongs; "" if it isn't known.
    notes: what the role stores about the partition besides its records: a short text without
        blanks.
    """

    source: int
    time: int = -1
    topic_id: str = ""
    notes: str = ""

    def pack(self) -> bytes:
        texts = f"{self.topic_id} {self.notes}".rstrip()
        return _POSITION.pack(_VERSION, self.source, self.time) + texts.encode()

    @classmethod
    def unpack(cls, value: bytes) -> "Position":
        """Raises ValueError for bytes of an unknown version."""
        version = value[0] if len(value) >= _POSITION.size else None
        if version != _VERSION and version not in _OLDER:
            raise ValueError(f"position record of an unknown format: {value[:16]!r}")
        _, source, time = _POSITION.unpack_from(value)
        topic_id, _, notes = value[_POSITION.size :].decode().partition(" ")
        return cls(source, time, topic_id, notes)
