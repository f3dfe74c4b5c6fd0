"""What commands and readers ask the broker; they report its absence within seconds."""

from __future__ import annotations

import time
from collections.abc import Iterable
from typing import TYPE_CHECKING

from agents.errors import TopicError

if TYPE_CHECKING:
    from confluent_kafka import TopicPartition
    from confluent_kafka.admin import AdminClient

_SECONDS = 6.0  # a person waits at a terminal


def reach(broker: str) -> dict[str, int]:
    """The broker's topics and their partition counts. Raises BrokerUnavailable after 6 s."""
    from agents.kafka.client import admin_client, cluster_metadata

    metadata = cluster_metadata(admin_client(broker), broker, _SECONDS)
    return {name: len(topic.partitions) for name, topic in metadata.topics.items()}


def partition_counts(broker: str, topics: Iterable[str]) -> dict[str, int]:
    """How many partitions each of some topics has, in their order.

    Raises:
        BrokerUnavailable: no broker answers.
        TopicError: a topic does not exist.
    """
    found = reach(broker)
    counts = {}
    for topic in topics:
        if topic not in found:
            raise TopicError(
                f"The topic {topic} does not exist at {broker}. `journeys topics create` makes it; "
                "so does `journeys up`."
            )
        counts[topic] = found[topic]
    return counts


def partitions_of(broker: str, topic: str) -> int:
    """How many partitions a topic has. Raises as `partition_counts` does."""
    return partition_counts(broker, [topic])[topic]


def committed_ends(client: AdminClient, partitions: list[TopicPartition]) -> dict[int, int]:
    """Where partitions of one topic end for readers: by partition, the offset after the last record
    that is committed and stands before every open transaction.

    Raises:
        BrokerUnavailable: the broker doesn't answer.
    """
    return _ends(client, partitions, committed=True)


def log_ends(client: AdminClient, partitions: list[TopicPartition]) -> dict[int, int]:
    """The same with open transactions, and what stands behind them."""
    return _ends(client, partitions, committed=False)


def _ends(
    client: AdminClient, partitions: list[TopicPartition], *, committed: bool
) -> dict[int, int]:
    from confluent_kafka import IsolationLevel, KafkaError, KafkaException
    from confluent_kafka.admin import OffsetSpec

    from agents.errors import BrokerUnavailable

    level = IsolationLevel.READ_COMMITTED if committed else IsolationLevel.READ_UNCOMMITTED
    deadline = time.monotonic() + _SECONDS
    while True:
        asked = client.list_offsets(
            dict.fromkeys(partitions, OffsetSpec.latest()),
            isolation_level=level,
            request_timeout=_SECONDS,
        )
        try:
            return {one.partition: found.result(_SECONDS).offset for one, found in asked.items()}
        except (KafkaException, TimeoutError) as error:
            # For a moment the leaders of a new topic's partitions don't know of it, or still know a
            # deleted topic of the same name.
            passing = isinstance(error, KafkaException) and error.args[0].code() in (
                KafkaError.NOT_LEADER_FOR_PARTITION,
                KafkaError.LEADER_NOT_AVAILABLE,
                KafkaError.UNKNOWN_TOPIC_OR_PART,
                KafkaError.FENCED_LEADER_EPOCH,
                KafkaError.UNKNOWN_LEADER_EPOCH,
            )
            if not passing or time.monotonic() > deadline:
                reason = error.args[0].str() if isinstance(error, KafkaException) else "time-out"
                raise BrokerUnavailable(
                    f"The broker does not say where {partitions[0].topic} ends: {reason}"
                ) from None
            time.sleep(0.05)
