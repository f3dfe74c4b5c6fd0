"""Topics are read to where they end, whatever transactions and deletions do, and written whole."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from confluent_kafka import Producer as KafkaProducer
from confluent_kafka import TopicPartition
from confluent_kafka.admin import NewTopic

from agents.errors import TopicError, UserError
from agents.kafka.client import admin_client, base_config
from agents.kafka.produce import MAX_BYTES, Producer, TooLarge, write
from agents.kafka.read_to_end import Reader, read_to_end


@pytest.fixture
def topic(broker: str, topic_prefix: str) -> Iterator[str]:
    """A topic of two partitions."""
    name = topic_prefix + "read"
    client = admin_client(broker)
    size = {"max.message.bytes": str(2 * MAX_BYTES)}
    client.create_topics([NewTopic(name, 2, config=size)])[name].result(10)
    yield name
    client.delete_topics([name])[name].result(10)


def values(broker: str, topic: str, *, wait_for_transactions: bool = False) -> list[bytes]:
    batches = read_to_end(broker, [topic], wait_for_transactions=wait_for_transactions)
    return sorted(message.value() for batch in batches for message in batch)


def sent(broker: str, topic: str, *records: bytes, partition: int = -1) -> None:
    producer = Producer(broker)
    for value in records:
        assert producer.send(topic, value, value, partition=partition)
    producer.flush()
    assert (producer.acknowledged, producer.failed) == (len(records), 0)


def open_transaction(broker: str, topic: str, value: bytes, partition: int) -> KafkaProducer:
    """A producer whose transaction holds one record, which the broker has."""
    producer = KafkaProducer(base_config(broker) | {"transactional.id": topic})
    producer.init_transactions(30)
    producer.begin_transaction()
    producer.produce(topic, value, partition=partition)
    producer.flush(30)
    return producer


def test_all_partitions_are_read_and_an_empty_topic_ends_at_once(broker: str, topic: str) -> None:
    assert values(broker, topic) == []
    records = [b"%03d" % number for number in range(100)]
    sent(broker, topic, *records)
    assert values(broker, topic) == records


def test_records_after_an_open_transaction_are_read_when_it_ends(broker: str, topic: str) -> None:
    sent(broker, topic, b"a", partition=0)
    producer = open_transaction(broker, topic, b"b", 0)
    sent(broker, topic, b"c", partition=0)
    assert values(broker, topic) == [b"a"]
    batches = read_to_end(broker, [topic], wait_for_transactions=True)
    found = [message.value() for message in next(batches)]
    assert found == [b"a"]
    producer.commit_transaction(30)
    assert [message.value() for batch in batches for message in batch] == [b"b", b"c"]


def test_what_is_aborted_is_not_read_and_the_end_is_reached(broker: str, topic: str) -> None:
    producer = open_transaction(broker, topic, b"x", 1)
    producer.abort_transaction(30)
    assert values(broker, topic, wait_for_transactions=True) == []


def test_where_records_were_deleted_the_oldest_left_is_the_first(broker: str, topic: str) -> None:
    sent(broker, topic, b"a", b"b", b"c", partition=0)
    client = admin_client(broker)
    for future in client.delete_records([TopicPartition(topic, 0, 2)]).values():
        future.result(10)
    assert values(broker, topic) == [b"c"]


def test_from_the_end_on_only_new_records_are_read(broker: str, topic: str) -> None:
    sent(broker, topic, b"old")
    reader = Reader(base_config(broker))
    reader.start_at_end(topic, range(2))
    assert reader.has_reached(reader.ends())
    sent(broker, topic, b"new")
    (batch,) = reader.read_until(reader.ends())
    assert [message.value() for message in batch] == [b"new"]
    reader.close()


def test_a_topic_that_is_not_there_is_an_error(broker: str, topic: str) -> None:
    with pytest.raises(TopicError, match=f"The topic {topic}-none does not exist"):
        values(broker, f"{topic}-none")


def test_one_record_is_written_and_its_offset_returned(broker: str, topic: str) -> None:
    offsets = {write(broker, topic, b"x" * size) for size in (1, 1_000)}
    assert len(values(broker, topic)) == 2
    assert offsets <= {0, 1}


def test_a_record_that_is_too_large_is_an_error_and_costs_no_other(broker: str, topic: str) -> None:
    producer = Producer(broker)
    with pytest.raises(TooLarge, match="found a record of 10,485,761 bytes, expected at most"):
        producer.send(topic, b"x" * (MAX_BYTES + 1))
    assert producer.send(topic, b"y")
    producer.flush()
    assert values(broker, topic) == [b"y"]


def test_after_a_record_failed_nothing_more_is_taken(broker: str, topic: str) -> None:
    producer = Producer(broker)
    assert producer.send(topic, b"a", partition=7)
    producer.flush()
    assert (producer.acknowledged, producer.failed) == (0, 1)
    assert not producer.send(topic, b"b")
    assert "artition" in str(producer.error)
    with pytest.raises(UserError, match=r"Nothing was written to no\.such\.topic: .+\."):
        write(broker, "no.such.topic", b"x")
