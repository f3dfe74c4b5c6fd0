"""Asks the broker for a topic's id, and for the first and last offsets of a partition.

Law: the end is the high watermark. A consumer of committed records would get the last stable offset
instead, which hides that a transaction is still open.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from confluent_kafka import IsolationLevel, TopicCollection, TopicPartition
from confluent_kafka.admin import AdminClient, OffsetSpec

from tables.admin_queries import AdminQueries

_LIMIT_SECONDS = 30.0
_ANSWER_SECONDS = 10.0


@dataclass(frozen=True, slots=True)
class LogEnds:
    """first: offset of the first record that is kept. end: offset after the last one. topic_id:
    Kafka's id, which changes if a topic is recreated under its old name."""

    topic_id: str
    first: int
    end: int


def fetch_log_ends(client: Mapping[str, Any], topic: str, partition: int) -> LogEnds:
    """Asks the broker; blocks. client: librdkafka's base configuration.

    Raises KafkaException if there is no answer in time; it waits for changes of leaders.
    """
    where = TopicPartition(topic, partition)

    def topic_id(admin: AdminClient) -> str:
        asked = admin.describe_topics(TopicCollection([topic]), request_timeout=_ANSWER_SECONDS)
        return str(asked[topic].result().topic_id)

    def offset(admin: AdminClient, spec: OffsetSpec) -> int:
        asked = admin.list_offsets(
            {where: spec},
            isolation_level=IsolationLevel.READ_UNCOMMITTED,
            request_timeout=_ANSWER_SECONDS,
        )
        return int(asked[where].result().offset)

    queries = AdminQueries(lambda: AdminClient(dict(client)))
    first = queries.run_with_retry(
        _LIMIT_SECONDS, lambda admin: offset(admin, OffsetSpec.earliest())
    )
    end = queries.run_with_retry(_LIMIT_SECONDS, lambda admin: offset(admin, OffsetSpec.latest()))
    # The id is read last, so that offsets of a topic that was recreated meanwhile are not taken
    # for those of the old one.
    return LogEnds(queries.run_with_retry(_LIMIT_SECONDS, topic_id), first, end)
