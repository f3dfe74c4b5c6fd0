"""Queries of commands and readers to the broker; its absence is reported within seconds."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from agents.errors import TopicError

if TYPE_CHECKING:
    from confluent_kafka import TopicPartition
    from confluent_kafka.admin import AdminClient

    from tables.admin_queries import AdminQueries

_SECONDS = 6.0  # a person waits at a terminal


def reach(broker: str) -> dict[str, int]:
    """The topics that the broker shows this user, and their partition counts.

    Raises:
        BrokerUnavailable: no broker answered within 6 s.
    """
    from agents.kafka.client import admin_client, cluster_metadata

    metadata = cluster_metadata(admin_client(broker), broker, _SECONDS)
    return {name: len(topic.partitions) for name, topic in metadata.topics.items()}


def partition_counts(broker: str, topics: Iterable[str]) -> dict[str, int]:
    """How many partitions each of some topics has, in their order.

    Raises:
        BrokerUnavailable: no broker answers.
        TopicError: a topic does not exist, or this user may not see it.
    """
    from agents.kafka.client import admin_client, cluster_metadata
    from agents.kafka.describe import describe

    client, wanted = admin_client(broker), list(topics)
    cluster_metadata(client, broker, _SECONDS)  # its error explains best why there is no answer
    found = describe(client, broker, wanted, _SECONDS)
    for topic in wanted:
        if topic not in found:
            raise TopicError(
                f"The topic {topic} does not exist at {broker}. `journeys topics check` shows what "
                "to do."
            )
    return {topic: found[topic].partitions for topic in wanted}


def partitions_of(broker: str, topic: str) -> int:
    """How many partitions a topic has. Raises like `partition_counts`."""
    return partition_counts(broker, [topic])[topic]


def committed_ends(queries: AdminQueries, partitions: list[TopicPartition]) -> dict[int, int]:
    """The ends of one topic's partitions for readers: by partition, the offset after the last
    committed record before any open transaction.

    Raises:
        BrokerUnavailable: the broker doesn't answer.
    """
    return _ends(queries, partitions, committed=True)


def log_ends(queries: AdminQueries, partitions: list[TopicPartition]) -> dict[int, int]:
    """The same, including open transactions and the records after them."""
    return _ends(queries, partitions, committed=False)


def _ends(
    queries: AdminQueries, partitions: list[TopicPartition], *, committed: bool
) -> dict[int, int]:
    from confluent_kafka import IsolationLevel, KafkaException
    from confluent_kafka.admin import OffsetSpec

    from agents.errors import BrokerUnavailable

    level = IsolationLevel.READ_COMMITTED if committed else IsolationLevel.READ_UNCOMMITTED

    def ends(client: AdminClient) -> dict[int, int]:
        asked = client.list_offsets(
            dict.fromkeys(partitions, OffsetSpec.latest()),
            isolation_level=level,
            request_timeout=_SECONDS,
        )
        return {one.partition: found.result(_SECONDS).offset for one, found in asked.items()}

    try:
        return queries.run_with_retry(_SECONDS, ends)
    except (KafkaException, TimeoutError) as error:
        reason = error.args[0].str() if isinstance(error, KafkaException) else "time-out"
        raise BrokerUnavailable(
            f"The broker does not say where {partitions[0].topic} ends: {reason}"
        ) from None
