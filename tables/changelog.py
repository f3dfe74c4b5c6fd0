"""A changelog partition: the latest record of every key, and the position they belong to.

Law: the records and the position of a batch are written in one transaction, so a reader that has
read up to any committed offset holds the exact effect of the source records before the position.
"""

import struct
from dataclasses import dataclass

POSITION_KEY = b"\x00position"
"""Key of the position record. No record key starts with NUL (roles refuse such keys)."""

_POSITION = struct.Struct(">Bqq")
_VERSION = 1


@dataclass(frozen=True, slots=True)
class Position:
    """How far the source partition is applied.

    source: offset of the next source record to apply.
    time: the partition's time (ms): the largest event time seen on it; -1 before the first.
    """

    source: int
    time: int = -1

    def pack(self) -> bytes:
        return _POSITION.pack(_VERSION, self.source, self.time)

    @classmethod
    def unpack(cls, value: bytes) -> "Position":
        """Raises ValueError for bytes of an unknown version."""
        if len(value) != _POSITION.size or value[0] != _VERSION:
            raise ValueError(f"position record of an unknown format: {value[:16]!r}")
        _, source, time = _POSITION.unpack(value)
        return cls(source, time)
