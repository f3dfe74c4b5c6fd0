"""The toy step in a bare loop of librdkafka and RocksDB: an upper bound for Python.

At least once: the outputs and records of a batch are written before its offsets are committed. It
has no restore and no rebalancing; it only shows the limit.
"""

from __future__ import annotations

import os
import signal
import threading
from pathlib import Path
from typing import Any

import msgspec
from confluent_kafka import Consumer, KafkaError, KafkaException, Producer
from rocksdict import Options, Rdict, WriteBatch, WriteOptions

from benchmarks.contenders.toy import step

_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder().decode
BATCH = 2_000


class Partitions:
    """One RocksDB per partition, without a write-ahead log: it has the changelog."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._stores: dict[int, Rdict] = {}

    def store(self, partition: int) -> Rdict:
        found = self._stores.get(partition)
        if found is None:
            options = Options(raw_mode=True)
            options.create_if_missing(True)
            found = self._stores[partition] = Rdict(str(self._folder / str(partition)), options)
            unlogged = WriteOptions()
            unlogged.disable_wal = True
            found.set_write_options(unlogged)
        return found


def failed(error: KafkaError | None, message: object) -> None:
    if error is not None:
        raise KafkaException(error)


def main(stopping: threading.Event) -> None:
    name, broker, output = (os.environ[one] for one in ("NAME", "BROKER", "OUTPUT"))
    consumer = Consumer(
        {
            "bootstrap.servers": broker,
            "group.id": name,
            "auto.offset.reset": "earliest",
            "enable.auto.commit": False,
            "fetch.queue.backoff.ms": 20,
        }
    )
    producer = Producer(
        {
            "bootstrap.servers": broker,
            "enable.idempotence": True,
            "linger.ms": 5,
            "compression.type": "lz4",
            "queue.buffering.max.messages": 1_000_000,
            "delivery.report.only.error": True,
            "on_delivery": failed,
        }
    )
    consumer.subscribe([os.environ["INPUT"]])
    partitions = Partitions(Path(os.environ["STATE"]))
    while not stopping.is_set():
        messages = consumer.consume(1, 0.2)
        if not messages:
            continue
        messages += consumer.consume(BATCH, 0)
        records: dict[tuple[int, bytes], dict[str, Any]] = {}
        for message in messages:
            partition, key = message.partition(), message.key()
            record = records.get((partition, key))
            if record is None:
                kept = partitions.store(partition).get(key)
                record = None if kept is None else _decode(kept)
            records[partition, key], out = step(record, _decode(message.value()))
            if out is not None:
                producer.produce(output, _encode(out), key, partition)
        changes: dict[int, WriteBatch] = {}
        for (partition, key), record in records.items():
            value = _encode(record)
            producer.produce(f"{name}-changelog", value, key, partition)
            changes.setdefault(partition, WriteBatch(raw_mode=True)).put(key, value)
        producer.flush()
        for partition, batch in changes.items():
            partitions.store(partition).write(batch)
        consumer.commit(asynchronous=True)
    consumer.close()


if __name__ == "__main__":
    stop = threading.Event()
    signal.signal(signal.SIGTERM, lambda number, frame: stop.set())
    main(stop)
