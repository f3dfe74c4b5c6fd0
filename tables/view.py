"""What a role sees of its partition while it computes a batch: the newest value of every record.

Law: nothing that a batch changes reaches the store before its transaction is committed; until then
it lives in this overlay alone, and dies with the process.
"""

from collections.abc import Iterator
from typing import Generic, TypeVar

from tables.codec import Codec
from tables.due_index import DueIndex
from tables.store import Change, Store

R = TypeVar("R")

_CACHED_RECORDS = 20_000


class View(Generic[R]):
    """Records by key (bytes), decoded. Records are immutable: `put` replaces."""

    def __init__(self, store: Store, codec: Codec[R], cached: int = _CACHED_RECORDS) -> None:
        self._store = store
        self._codec = codec
        self._dues = DueIndex(store)
        self._cached = cached
        # Committed records, the latest used last; None: known not to be there.
        self._cache: dict[bytes, tuple[R | None, int | None]] = {}
        self._changed: dict[bytes, tuple[R | None, int | None]] = {}

    def get(self, key: bytes) -> R | None:
        """The record as the batch has left it so far, else as committed."""
        entry = self._changed.get(key)
        if entry is None:
            entry = self._committed(key)
        return entry[0]

    def _committed(self, key: bytes) -> tuple[R | None, int | None]:
        entry = self._cache.pop(key, None)
        if entry is None:
            value = self._store.get(key)
            entry = (None, None) if value is None else self._codec.unpack(value)
        self._cache[key] = entry
        return entry

    def put(self, key: bytes, record: R) -> None:
        """Replaces the record; its place in the due-time index follows from it."""
        next_due = self._codec.next_due
        due = None if next_due is None else next_due(record)
        # What was due before 1970 is due now; the index is ordered by unsigned times.
        self._change(key, record, None if due is None else max(due, 0))

    def delete(self, key: bytes) -> None:
        self._change(key, None, None)

    def _change(self, key: bytes, record: R | None, due: int | None) -> None:
        before = self._changed.get(key)
        if before is None:
            before = self._committed(key)
        self._changed[key] = (record, due)
        if before[1] != due:
            self._dues.set(key, due)

    def next_due(self) -> tuple[int, bytes] | None:
        """The earliest (due ms, key) of the partition, this batch's changes included."""
        return self._dues.first()

    def items(self) -> Iterator[tuple[bytes, R]]:
        """Every committed record, decoded, in key order."""
        for key, value in self._store.items():
            yield key, self._codec.unpack(value)[0]

    def packed(self, after: bytes) -> Iterator[tuple[bytes, bytes]]:
        """The committed records whose keys come after `after`, in key order, as bytes."""
        return self._store.items(after)

    def changes(self) -> list[Change]:
        """What the batch changed, as bytes: for the changelog and for the store."""
        pack = self._codec.pack
        cache = self._cache
        return [
            Change(
                key,
                None if record is None else pack(record, due),
                cache[key][1],
                due,
            )
            for key, (record, due) in self._changed.items()
        ]

    def committed(self) -> None:
        """The changes are in the store: they are what `get` and the next batch start from."""
        cache = self._cache
        for key, entry in self._changed.items():
            cache.pop(key, None)
            cache[key] = entry
        self._changed = {}
        self._dues.committed()
        surplus = len(cache) - self._cached
        if surplus > 0:
            oldest = iter(cache)
            for key in [next(oldest) for _ in range(surplus)]:
                del cache[key]
