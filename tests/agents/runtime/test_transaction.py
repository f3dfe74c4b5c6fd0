"""The effects of a batch are seen together or not at all, and only from the newest owner."""

import uuid
from collections.abc import Callable

import pytest
from confluent_kafka import Consumer, KafkaError, KafkaException, Message, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic

from agents.kafka.client import base_config
from agents.kafka.partitioner import partition_for
from agents.runtime import transaction
from agents.runtime.broker_clock import BrokerClock
from agents.runtime.transaction import Outputs, TransactionalProducer
from tables.changelog import POSITION_KEY, Position
from tables.store import Change


class Topics:
    def __init__(self, broker: str) -> None:
        self.client = base_config(broker)
        self.name = uuid.uuid4().hex[:8]
        self.changelog, self.out = f"log-{self.name}", f"out-{self.name}"
        admin = AdminClient(self.client)
        topics = [NewTopic(self.changelog, 2, 1), NewTopic(self.out, 3, 1)]
        for created in admin.create_topics(topics).values():
            created.result()

    def owner(self, fenced: bool = True) -> TransactionalProducer:
        producer = TransactionalProducer(
            self.client, f"app-{self.name}", self.changelog, 1, BrokerClock()
        )
        if fenced:
            producer.fence()
        return producer

    def read(self, topic: str, isolation: str = "read_committed") -> list[Message]:
        consumer = Consumer(
            {
                **self.client,
                "group.id": uuid.uuid4().hex,
                "isolation.level": isolation,
                "enable.partition.eof": True,
                "fetch.wait.max.ms": 10,
                "enable.auto.commit": False,
            }
        )
        count = 2 if topic == self.changelog else 3
        consumer.assign([TopicPartition(topic, partition, 0) for partition in range(count)])
        found, ended = [], 0
        while ended < count:
            for message in consumer.consume(100, 0.02):
                if message.error() is None:
                    found.append(message)
                else:
                    assert message.error().code() == KafkaError._PARTITION_EOF
                    ended += 1
        consumer.close()
        return found


@pytest.fixture
def topics(broker: str) -> Topics:
    return Topics(broker)


def batch(topics: Topics, number: int = 1) -> tuple[Outputs, list[Change], Position]:
    outputs = Outputs.none()
    outputs.add(topics.out, 2, b"k", b"plain %d" % number)
    outputs.add(topics.out, 0, b"k", b"headed %d" % number, [("kind", b"x")])
    return outputs, [Change(b"user", b"record %d" % number, None, None)], Position(number, 9)


def test_a_batch_is_in_its_topics_and_its_changelog_partition(topics: Topics) -> None:
    producer = topics.owner()
    assert producer.commit(*batch(topics)) == 2
    assert producer.commit(*batch(topics, 2)) == 5  # past the first batch's control record
    out = sorted((m.partition(), m.value(), m.headers()) for m in topics.read(topics.out))
    assert out == [
        (0, b"headed 1", [("kind", b"x")]),
        (0, b"headed 2", [("kind", b"x")]),
        (2, b"plain 1", None),
        (2, b"plain 2", None),
    ]
    log = [(m.partition(), m.key(), m.value()) for m in topics.read(topics.changelog)]
    assert log == [
        (1, b"user", b"record 1"),
        (1, POSITION_KEY, Position(1, 9).pack()),
        (1, b"user", b"record 2"),
        (1, POSITION_KEY, Position(2, 9).pack()),
    ]


def test_without_a_partition_the_key_decides_as_in_every_kafka_client(topics: Topics) -> None:
    outputs = Outputs.none()
    keys = [b"user-%d" % number for number in range(30)]
    for number, key in enumerate(keys):
        outputs.add(topics.out, None, key, b"v", [("h", b"1")] if number % 2 else None)
    topics.owner().commit(outputs, [], Position(1))
    found = {m.key(): m.partition() for m in topics.read(topics.out)}
    assert found == {key: partition_for(key, 3) for key in keys}


def test_nothing_is_seen_before_the_commit(topics: Topics) -> None:
    class Looks(TransactionalProducer):
        def end(self) -> None:
            assert self._producer.flush(10) == 0
            assert topics.read(topics.out) == []
            assert topics.read(topics.changelog) == []
            assert len(topics.read(topics.out, "read_uncommitted")) == 2
            super().end()

    producer = Looks(topics.client, f"app-{topics.name}", topics.changelog, 1, BrokerClock())
    producer.fence()
    producer.commit(*batch(topics))
    assert len(topics.read(topics.out)) == 2


@pytest.mark.parametrize("point", ["before", "begun", "produced"])
def test_a_fenced_owner_can_not_commit(topics: Topics, point: str) -> None:
    newer: list[TransactionalProducer] = []

    class Slow(TransactionalProducer):
        def begin(self) -> None:
            super().begin()
            if point == "begun":
                newer.append(topics.owner())

        def end(self) -> None:
            if point == "produced":
                assert self._producer.flush(10) == 0
                newer.append(topics.owner())
            super().end()

    older = Slow(topics.client, f"app-{topics.name}", topics.changelog, 1, BrokerClock())
    older.fence()
    if point == "before":
        newer.append(topics.owner())
    with pytest.raises(KafkaException) as refused:
        older.commit(*batch(topics))
    assert not refused.value.args[0].retriable()
    newer[0].commit(*batch(topics, 2))
    assert sorted(m.value() for m in topics.read(topics.out)) == [b"headed 2", b"plain 2"]
    with pytest.raises(KafkaException):
        older.commit(*batch(topics, 3))
    assert len(topics.read(topics.out)) == 2


def test_a_commit_that_takes_too_long_is_repeated(
    topics: Topics, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(transaction, "_COMMIT_ATTEMPT_SECONDS", 0.001)
    producer = topics.owner()
    for number in range(1, 6):
        producer.commit(*batch(topics, number))
    assert len(topics.read(topics.out)) == 10
    assert len(topics.read(topics.changelog)) == 10


def kafka_error(retriable: bool) -> KafkaException:
    return KafkaException(KafkaError(KafkaError._TIMED_OUT, "late", False, retriable, False))


def failing(times: int, error: Exception) -> Callable[[], None]:
    left = [error] * times
    return lambda: left.pop() and _raise(error) if left else None


def _raise(error: Exception) -> None:
    raise error


def test_only_what_may_pass_is_repeated_and_not_for_ever() -> None:
    transaction._retried(failing(3, kafka_error(True)), 10)
    with pytest.raises(KafkaException):
        transaction._retried(failing(1, kafka_error(False)), 10)
    with pytest.raises(KafkaException):
        transaction._retried(failing(1_000, kafka_error(True)), 0.2)


def test_a_refused_message_takes_the_whole_batch_with_it(topics: Topics) -> None:
    producer = topics.owner()
    outputs, changes, position = batch(topics)
    outputs.add(topics.out, 1, b"k", bytes(transaction.MAX_MESSAGE_BYTES + 1))
    with pytest.raises(KafkaException):
        producer.commit(outputs, changes, position)
    topics.owner()
    assert topics.read(topics.out) == []
    assert topics.read(topics.changelog) == []
