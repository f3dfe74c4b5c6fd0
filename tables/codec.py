"""How one role turns its records into bytes and back, and when a record's next timer is due.

Law: the due time travels with the bytes, so the due-time index can be rebuilt from the changelog
without understanding the record.
"""

import struct
from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, TypeVar

R = TypeVar("R")

_DUE = struct.Struct(">q")
_NEVER = -1


@dataclass(frozen=True, slots=True)
class Codec(Generic[R]):
    """The record type of one table.

    encode/decode: record <-> bytes (the first byte is the version of the format).
    next_due: the earliest time (ms since the epoch) at which the clock may fire one of the
        record's timers; None when it has none. None instead of a function: records of this
        table never have timers, and their bytes are stored as they are.
    """

    encode: Callable[[R], bytes]
    decode: Callable[[bytes], R]
    next_due: Callable[[R], int | None] | None = None

    def pack(self, record: R, due: int | None) -> bytes:
        """Bytes for the changelog and the store: the record, then its due time (8 bytes)."""
        if self.next_due is None:
            return self.encode(record)
        return self.encode(record) + _DUE.pack(_NEVER if due is None else due)

    def unpack(self, value: bytes) -> tuple[R, int | None]:
        """The record and its due time."""
        if self.next_due is None:
            return self.decode(value), None
        return self.decode(value[:-8]), self.due_of(value)

    def due_of(self, value: bytes) -> int | None:
        """The due time of a packed record, without decoding it."""
        if self.next_due is None:
            return None
        (due,) = _DUE.unpack(value[-8:])
        return None if due == _NEVER else due
