"""How the records of one table become bytes and back, and when a record's next timer is due.

Law: the due time is stored with the bytes, so the due-time index can be rebuilt from the changelog
without decoding the record.
"""

import struct
from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, TypeVar

R = TypeVar("R")

_DUE = struct.Struct(">q")
_NEVER = -1
_HOT = b"\0"


@dataclass(frozen=True, slots=True)
class HotPart(Generic[R]):
    """The part of a record that nearly every input changes, stored apart from the rest.

    The rest may be large. An input that changes only the hot part writes only the hot part, under
    the record's key followed by a NUL. Keys of such a table contain no NUL themselves.

    pack: the hot part of a record as bytes. join: a record decoded without its hot part, and the
    bytes of that part, as one record. alone: whether two records of one key differ only in the hot
    part; it may say no if finding out would be expensive.
    """

    pack: Callable[[R], bytes]
    join: Callable[[R, bytes], R]
    alone: Callable[[R, R], bool]


def hot_key(key: bytes) -> bytes:
    """The key under which the hot part of a record is stored."""
    return key + _HOT


@dataclass(frozen=True, slots=True)
class Codec(Generic[R]):
    """The record type of one table.

    encode/decode: record <-> bytes (the first byte is the version of the format).
    next_due: the earliest time (ms since the epoch) at which the clock may fire one of the
        record's timers; None if it has none. None instead of a function: records of this table
        never have timers, and their bytes are stored unchanged.
    hot: the part of a record that is stored separately from the bytes of `encode`, if any.
    """

    encode: Callable[[R], bytes]
    decode: Callable[[bytes], R]
    next_due: Callable[[R], int | None] | None = None
    hot: HotPart[R] | None = None

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

    def is_hot(self, key: bytes) -> bool:
        """Whether it is the key of a hot part, whose value is not a packed record."""
        return self.hot is not None and key.endswith(_HOT)

    def due_of(self, value: bytes) -> int | None:
        """The due time of a packed record, without decoding it."""
        if self.next_due is None:
            return None
        (due,) = _DUE.unpack(value[-8:])
        return None if due == _NEVER else due
