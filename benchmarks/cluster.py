"""The Kafka broker of a benchmark: creating topics, writing input and reading results.

Law: every measurement starts on empty topics; nothing of an earlier one is left.
"""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping

from confluent_kafka import Consumer, KafkaError, KafkaException, Message, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic, OffsetSpec

from agents.kafka.embedded.broker import EmbeddedKafka
from benchmarks.input import Record

_ANSWER_SECONDS = 20.0
_GONE_SECONDS = 30.0
_QUEUED = 100_000
_STARTING = (KafkaError.NOT_LEADER_FOR_PARTITION, KafkaError.UNKNOWN_TOPIC_OR_PART)


class Cluster:
    """One embedded broker; a context manager."""

    def __init__(self) -> None:
        self._kafka = EmbeddedKafka()

    def __enter__(self) -> Cluster:
        self._kafka.start()
        self.bootstrap = self._kafka.bootstrap
        self.client = {"bootstrap.servers": self.bootstrap, "log_level": 0}
        self._admin = AdminClient(self.client)
        return self

    def __exit__(self, *exc: object) -> None:
        self._kafka.stop()

    @property
    def pid(self) -> int:
        """The process id of the broker."""
        return self._kafka.pid

    def topics(self, chosen: Callable[[str], bool]) -> list[str]:
        """The names of the selected topics, in order."""
        return sorted(filter(chosen, self._admin.list_topics(timeout=_ANSWER_SECONDS).topics))

    def create(self, name: str, partitions: int, config: Mapping[str, str] | None = None) -> None:
        topic = NewTopic(name, partitions, 1, config=dict(config or {}))
        self._admin.create_topics([topic])[name].result()

    def delete(self, chosen: Callable[[str], bool], groups: Collection[str] = ()) -> None:
        """Delete topics and consumer groups; returns when the topics are deleted."""
        names = self.topics(chosen)
        if names:
            for future in self._admin.delete_topics(names).values():
                future.result()
        if groups:
            for future in self._admin.delete_consumer_groups(list(groups)).values():
                if isinstance(error := future.exception(), KafkaException):
                    # A group that never committed doesn't exist any more; that of a killed worker
                    # expires by itself.
                    assert error.args[0].code() in (
                        KafkaError.GROUP_ID_NOT_FOUND,
                        KafkaError.NON_EMPTY_GROUP,
                    ), error
        deadline = time.monotonic() + _GONE_SECONDS
        while self.topics(chosen):
            if time.monotonic() > deadline:
                raise RuntimeError(f"topics are still there: {names}")
            time.sleep(0.05)

    def load(self, topic: str, records: Iterable[Record]) -> int:
        """Write records in order; returns their number."""
        producer = Producer({**self.client, "linger.ms": 20, "batch.size": 200_000, "acks": "all"})
        count = 0
        for count, (partition, key, value) in enumerate(records, 1):
            producer.produce(topic, value, key, partition)
            if count % 1_000 == 0:
                producer.poll(0)
                while len(producer) > _QUEUED // 2:
                    producer.poll(0.01)
        if left := producer.flush(120):
            raise RuntimeError(f"{left} records did not reach {topic}")
        return count

    def consumer(self, more: Mapping[str, object] | None = None) -> Consumer:
        """A consumer without a group that reads committed records."""
        settings = {
            **self.client,
            "group.id": f"reader-{uuid.uuid4().hex}",
            "enable.auto.commit": False,
            "auto.offset.reset": "earliest",
            "isolation.level": "read_committed",
            "fetch.wait.max.ms": 100,
            "fetch.queue.backoff.ms": 20,
        }
        return Consumer({**settings, **(more or {})})

    def partitions(self, topic: str) -> int:
        return len(self._admin.list_topics(topic, _ANSWER_SECONDS).topics[topic].partitions)

    def read(self, topic: str, starts: Mapping[int, int] | None = None) -> Iterator[Message]:
        """All records of a topic that are readable now, from `starts` (offset by partition)."""
        consumer = self.consumer(
            {"enable.partition.eof": True, "queued.max.messages.kbytes": 32768}
        )
        left = set(range(self.partitions(topic)))
        offsets = starts or {}
        consumer.assign([TopicPartition(topic, one, offsets.get(one, 0)) for one in left])
        try:
            while left:
                for message in consumer.consume(10_000, 0.1):
                    error = message.error()
                    if error is None:
                        yield message
                    elif error.code() == KafkaError._PARTITION_EOF:
                        left.discard(message.partition())
                    else:
                        raise KafkaException(error)
        finally:
            consumer.close()

    def ends(self, topic: str) -> dict[int, int]:
        """The offset after the last record, by partition."""
        wanted = {
            TopicPartition(topic, one): OffsetSpec.latest() for one in range(self.partitions(topic))
        }
        deadline = time.monotonic() + _ANSWER_SECONDS
        while True:
            found = self._admin.list_offsets(wanted, request_timeout=_ANSWER_SECONDS)
            try:
                return {where.partition: future.result().offset for where, future in found.items()}
            except KafkaException as error:
                # The broker lists a new topic before it can serve it.
                if not error.args[0].retriable() and error.args[0].code() not in _STARTING:
                    raise
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.02)
