"""A restored copy holds what `read_committed` shows up to the end of its changelog, and no more."""

import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec
import pytest
from confluent_kafka import Producer, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic, OffsetSpec

from agents.kafka.client import base_config
from tables import restore as restoring
from tables.changelog import POSITION_KEY, Position
from tables.codec import Codec, HotPart
from tables.log_ends import fetch_log_ends
from tables.restore import AnotherChangelog, RestoreError, restore
from tables.store import Change, Store


class Record(msgspec.Struct, frozen=True, array_like=True):
    content: int
    due: int | None = None


CODEC: Codec[Record] = Codec(
    msgspec.msgpack.Encoder().encode, msgspec.msgpack.Decoder(Record).decode, lambda r: r.due
)
Records = dict[bytes, Record | None]


class Changelog:
    """One changelog partition, written as an owner would."""

    def __init__(self, broker: str, directory: Path) -> None:
        self.client = base_config(broker)
        self.directory = directory
        self.topic = f"changelog-{uuid.uuid4().hex[:8]}"
        self.admin = AdminClient(self.client)
        self.create()
        self.expected: dict[bytes, Record] = {}
        self.position: Position | None = None
        self._opened: list[Store] = []
        self.producer = self.owner()

    def create(self) -> None:
        config = {"cleanup.policy": "compact"}
        self.admin.create_topics([NewTopic(self.topic, 1, 1, config=config)])[self.topic].result()

    def delete(self) -> None:
        self.admin.delete_topics([self.topic], operation_timeout=30)[self.topic].result()
        while self.topic in self.admin.list_topics(timeout=10).topics:
            pass

    def owner(self, transactional_id: str | None = None) -> Producer:
        producer = Producer(
            {**self.client, "transactional.id": transactional_id or uuid.uuid4().hex}
        )
        producer.init_transactions(30)
        return producer

    def begin(self, records: Records, position: Position, producer: Producer) -> None:
        producer.begin_transaction()
        for key, record in records.items():
            value = None if record is None else CODEC.pack(record, record.due)
            producer.produce(self.topic, key=key, value=value, partition=0)
        producer.produce(self.topic, key=POSITION_KEY, value=position.pack(), partition=0)
        producer.flush(30)

    def write(self, records: Records, source: int) -> None:
        """One committed transaction."""
        self.position = Position(source, source * 10)
        self.begin(records, self.position, self.producer)
        self.producer.commit_transaction(30)
        for key, record in records.items():
            self.expected.pop(key, None)
            if record is not None:
                self.expected[key] = record

    def store(self, name: str = "0") -> Store:
        self._opened.append(Store.open_or_discard(self.directory / name))
        return self._opened[-1]

    def restore(self, store: Store, codec: Codec[Record] = CODEC) -> int:
        return restore(store, self.topic, 0, codec, self.client, stalled_after=10)

    def end(self) -> int:
        where = TopicPartition(self.topic, 0)
        return int(self.admin.list_offsets({where: OffsetSpec.latest()})[where].result().offset)

    def check(self, store: Store) -> None:
        assert {k: CODEC.unpack(v)[0] for k, v in store.items()} == self.expected
        assert store.position == self.position
        assert store.next_log == self.end()
        assert store.due_from((0, b""), 100_000) == sorted(
            (record.due, key) for key, record in self.expected.items() if record.due is not None
        )

    def close(self) -> None:
        for store in self._opened:
            store.close()


@pytest.fixture
def changelog(broker: str, tmp_path: Path) -> Iterator[Changelog]:
    changelog = Changelog(broker, tmp_path)
    yield changelog
    changelog.close()


def test_an_empty_changelog_is_an_empty_store(changelog: Changelog) -> None:
    store = changelog.store()
    assert changelog.restore(store) == 0
    assert (store.position, store.next_log) == (None, 0)


def test_everything_up_to_the_control_record_at_the_end(changelog: Changelog) -> None:
    changelog.write({b"a": Record(1, 5), b"b": Record(1)}, 3)
    changelog.write({b"a": Record(2, 9), b"c": Record(1, 7)}, 8)
    store = changelog.store()
    assert changelog.restore(store) == 6
    changelog.check(store)
    assert changelog.restore(store) == 0


def test_the_sides_of_records_have_no_due_time(changelog: Changelog) -> None:
    hot: HotPart[Record] = HotPart(lambda _: b"", lambda record, _: record, lambda *_: False)
    codec = Codec(CODEC.encode, CODEC.decode, CODEC.next_due, hot)
    changelog.write({b"a": Record(1, 5), b"a\0": Record(7, 3)}, 3)
    store = changelog.store()
    assert changelog.restore(store, codec) == 3
    assert store.get(b"a\0") == CODEC.pack(Record(7, 3), 3)
    assert store.due_from((0, b""), 10) == [(5, b"a")]


def test_a_recreated_changelog_is_refused_before_anything_starts_from_zero(
    changelog: Changelog,
) -> None:
    changelog.write({b"a": Record(1, 5)}, 3)
    id = fetch_log_ends(changelog.client, changelog.topic, 0).topic_id
    store = changelog.store()
    assert restore(store, changelog.topic, 0, CODEC, changelog.client, topic_id=id) == 2
    changelog.delete()
    changelog.create()
    for copy in (store, changelog.store("new")):
        held = list(copy.items())
        with pytest.raises(AnotherChangelog, match="deleted and recreated"):
            restore(copy, changelog.topic, 0, CODEC, changelog.client, topic_id=id)
        assert list(copy.items()) == held


def test_goes_on_where_the_copy_ends(changelog: Changelog) -> None:
    changelog.write({b"a": Record(1, 5), b"b": Record(1, 6)}, 3)
    store = changelog.store()
    changelog.restore(store)
    changelog.write({b"a": Record(2, 4), b"b": None}, 8)
    assert changelog.restore(store) == 3
    changelog.check(store)


def test_several_changes_of_a_key_in_one_chunk_leave_no_stale_due_time(
    changelog: Changelog,
) -> None:
    changelog.write({b"a": Record(0, 100), b"b": Record(0, 100)}, 1)
    store = changelog.store()
    changelog.restore(store)
    for source in range(2, 40):
        due = source if source % 3 else None
        changelog.write({b"a": Record(source, due), b"b": None, b"c": Record(source, due)}, source)
        changelog.write({b"b": Record(source, due), b"c": None}, source)
    changelog.restore(store)
    changelog.check(store)


@pytest.mark.parametrize("chunk", [1, 2, 3, 7])
def test_the_size_of_the_chunks_changes_nothing(
    changelog: Changelog, chunk: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(restoring, "_BATCH", chunk)
    for source in range(1, 10):
        changelog.write(
            {b"a": Record(source, source), b"b": Record(1, 3) if source % 2 else None}, source
        )
    store = changelog.store()
    changelog.restore(store)
    changelog.check(store)


def test_aborted_transactions_are_not_there(changelog: Changelog) -> None:
    changelog.write({b"a": Record(1, 5)}, 3)
    changelog.begin({b"a": Record(9, 1), b"z": Record(9)}, Position(99), changelog.producer)
    changelog.producer.abort_transaction(30)
    store = changelog.store()
    changelog.restore(store)
    changelog.check(store)


def test_a_fenced_owner_s_open_transaction_is_not_there(changelog: Changelog) -> None:
    old = changelog.owner("owner")
    changelog.write({b"a": Record(1, 5)}, 3)
    changelog.begin({b"a": Record(9, 1)}, Position(99), old)
    changelog.owner("owner")
    store = changelog.store()
    changelog.restore(store)
    changelog.check(store)


def test_a_transaction_that_is_still_open_is_an_error(changelog: Changelog) -> None:
    """Somebody that was not fenced: what it commits later would be missing for ever."""
    changelog.write({b"a": Record(1, 5)}, 3)
    stranger = changelog.owner()
    changelog.begin({b"a": Record(9, 1)}, Position(99), stranger)
    with pytest.raises(RestoreError, match="still open"):
        changelog.restore(changelog.store())
    stranger.abort_transaction(30)


def test_a_corrupted_copy_is_restored_from_the_beginning(
    changelog: Changelog, tmp_path: Path
) -> None:
    changelog.write({b"a": Record(1, 5), b"b": Record(2)}, 3)
    store = Store(tmp_path / "damaged")
    changelog.restore(store)
    store.close()
    (tmp_path / "damaged" / "CURRENT").write_bytes(b"")
    store = changelog.store("damaged")
    assert changelog.restore(store) == 3
    changelog.check(store)


def longer(changelog: Changelog) -> None:
    for source in range(1, 30):
        changelog.write({b"new": Record(source)}, source)


def equally_long(changelog: Changelog) -> None:
    changelog.write({b"x": Record(7, 1), b"y": Record(7, 2)}, 3)
    changelog.write({b"x": Record(8, 1)}, 4)


def shorter(changelog: Changelog) -> None:
    changelog.write({b"x": Record(7, 1)}, 3)


@pytest.mark.parametrize("fill", [shorter, equally_long, longer])
def test_a_changelog_made_anew_makes_the_copy_worthless(
    changelog: Changelog, fill: Callable[[Changelog], None]
) -> None:
    changelog.write({b"old": Record(1, 5), b"older": Record(2)}, 3)
    changelog.write({b"old": Record(2, 6)}, 5)
    store = changelog.store()
    changelog.restore(store)
    changelog.delete()
    changelog.create()
    changelog.expected.clear()
    changelog.producer = changelog.owner()
    fill(changelog)
    changelog.restore(store)
    changelog.check(store)


def test_a_copy_ahead_of_its_changelog_is_worthless(changelog: Changelog) -> None:
    """After an unclean election the broker may have lost the end."""
    changelog.write({b"a": Record(1, 5)}, 3)
    store = changelog.store()
    changelog.restore(store)
    store.write([Change(b"a", b"lost", 5, None)], store.next_log + 10, Position(9))
    assert changelog.restore(store) == 2
    changelog.check(store)


@pytest.mark.parametrize("hours", [13, -48], ids=["old", "of a clock that ran ahead"])
def test_a_copy_that_may_have_missed_a_tombstone_is_worthless(
    changelog: Changelog, monkeypatch: pytest.MonkeyPatch, hours: int
) -> None:
    """Kafka forgets tombstones after a day. A copy of the day before would keep the record."""
    changelog.write({b"gone": Record(1, 5), b"a": Record(1)}, 3)
    store = changelog.store()
    changelog.restore(store)
    changelog.write({b"a": Record(2)}, 4)
    del changelog.expected[b"gone"]  # deleted, and the tombstone compacted away
    store.write([Change(b"ghost", b"x", None, None)], store.next_log, store.position)
    restored_at = restoring._now_ms()
    monkeypatch.setattr(restoring, "_now_ms", lambda: restored_at + hours * 3_600_000)
    assert changelog.restore(store) == 5
    assert store.get(b"ghost") is None


def test_an_interrupted_restore_is_as_old_as_its_beginning(
    changelog: Changelog, monkeypatch: pytest.MonkeyPatch
) -> None:
    changelog.write({b"k%d" % n: Record(n, n) for n in range(50)}, 3)
    monkeypatch.setattr(restoring, "_BATCH", 10)
    store = changelog.store()

    class Killed(Exception):
        pass

    def killed() -> None:
        if store.next_log >= 30:
            raise Killed

    begun = restoring._now_ms()
    with pytest.raises(Killed):
        restore(store, changelog.topic, 0, CODEC, changelog.client, progressed=killed)
    assert store.next_log < 50
    assert begun <= store.current_at <= restoring._now_ms()
    monkeypatch.setattr(restoring, "_now_ms", lambda: begun + 11 * 3_600_000)
    kept = store.next_log
    assert changelog.restore(store) == 51 - kept
    changelog.check(store)
