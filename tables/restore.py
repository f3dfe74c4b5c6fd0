"""Brings a partition's store up to the end of its changelog.

Law: restored is what `read_committed` shows up to the end that was there after the older owner had
been fenced. Nothing of an open or aborted transaction enters the store.

Answers Faust's recovery (tables/recovery.py:925), which compares the last record's offset with the
high-water mark and so never ends when control records are last: here the end is librdkafka's
partition EOF, which counts positions and not records.
"""

import time
from collections.abc import Mapping
from typing import Any

from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaError, KafkaException, TopicPartition

from tables.changelog import POSITION_KEY, Position
from tables.codec import Codec
from tables.store import Change, Store

_BATCH = 10_000


class RestoreError(RuntimeError):
    """The changelog could not be read to its end."""


def restore(
    store: Store,
    topic: str,
    partition: int,
    codec: Codec[Any],
    client: Mapping[str, Any],
    *,
    stalled_after: float = 60.0,
) -> int:
    """Reads the changelog partition from where the store ends, and returns the records read.

    client: librdkafka's base configuration. stalled_after: seconds without a record after which
    RestoreError is raised. Call it only after the older owner has been fenced.
    """
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
        return _restore(store, consumer, TopicPartition(topic, partition), codec, stalled_after)
    finally:
        consumer.close()


def _restore(
    store: Store,
    consumer: Consumer,
    changelog: TopicPartition,
    codec: Codec[Any],
    stalled_after: float,
) -> int:
    first, end = consumer.get_watermark_offsets(changelog, timeout=30)
    if store.next_log > end or 0 < store.next_log < first:
        store.clear()  # another cluster, or a changelog made anew: the copy is worthless
    if store.next_log >= end:
        return 0
    start = max(store.next_log, first)
    consumer.assign(
        [
            TopicPartition(
                changelog.topic, changelog.partition, OFFSET_BEGINNING if start == 0 else start
            )
        ]
    )
    count = 0
    progressed = time.monotonic()
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
                if message.offset() < end:
                    raise RestoreError(
                        f"{changelog.topic}/{changelog.partition}: committed records end at "
                        f"{message.offset()}, the log at {end}: a transaction is still open"
                    )
                reached = True
                continue
            next_log = message.offset() + 1
            key = message.key()
            if key == POSITION_KEY:
                position = Position.unpack(message.value())
            else:
                latest[key] = message.value()
            count += 1
        if messages:
            progressed = time.monotonic()
            store.write(
                [_change(store, codec, key, value) for key, value in latest.items()],
                max(next_log, end) if reached else next_log,
                position,
            )
        elif time.monotonic() - progressed > stalled_after:
            raise RestoreError(
                f"{changelog.topic}/{changelog.partition}: nothing read for {stalled_after:.0f} s "
                f"at offset {store.next_log} of {end}"
            )
    return count


def _change(store: Store, codec: Codec[Any], key: bytes, value: bytes | None) -> Change:
    if codec.next_due is None:
        return Change(key, value, None, None)
    old = store.get(key)
    return Change(
        key,
        value,
        None if old is None else codec.due_of(old),
        None if value is None else codec.due_of(value),
    )
