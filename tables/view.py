"""What a role sees of its partition while it computes a batch: the newest value of every record.

Law: nothing that a batch changes reaches the store before its transaction is committed; until then
it lives in this overlay alone, and dies with the process.
"""

from collections.abc import Iterator
from typing import Generic, TypeVar

from tables.codec import Codec, side_key
from tables.due_index import DueIndex
from tables.store import Change, Store

R = TypeVar("R")

_Entry = tuple[R | None, int | None, bool]
"""A record, None where there is none, its due time, and whether more than its side is new."""

_CACHED_RECORDS = 20_000


class View(Generic[R]):
    """Records by key (bytes), decoded. Records are immutable: `put` replaces."""

    def __init__(self, store: Store, codec: Codec[R], cached: int = _CACHED_RECORDS) -> None:
        self._store = store
        self._codec = codec
        self._side = codec.side
        self._dues = DueIndex(store)
        self._cached = cached
        # Committed records and their due times, those written last at the end.
        self._cache: dict[bytes, _Entry[R]] = {}
        # The same as the batch has left it.
        self._changed: dict[bytes, _Entry[R]] = {}

    def get(self, key: bytes) -> R | None:
        """The record as the batch has left it so far, else as committed."""
        return (self._changed.get(key) or self._cache.get(key) or self._read(key))[0]

    def _read(self, key: bytes) -> _Entry[R]:
        entry = self._cache[key] = self._stored(key)
        return entry

    def _stored(self, key: bytes) -> _Entry[R]:
        value = self._store.get(key)
        if value is None:
            return None, None, False
        record, due = self._codec.unpack(value)
        if self._side is not None and (side := self._store.get(side_key(key))) is not None:
            record = self._side.join(record, side)
        return record, due, False

    def put(self, key: bytes, record: R) -> None:
        """Replaces the record; its place in the due-time index follows from it."""
        old, due, new = self._changed.get(key) or self._cache.get(key) or self._read(key)
        if self._side is not None and old is not None and self._side.alone(old, record):
            self._changed[key] = record, due, new
            return
        next_due = self._codec.next_due
        due = None if next_due is None else next_due(record)
        # What was due before 1970 is due now; the index is ordered by unsigned times.
        self._change(key, record, None if due is None else max(due, 0))

    def delete(self, key: bytes) -> None:
        self._change(key, None, None)

    def _change(self, key: bytes, record: R | None, due: int | None) -> None:
        before = self._changed.get(key) or self._cache.get(key) or self._read(key)
        self._changed[key] = record, due, True
        if before[1] != due:
            self._dues.set(key, due)

    def next_due(self) -> tuple[int, bytes] | None:
        """The earliest (due ms, key) of the partition, this batch's changes included."""
        return self._dues.first()

    def items(self) -> Iterator[tuple[bytes, R]]:
        """Every committed record, decoded, in key order."""
        for key, _ in self.packed(b""):
            record = self._stored(key)[0]
            if record is not None:
                yield key, record

    def packed(self, after: bytes) -> Iterator[tuple[bytes, bytes]]:
        """The committed records whose keys come after `after`, in key order, as bytes and without
        their sides."""
        is_side = self._codec.is_side
        return ((key, value) for key, value in self._store.items(after) if not is_side(key))

    def changes(self) -> list[Change]:
        """What the batch changed, as bytes: for the changelog and for the store."""
        pack, side, cache = self._codec.pack, self._side, self._cache
        changes: list[Change] = []
        for key, (record, due, more) in self._changed.items():
            if more:
                packed = None if record is None else pack(record, due)
                changes.append(Change(key, packed, cache[key][1], due))
            if side is not None:
                packed = None if record is None else side.pack(record)
                changes.append(Change(side_key(key), packed, None, None))
        return changes

    def committed(self) -> None:
        """The changes are in the store: they are what `get` and the next batch start from."""
        cache = self._cache
        for key, (record, due, _) in self._changed.items():
            cache.pop(key, None)
            cache[key] = record, due, False
        self._changed = {}
        self._dues.committed()
        surplus = len(cache) - self._cached
        if surplus > 0:
            oldest = iter(cache)
            for key in [next(oldest) for _ in range(surplus)]:
                del cache[key]
