"""The records of a partition while a batch is computed: the committed ones and its own changes.

Law: nothing that a batch changes reaches the store before its transaction is committed; until then
it exists in this overlay alone, and is gone when the process dies.
"""

from collections.abc import Iterator
from heapq import merge
from typing import Generic, TypeVar

from tables.codec import Codec, hot_key
from tables.due_index import DueIndex
from tables.store import Change, Store

R = TypeVar("R")

_Entry = tuple[R | None, int | None, int, int]
"""A record or None, its due time, and the bytes of its two parts: without the hot part, and the hot
part."""

_CACHED_RECORDS = 24_000
_CACHED_BYTES = 96 << 20
"""Of packed records; decoded records take several times as much."""


class ReservedKey(ValueError):
    """The key is reserved: the table stores parts of other records under such keys."""


class View(Generic[R]):
    """Records by key (bytes), decoded. Records are immutable: `put` replaces.

    Committed records are cached in two generations: a record that is written or read joins the
    young one. When that is full it becomes the old one, and records of the former old one that were
    not read since are dropped. That is nearly a least-recently-used cache, without keeping an
    order.
    """

    def __init__(self, store: Store, codec: Codec[R], cached: int = _CACHED_RECORDS) -> None:
        """cached: the most committed records that are kept decoded."""
        self._store = store
        self._codec = codec
        self._hot = codec.hot
        self._dues = DueIndex(store)
        self._cached = cached
        self._young: dict[bytes, _Entry[R]] = {}
        self._old: dict[bytes, _Entry[R]] = {}
        self._weight = 0  # bytes of the young ones
        # What the batch has changed, and the keys of those with changes outside the hot part.
        self._changed: dict[bytes, _Entry[R]] = {}
        self._changed_rest: set[bytes] = set()
        self._deleted: list[bytes] = []

    def get(self, key: bytes) -> R | None:
        """The record with the batch's changes so far, or None."""
        return (self._changed.get(key) or self._young.get(key) or self._committed(key))[0]

    def _committed(self, key: bytes) -> _Entry[R]:
        entry = self._young.get(key)
        if entry is None:
            entry = self._young[key] = self._old.get(key) or self._stored(key)
            self._weight += entry[2] + entry[3]
        return entry

    def _stored(self, key: bytes) -> _Entry[R]:
        # Every key passes here before it is cached or changed, so this is the only place that has
        # to refuse reserved keys.
        if self._codec.is_hot(key):
            raise ReservedKey(f"no record can have the key {key!r}")
        value = self._store.get(key)
        if value is None:
            return None, None, 0, 0
        record, due = self._codec.unpack(value)
        hot = None if self._hot is None else self._store.get(hot_key(key))
        if self._hot is not None and hot is not None:
            record = self._hot.join(record, hot)
        return record, due, len(value), len(hot or b"")

    def put(self, key: bytes, record: R) -> None:
        """Replaces the record and updates the due-time index."""
        old, due, rest, hot = self._changed.get(key) or self._committed(key)
        if self._hot is not None and old is not None and self._hot.alone(old, record):
            self._changed[key] = record, due, rest, hot
            return
        next_due = self._codec.next_due
        due = None if next_due is None else next_due(record)
        # A time before 1970 counts as 1970: the index is ordered by unsigned times.
        self._change(key, record, None if due is None else max(due, 0))

    def delete(self, key: bytes) -> None:
        self._change(key, None, None)
        self._deleted.append(key)

    def _change(self, key: bytes, record: R | None, due: int | None) -> None:
        before = self._changed.get(key) or self._committed(key)
        self._changed[key] = record, due, before[2], before[3]
        self._changed_rest.add(key)
        if before[1] != due:
            self._dues.set(key, due)

    def next_due(self) -> tuple[int, bytes] | None:
        """The earliest (due ms, key) of the partition, with the batch's changes; None for none."""
        return self._dues.first()

    def items(self) -> Iterator[tuple[bytes, R]]:
        """Every record, decoded, in key order."""
        for key, _ in self.packed(b""):
            record = (self._changed.get(key) or self._stored(key))[0]
            if record is not None:
                yield key, record

    def packed(self, after: bytes) -> Iterator[tuple[bytes, bytes]]:
        """The records whose keys come after `after`, in key order, as bytes without hot parts;
        with the batch's changes so far."""
        is_hot, pack = self._codec.is_hot, self._codec.pack
        stored = ((key, value) for key, value in self._store.items(after) if not is_hot(key))
        changed = [(key, self._changed[key]) for key in sorted(self._changed) if key > after]
        own = ((key, pack(one[0], one[1])) for key, one in changed if one[0] is not None)
        return merge((pair for pair in stored if pair[0] not in self._changed), own)

    @property
    def changed(self) -> bool:
        """Whether there are uncommitted changes."""
        return bool(self._changed)

    def changes(self) -> list[Change]:
        """The uncommitted changes as bytes: for the changelog and for the store."""
        pack, hot = self._codec.pack, self._hot
        changes: list[Change] = []
        for key, (record, due, rest_size, hot_size) in self._changed.items():
            self._weight -= rest_size + hot_size
            if key in self._changed_rest:
                packed = None if record is None else pack(record, due)
                rest_size = len(packed or b"")
                changes.append(Change(key, packed, self._committed(key)[1], due))
            if hot is not None:
                packed = None if record is None else hot.pack(record)
                hot_size = len(packed or b"")
                changes.append(Change(hot_key(key), packed, None, None))
            self._weight += rest_size + hot_size
            self._changed[key] = record, due, rest_size, hot_size
        return changes

    def committed(self) -> None:
        """Turns the changes into committed records, as they are now in the store."""
        self._young.update(self._changed)
        for key in self._deleted:
            # Most deleted keys, such as those of deliveries, never come again.
            if key in self._young and self._young[key][0] is None:
                del self._young[key]
                self._old.pop(key, None)
        self._deleted = []
        self._changed = {}
        self._changed_rest = set()
        self._dues.committed()
        if len(self._young) > self._cached // 3 or self._weight > _CACHED_BYTES // 3:
            few = (
                len(self._young) <= self._cached - self._cached // 3
                and self._weight <= _CACHED_BYTES - _CACHED_BYTES // 3
            )
            self._old, self._young, self._weight = self._young if few else {}, {}, 0
