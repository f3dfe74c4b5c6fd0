"""Brings a partition's store up to the end of its changelog.

Law: it restores the `read_committed` records up to the changelog's end after the older owner was
fenced. Nothing of an open or aborted transaction enters the store.

Answers Faust's recovery (tables/recovery.py:925), which compares the last record's offset with the
high watermark and so never ends if control records come last: here the end is librdkafka's
partition EOF, which is about positions, not records.
"""

import time
from collections.abc import Callable, Mapping
from typing import Any

from confluent_kafka import Consumer, KafkaError, KafkaException, TopicPartition

from tables.changelog import POSITION_KEY, RESERVED, Position
from tables.codec import Codec
from tables.log_ends import LogEnds, fetch_log_ends
from tables.store import Change, Store

_BATCH = 10_000
_COPY_LIVES_MS = 12 * 3600 * 1000
"""Kafka keeps tombstones for 24 h (delete.retention.ms) after it could first have removed them. A
copy that missed one would keep a deleted record for ever."""
_CLOCK_STEP_MS = 60_000
"""How far a clock may be set back before the age of a copy counts as unknown."""


class RestoreError(RuntimeError):
    """The changelog could not be read to its end."""


class AnotherChangelog(RestoreError):
    """The changelog isn't the one that the state was written to: it was recreated, and its records
    are lost. Starting from its present records would repeat everything that was ever done."""


def restore(
    store: Store,
    topic: str,
    partition: int,
    codec: Codec[Any],
    client: Mapping[str, Any],
    *,
    topic_id: str = "",
    stalled_after: float = 60.0,
    progressed: Callable[[], None] = lambda: None,
) -> int:
    """Reads the changelog partition from where the store ends, and returns the records read.

    topic_id: Kafka's id of the changelog, if known; AnotherChangelog is raised if the changelog has
        another.
    client: librdkafka's base configuration. stalled_after: seconds without a record after which
    RestoreError is raised. progressed: called for every chunk written to the store. Call `restore`
    only after the older owner has been fenced.
    """
    log = fetch_log_ends(client, topic, partition)
    if topic_id not in (log.topic_id, ""):
        raise AnotherChangelog(f"{topic} was deleted and recreated: what it held is gone")
    if not _belongs(store, log):
        store.clear()
    store.changelog = log.topic_id
    if store.next_log >= log.end:
        return 0
    consumer = Consumer(
        {
            **client,
            "group.id": f"{topic}-restore",
            "enable.auto.commit": False,
            "isolation.level": "read_committed",
            "enable.partition.eof": True,
            "auto.offset.reset": "error",
            "fetch.wait.max.ms": 50,
            "queued.max.messages.kbytes": 32768,
        }
    )
    try:
        where = TopicPartition(topic, partition)
        return _read(store, consumer, where, log, codec, stalled_after, progressed)
    finally:
        consumer.close()


def _belongs(store: Store, log: LogEnds) -> bool:
    """Whether the copy belongs to this log, and the log still holds all records after the copy."""
    if store.next_log == 0:
        return True
    if store.changelog != log.topic_id:
        return False  # a recreated topic; it may be longer than the former one
    age = _now_ms() - store.current_at
    if store.next_log < log.end and not -_CLOCK_STEP_MS <= age <= _COPY_LIVES_MS:
        return False  # also if this machine's clock ran ahead, as the age is then unknown
    return log.first <= store.next_log <= log.end


def _read(
    store: Store,
    consumer: Consumer,
    where: TopicPartition,
    log: LogEnds,
    codec: Codec[Any],
    stalled_after: float,
    progressed: Callable[[], None],
) -> int:
    dues = _Dues(store, codec)
    if store.next_log == 0:
        store.current_at = _now_ms()  # an empty copy has missed no tombstone
    start = max(store.next_log, log.first)
    consumer.assign([TopicPartition(where.topic, where.partition, start)])
    count = 0
    read_at = time.monotonic()
    reached = False
    while not reached:
        messages = consumer.consume(_BATCH, timeout=0.1)
        latest: dict[bytes, bytes | None] = {}
        position, next_log = store.position, store.next_log
        for message in messages:
            error = message.error()
            if error is not None:
                if error.code() != KafkaError._PARTITION_EOF:
                    raise KafkaException(error)
                if message.offset() < log.end:
                    raise RestoreError(
                        f"{where.topic}/{where.partition}: committed records end at "
                        f"{message.offset()}, the log at {log.end}: a transaction is still open"
                    )
                reached = True
                continue
            next_log = message.offset() + 1
            key = message.key()
            if key == POSITION_KEY:
                position = Position.unpack(message.value())
            elif not key.startswith(RESERVED):
                latest[key] = message.value()
            count += 1
        if messages:
            read_at = time.monotonic()
            store.write(
                [dues.change(key, value) for key, value in latest.items()],
                max(next_log, log.end) if reached else next_log,
                position,
                current=reached,
            )
            progressed()
        elif time.monotonic() - read_at > stalled_after:
            raise RestoreError(
                f"{where.topic}/{where.partition}: nothing read for {stalled_after:.0f} s "
                f"at offset {store.next_log} of {log.end}"
            )
    return count


def _now_ms() -> int:
    return time.time_ns() // 1_000_000


class _Dues:
    """The present due times of the store, which a change must remove from the index.

    A copy that starts empty has only those written during the restore: keeping them costs less than
    reading every record again.
    """

    def __init__(self, store: Store, codec: Codec[Any]) -> None:
        self._store = store
        self._codec = codec
        self._known: dict[bytes, int] | None = {} if store.next_log == 0 else None

    def change(self, key: bytes, value: bytes | None) -> Change:
        codec, known = self._codec, self._known
        if codec.next_due is None or codec.is_hot(key):
            return Change(key, value, None, None)
        due = None if value is None else codec.due_of(value)
        if known is None:
            old = self._store.get(key)
            return Change(key, value, None if old is None else codec.due_of(old), due)
        old_due = known.pop(key, None)
        if due is not None:
            known[key] = due
        return Change(key, value, old_due, due)
