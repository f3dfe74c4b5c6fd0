"""A view of a partition equals a dict, across batches, evictions and new owners."""

import tempfile
from pathlib import Path
from typing import NamedTuple
from unittest import mock

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from tables import due_index
from tables.changelog import Position
from tables.codec import Codec, HotPart
from tables.store import Change, Store
from tables.view import ReservedKey, View


class Record(NamedTuple):
    content: int
    due: int | None
    seen: int = 0


def encode(record: Record) -> bytes:
    due = "" if record.due is None else record.due
    return f"{record.content},{due},{record.seen}".encode()


def decode(value: bytes) -> Record:
    content, due, seen = value.decode().split(",")
    return Record(int(content), int(due) if due else None, int(seen))


CODEC: Codec[Record] = Codec(encode, decode, lambda record: record.due)
WITH_SIDES: Codec[Record] = Codec(
    lambda record: encode(record._replace(seen=0)),
    decode,
    lambda record: record.due,
    HotPart(
        lambda record: b"%d" % record.seen,
        lambda record, hot: record._replace(seen=int(hot)),
        lambda one, other: one._replace(seen=other.seen) == other,
    ),
)

keys = st.integers(0, 12).map(lambda n: b"user-%d" % n)
records = st.builds(Record, st.integers(0, 1), st.none() | st.integers(-3, 20), st.integers(0, 99))


class ViewEqualsDict(RuleBasedStateMachine):
    codec = CODEC

    @initialize(cached=st.integers(0, 6), load=st.integers(2, 5), shrink_at=st.integers(2, 8))
    def begin(self, cached: int, load: int, shrink_at: int) -> None:
        self.directory = tempfile.TemporaryDirectory()
        self.patch = mock.patch.multiple(due_index, _LOAD=load, _SHRINK_AT=shrink_at)
        self.patch.start()
        self.cached = cached
        self.now: dict[bytes, Record] = {}
        self.kept: dict[bytes, Record] = {}
        self.changed: set[bytes] = set()
        self.batches = 0
        self.open()

    def open(self) -> None:
        self.store = Store(Path(self.directory.name) / "0")
        self.view = View(self.store, self.codec, self.cached)

    def teardown(self) -> None:
        if hasattr(self, "store"):
            self.store.close()
            self.patch.stop()
            self.directory.cleanup()

    @rule(key=keys)
    def get(self, key: bytes) -> None:
        assert self.view.get(key) == self.now.get(key)

    @rule(key=keys, record=records)
    def put(self, key: bytes, record: Record) -> None:
        self.view.put(key, record)
        self.now[key] = record
        self.changed.add(key)

    @rule(key=keys)
    def delete(self, key: bytes) -> None:
        self.view.delete(key)
        self.now.pop(key, None)
        self.changed.add(key)

    @rule(key=keys, first=records, second=records)
    def change_more_than_once(self, key: bytes, first: Record, second: Record) -> None:
        self.put(key, first)
        self.delete(key)
        self.put(key, second)

    @rule(later=st.none() | st.integers(1, 20))
    def fire(self, later: int | None) -> None:
        if (first := self.view.next_due()) is None:
            return
        due, key = first
        record = self.view.get(key)
        assert record is not None
        assert record.due is not None
        assert max(record.due, 0) == due
        self.put(key, record._replace(due=None if later is None else due + later))

    @rule(key=keys, seen=st.integers(0, 99))
    def see(self, key: bytes, seen: int) -> None:
        """A change of what a codec may keep apart."""
        if (record := self.view.get(key)) is not None:
            self.put(key, record._replace(seen=seen))

    @rule()
    def commit(self) -> None:
        changes = self.view.changes()
        assert {change.key.removesuffix(b"\0") for change in changes} == self.changed
        assert self.view.changed == bool(self.changed)
        self.batches += 1
        self.store.write(changes, self.batches, Position(self.batches))
        self.view.committed()
        assert not self.view.changed
        self.kept, self.changed = dict(self.now), set()
        assert len(self.view._young) + len(self.view._old) <= self.cached
        found = self.store.due_from((0, b""), 100)
        assert found == sorted(
            (max(record.due, 0), key) for key, record in self.kept.items() if record.due is not None
        )

    @rule(after=keys)
    def look_at_what_comes_after(self, after: bytes) -> None:
        packed = [(key, value[:-8]) for key, value in self.view.packed(after)]
        encode = self.codec.encode
        assert packed == sorted((key, encode(one)) for key, one in self.now.items() if key > after)
        assert dict(self.view.items()) == self.now

    @precondition(lambda self: self.batches > 0)
    @rule()
    def new_owner(self) -> None:
        """Goes on from what was committed; the batch that was begun is lost with the process."""
        self.store.close()
        self.open()
        assert self.store.next_log == self.batches
        self.now, self.changed = dict(self.kept), set()

    @invariant()
    def the_earliest_due_record_is_known(self) -> None:
        if not hasattr(self, "view"):
            return
        dues = [(max(r.due, 0), key) for key, r in self.now.items() if r.due is not None]
        assert self.view.next_due() == min(dues, default=None)


class ViewWithSidesEqualsDict(ViewEqualsDict):
    codec = WITH_SIDES


ViewEqualsDict.TestCase.settings = settings(max_examples=40, stateful_step_count=40, deadline=None)
TestViewEqualsDict = ViewEqualsDict.TestCase
ViewWithSidesEqualsDict.TestCase.settings = ViewEqualsDict.TestCase.settings
TestViewWithSidesEqualsDict = ViewWithSidesEqualsDict.TestCase


def test_a_change_of_the_side_alone_writes_the_side_alone(tmp_path: Path) -> None:
    view = View(Store(tmp_path / "0"), WITH_SIDES)
    view.put(b"u", Record(1, 5, seen=1))
    assert [change.key for change in view.changes()] == [b"u", b"u\0"]
    view._store.write(view.changes(), 1, Position(1))
    view.committed()

    view.put(b"u", Record(1, 5, seen=2))
    assert view.changes() == [Change(b"u\0", b"2", None, None)]
    view.put(b"u", Record(2, 5, seen=3))
    view.put(b"u", Record(2, 5, seen=4))
    assert [(change.key, change.value) for change in view.changes()] == [
        (b"u", WITH_SIDES.pack(Record(2, 5), 5)),
        (b"u\0", b"4"),
    ]


def test_large_records_do_not_pile_up_in_memory(tmp_path: Path) -> None:
    """The cache counts bytes as well as records."""
    store = Store(tmp_path / "store")
    with mock.patch("tables.view._CACHED_BYTES", 300_000):
        view = View(store, Codec(bytes, bytes))
        for batch in range(20):
            for number in range(10):
                view.put(b"%d-%d" % (batch, number), b"%d" % batch * 5_000)
            store.write(view.changes(), batch + 1, Position(batch))
            view.committed()
        for batch in range(20):  # reading in turn, those that were dropped and those that were not
            for number in range(10):
                for turn in range(batch + 1):
                    assert view.get(b"%d-%d" % (turn, number)) == b"%d" % turn * 5_000
                view.committed()
                assert len(view._young) + len(view._old) <= 300_000 // 5_000 + 20
    store.close()


def test_a_key_of_side_data_is_no_record(tmp_path: Path) -> None:
    store = Store(tmp_path / "store")
    view = View(store, WITH_SIDES)
    view.put(b"u", Record(1, None, 7))
    store.write(view.changes(), 1, Position(1))
    view.committed()
    for key in (b"u\0", b"\0", b"u\0\0"):
        with pytest.raises(ReservedKey):
            view.get(key)
        with pytest.raises(ReservedKey):
            view.put(key, Record(2, None))
        with pytest.raises(ReservedKey):
            view.delete(key)
    assert view.get(b"u") == Record(1, None, 7)
    assert not view.changed
    store.close()


def test_nothing_is_kept_in_memory_of_what_was_deleted(tmp_path: Path) -> None:
    """As deliveries are, which end in a later batch and never come again."""
    store = Store(tmp_path / "store")
    view = View(store, CODEC, cached=90)
    for number in range(300):
        view.put(b"%d" % number, Record(number, None))
        if number >= 20:
            view.delete(b"%d" % (number - 20))
        store.write(view.changes(), number + 1, Position(number))
        view.committed()
        assert len(view._young.keys() | view._old.keys()) <= 20
        assert number < 20 or b"%d" % (number - 20) not in {**view._young, **view._old}
    assert len(list(view.items())) == 20
    store.close()
