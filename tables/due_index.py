"""Finds the record of a partition that is due next: a window in memory over the store's due-time
index.

Law: there is one entry per record, its earliest due time, which changes only together with the
record. So no timer can be lost or left over.
"""

import heapq

from tables.store import Store

_LOAD = 1_000
_SHRINK_AT = 20_000
_END: tuple[int, bytes] = (1 << 63, b"")


class DueIndex:
    """The earliest due entries in order. All entries below `_horizon` are in memory; the others
    stay in RocksDB until the window is used up."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._heap: list[tuple[int, bytes]] = []
        self._window: dict[bytes, int] = {}
        self._uncommitted: dict[bytes, int | None] = {}
        self._horizon: tuple[int, bytes] = (-1 << 62, b"")

    def set(self, key: bytes, due: int | None) -> None:
        """The record's earliest due time is now `due` (ms); not yet in the store."""
        self._uncommitted[key] = due
        if due is None or (due, key) >= self._horizon:
            self._window.pop(key, None)
        elif self._window.get(key) != due:
            self._window[key] = due
            heapq.heappush(self._heap, (due, key))
            if len(self._window) > _SHRINK_AT:
                self._shrink()
            elif len(self._heap) > 2 * len(self._window) + _LOAD:
                self._rebuild()  # a timer that is postponed repeatedly leaves its old times behind

    def committed(self) -> None:
        """Everything set so far is in the store now."""
        self._uncommitted.clear()

    def first(self) -> tuple[int, bytes] | None:
        """The earliest (due ms, key), or None when no record has a timer."""
        while True:
            heap, window = self._heap, self._window  # loading makes new ones
            while heap:
                due, key = heap[0]
                if window.get(key) == due:
                    return heap[0]
                heapq.heappop(heap)
            if self._horizon >= _END:
                return None
            self._load()

    def _load(self) -> None:
        """Loads the next entries into the window. The store doesn't have this batch's changes yet,
        so the changed keys are taken from `_uncommitted` instead."""
        start = self._horizon
        entries = self._store.due_from((max(start[0], 0), start[1]), _LOAD)
        self._horizon = _END if len(entries) < _LOAD else entries[-1]
        for due, key in entries:
            if key not in self._uncommitted and (due, key) < self._horizon:
                self._window[key] = due
        for key, changed in self._uncommitted.items():
            if changed is not None and start <= (changed, key) < self._horizon:
                self._window[key] = changed
        self._rebuild()

    def _shrink(self) -> None:
        entries = sorted((due, key) for key, due in self._window.items())
        self._horizon = entries[_SHRINK_AT // 2]
        self._window = {key: due for due, key in entries[: _SHRINK_AT // 2]}
        self._rebuild()

    def _rebuild(self) -> None:
        self._heap = [(due, key) for key, due in self._window.items()]
        heapq.heapify(self._heap)
