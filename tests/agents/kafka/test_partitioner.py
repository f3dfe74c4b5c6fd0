"""Our partitioner agrees with Kafka's own."""

from __future__ import annotations

import random

import pytest
from confluent_kafka import KafkaError, Message, Producer
from confluent_kafka.admin import NewTopic

from agents.kafka.client import admin_client, base_config
from agents.kafka.partitioner import murmur2, partition_for

# org.apache.kafka.common.utils.UtilsTest.testMurmur2
KAFKAS_OWN_VECTORS = {
    b"21": -973932308,
    b"foobar": -790332482,
    b"a-little-bit-long-string": -985981536,
    b"a-little-bit-longer-string": -1486304829,
    b"lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8": -58897971,
    b"abc": 479470107,
}


@pytest.mark.parametrize(("key", "signed"), KAFKAS_OWN_VECTORS.items())
def test_the_hash_is_kafkas(key: bytes, signed: int) -> None:
    assert murmur2(key) == signed % 2**32


def test_the_partition_is_the_one_that_librdkafka_chooses(broker: str, topic_prefix: str) -> None:
    topic, partitions = topic_prefix + "keys", 7
    client = admin_client(broker)
    for future in client.create_topics([NewTopic(topic, partitions, 1)]).values():
        future.result(10)
    chance = random.Random(7)
    keys = [chance.randbytes(chance.randrange(40)) for _ in range(2_000)]
    keys += [f"user-{number}".encode() for number in range(2_000)]
    chosen: dict[bytes, int] = {}

    def note(error: KafkaError | None, message: Message) -> None:
        assert error is None
        chosen[message.key()] = message.partition()

    producer = Producer(base_config(broker) | {"partitioner": "murmur2"})
    for key in keys:
        producer.produce(topic, key=key, on_delivery=note)
    assert producer.flush(30) == 0

    assert chosen == {key: partition_for(key, partitions) for key in keys}
    assert set(chosen.values()) == set(range(partitions))
