"""The index names the earliest due record, as a plain search over all records would."""

from collections.abc import Iterator
from pathlib import Path
from unittest import mock

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tables import due_index
from tables.due_index import DueIndex
from tables.store import Change, Store

keys = st.integers(0, 30).map(lambda n: b"k%d" % n)
dues = st.none() | st.integers(0, 40)
steps = st.lists(
    st.tuples(st.just("set"), keys, dues)
    | st.tuples(st.just("burst"), st.integers(0, 40), st.integers(1, 25))
    | st.tuples(st.just("fire"), st.integers(1, 12), st.integers(0, 60))
    | st.tuples(st.just("commit"))
    | st.tuples(st.just("reopen")),
    max_size=40,
)


class Naive:
    """The index that searches all records every time, beside the one under test."""

    def __init__(self, store: Store) -> None:
        self.store = store
        empty = [Change(key, None, due, None) for due, key in store.due_from((0, b""), 10_000)]
        store.write(empty, 0, None)
        self.index = DueIndex(store)
        self.now: dict[bytes, int] = {}
        self.committed: dict[bytes, int] = {}

    def set(self, key: bytes, due: int | None) -> None:
        if self.now.get(key) == due:
            return
        self.index.set(key, due)
        self.now.pop(key, None)
        if due is not None:
            self.now[key] = due

    def commit(self) -> None:
        touched = set(self.committed) | set(self.now)
        before, after = self.committed.get, self.now.get
        self.store.write([Change(k, b"", before(k), after(k)) for k in touched], 1, None)
        self.index.committed()
        self.committed = dict(self.now)

    def reopen(self) -> None:
        self.index = DueIndex(self.store)
        self.now = dict(self.committed)

    def check(self) -> tuple[int, bytes] | None:
        first = min(((due, key) for key, due in self.now.items()), default=None)
        assert self.index.first() == first
        return first


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    store = Store(tmp_path_factory.mktemp("due") / "0")
    yield store
    store.close()


@pytest.mark.parametrize("looks", ["often", "seldom"])
@given(steps=steps, load=st.integers(2, 6), shrink_at=st.integers(2, 12))
@settings(max_examples=500, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_equals_a_search_over_all_records(
    store: Store, looks: str, steps: list[tuple], load: int, shrink_at: int
) -> None:
    """Whatever is set, put off, fired, committed or lost with the process; in whatever window."""
    with mock.patch.multiple(due_index, _LOAD=load, _SHRINK_AT=shrink_at):
        naive = Naive(store)
        for step in steps:
            match step:
                case ("set", key, due):
                    naive.set(key, due)
                case ("burst", due, count):
                    for number in range(count):
                        naive.set(b"k%d" % number, due + number % 3)
                case ("fire", count, later):
                    for _ in range(count):
                        if (first := naive.check()) is not None:
                            naive.set(first[1], None if later > 40 else first[0] + later)
                case ("commit",):
                    naive.commit()
                case ("reopen",):
                    naive.reopen()
            if looks == "often":
                naive.check()
        naive.check()


def test_a_timer_that_is_put_off_again_and_again_takes_no_memory(tmp_path: Path) -> None:
    store = Store(tmp_path / "0")
    index = DueIndex(store)
    assert index.first() is None
    for moment in range(50_000):
        index.set(b"k%d" % (moment % 100), 1_000_000 + moment)
    assert index.first() == (1_000_000 + 49_900, b"k0")
    assert len(index._heap) < 5_000
    store.close()


def test_many_timers_are_not_all_in_memory(tmp_path: Path) -> None:
    store = Store(tmp_path / "0")
    count = 60_000
    index = DueIndex(store)
    assert index.first() is None
    for number in range(count):
        index.set(b"k%d" % number, count - number)
    assert len(index._window) <= due_index._SHRINK_AT
    store.write([Change(b"k%d" % n, b"", None, count - n) for n in range(count)], 1, None)
    index = DueIndex(store)
    assert index.first() == (1, b"k%d" % (count - 1))
    assert len(index._window) <= due_index._LOAD
    for due in range(1, count + 1):
        assert index.first() == (due, b"k%d" % (count - due))
        index.set(b"k%d" % (count - due), None)
    assert index.first() is None
    store.close()
