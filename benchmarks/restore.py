"""How fast a worker restores its state from the changelog, compared with only reading the records.

    python -m benchmarks.restore [--records N] [--users N] [--rounds N]

The records are those of users with a waiting instance, on four partitions. Four threads of one
process restore them into an empty folder, as a worker does.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
import uuid
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from confluent_kafka import Consumer, KafkaError, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic

from agents.kafka.client import base_config
from agents.kafka.embedded.broker import EmbeddedKafka
from agents.runtime.broker_clock import BrokerClock
from agents.runtime.transaction import Outputs, TransactionalProducer
from benchmarks.backtest import running
from benchmarks.engine import EXAMPLE, START
from journeys.engine.processor import PartitionProcessor
from journeys.records.effects import Effects
from journeys.records.input import Input
from journeys.simulation.backtest import MemoryRecords
from tables.changelog import Position
from tables.restore import restore
from tables.store import Change, Store
from tables.users import CODEC

PARTITIONS = 4
BATCH = 1_000


def values(count: int) -> list[bytes]:
    """Encoded records of users, each with a waiting instance."""
    records = MemoryRecords()
    processor = PartitionProcessor(records, running(EXAMPLE), "stream")
    inputs = [
        Input("events", 0, n, None, (
            b'{"event":"checkout_started","userId":"u%d","timestamp":%d,'
            b'"properties":{"total":99.5,"session_id":"s%d"}}' % (n, START + n, n)
        ))
        for n in range(count)
    ]  # fmt: skip
    while inputs:
        inputs = inputs[processor.apply(inputs[:BATCH], Effects()) :]
    return [CODEC.pack(record, record.next_due()) for record in records.records.values()]


def fill(client: dict[str, object], topic: str, records: int, users: int) -> None:
    """Write the records as the owner of a partition does, in transactions."""
    some = values(200)
    for partition in range(PARTITIONS):
        producer = TransactionalProducer(
            client, f"{topic}-{partition}", topic, partition, BrokerClock()
        )
        producer.fence()
        for first in range(0, records // PARTITIONS, BATCH):
            changes = [
                Change(b"u%d" % (n % users), some[n % len(some)], None, None)
                for n in range(first, first + BATCH)
            ]
            producer.commit(Outputs.none(), changes, Position(first, START))


def read_alone(client: dict[str, object], topic: str, partition: int) -> None:
    consumer = Consumer(
        {
            **client,
            "group.id": uuid.uuid4().hex,
            "isolation.level": "read_committed",
            "enable.partition.eof": True,
            "fetch.wait.max.ms": 50,
            "queued.max.messages.kbytes": 32768,
        }
    )
    consumer.assign([TopicPartition(topic, partition, 0)])
    while True:
        for message in consumer.consume(10_000, 0.1):
            error = message.error()
            if error is not None and error.code() == KafkaError._PARTITION_EOF:
                consumer.close()
                return


def restore_all(client: dict[str, object], topic: str, partition: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        store = Store(Path(folder) / str(partition))
        restore(store, topic, partition, CODEC, client)
        store.close()


def timed(
    work: Callable[[dict[str, object], str, int], None], client: dict[str, object], topic: str
) -> float:
    began = time.perf_counter()
    with ThreadPoolExecutor(PARTITIONS) as threads:
        list(threads.map(lambda partition: work(client, topic, partition), range(PARTITIONS)))
    return time.perf_counter() - began


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--records", type=int, default=1_000_000)
    parser.add_argument("--users", type=int, default=100_000, help="of each partition")
    parser.add_argument("--rounds", type=int, default=3)
    chosen = parser.parse_args(arguments)
    with EmbeddedKafka() as kafka:
        client = dict(base_config(kafka.bootstrap))
        topic = f"changelog-{uuid.uuid4().hex[:8]}"
        config = {"cleanup.policy": "compact", "message.timestamp.type": "LogAppendTime"}
        admin = AdminClient(client)
        admin.create_topics([NewTopic(topic, PARTITIONS, 1, config=config)])[topic].result()
        fill(client, topic, chosen.records, chosen.users)
        took: dict[str, list[float]] = {"read alone": [], "restore": []}
        for _ in range(chosen.rounds):
            took["read alone"].append(timed(read_alone, client, topic))
            took["restore"].append(timed(restore_all, client, topic))
    fastest = statistics.median(took["read alone"])
    print(f"{'':<12}{'seconds':>9}{'records/s':>12}{'x reading':>11}")
    for what, seconds in took.items():
        middle = statistics.median(seconds)
        rate = chosen.records / middle
        print(f"{what:<12}{middle:>9.2f}{rate:>12,.0f}{middle / fastest:>11.2f}")
    size = len(values(1)[0])
    print(f"{chosen.records:,} records of {size} bytes, median of {chosen.rounds} rounds")


if __name__ == "__main__":
    main()
