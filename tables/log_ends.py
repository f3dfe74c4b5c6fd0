"""Asks the broker for a topic's id, and for the first and last offsets of a partition.

Law: the end is the high watermark. A consumer of committed records gets the last stable offset
instead, and could not see that a transaction is still open.
"""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

from confluent_kafka import IsolationLevel, KafkaException, TopicCollection, TopicPartition
from confluent_kafka.admin import AdminClient, OffsetSpec

T = TypeVar("T")

_LIMIT_SECONDS = 30.0
_PAUSE_SECONDS = 0.1


@dataclass(frozen=True, slots=True)
class LogEnds:
    """first: offset of the first record that is kept. end: offset after the last one. topic_id:
    Kafka's, another one when a topic is made anew under its old name."""

    topic_id: str
    first: int
    end: int


def fetch_log_ends(client: Mapping[str, Any], topic: str, partition: int) -> LogEnds:
    """Asks the broker; blocks. client: librdkafka's base configuration.

    Raises KafkaException when there is no answer in time; a change of leaders is waited for.
    """
    admin = AdminClient(dict(client))
    where = TopicPartition(topic, partition)

    def topic_id() -> str:
        asked = admin.describe_topics(TopicCollection([topic]), request_timeout=_LIMIT_SECONDS)
        return str(asked[topic].result().topic_id)

    def offset(spec: OffsetSpec) -> int:
        asked = admin.list_offsets(
            {where: spec},
            isolation_level=IsolationLevel.READ_UNCOMMITTED,
            request_timeout=_LIMIT_SECONDS,
        )
        return int(asked[where].result().offset)

    return LogEnds(
        _retry(topic_id),
        _retry(lambda: offset(OffsetSpec.earliest())),
        _retry(lambda: offset(OffsetSpec.latest())),
    )


def _retry(ask: Callable[[], T]) -> T:
    limit = time.monotonic() + _LIMIT_SECONDS
    while True:
        try:
            return ask()
        except KafkaException:
            if time.monotonic() > limit:
                raise
            time.sleep(_PAUSE_SECONDS)
