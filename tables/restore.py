"""Brings a partition's store up to the end of its changelog.

Law: restored is what `read_committed` shows up to the end that was there after the older owner had
been fenced. Nothing of an open or aborted transaction enters the store.

Answers Faust's recovery (tables/recovery.py:925), which compares the last record's offset with the
high-water mark and so never ends when control records are last: here the end is librdkafka's
partition EOF, which counts positions and not records.
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
copy that missed one would keep a record for ever that everybody else has seen deleted."""
_CLOCK_STEP_MS = 60_000
"""How far a clock may be set back without a doubt about the age of a copy."""


class RestoreError(RuntimeError):
    """The changelog could not be read to its end."""


class AnotherChangelog(RestoreError):
    """The changelog was deleted and made again. Starting from what it holds now would repeat every
    action."""


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

    topic_id: Kafka's id of the changelog, where it is known; AnotherChangelog where it has another.
    client: librdkafka's base configuration. stalled_after: seconds without a record after which
    RestoreError is raised. progressed: called for every chunk that has come into the store. Call
    it only after the older owner has been fenced.
    """
    log = fetch_log_ends(client, topic, partition)
    if topic_id not in (log.topic_id, ""):
        raise AnotherChangelog(f"{topic} was deleted and made again: what it held is gone")
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
    """Whether the copy holds this log's beginning, and the log still holds all that follows."""
    if store.next_log == 0:
        return True
    if store.changelog != log.topic_id:
        return False  # a topic made again; it may well be longer than the one before
    age = _now_ms() - store.current_at
    if store.next_log < log.end and not -_CLOCK_STEP_MS <= age <= _COPY_LIVES_MS:
        return False  # also where this machine's clock ran ahead: nothing is known of the age then
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
        store.current_at = _now_ms()  # what is read from now on keeps its tombstones
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
    """The due times that the store has now, which a change must take out of the index.

    A copy that is made from nothing has those that were just put there: keeping them costs less
    than reading every record again.
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
