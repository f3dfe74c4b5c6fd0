"""What the commands ask the broker before they begin: its absence is told within seconds."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from agents.errors import TopicError

if TYPE_CHECKING:
    from confluent_kafka import TopicPartition
    from confluent_kafka.admin import AdminClient

_SECONDS = 6.0  # for a person who waits at a terminal


def reach(broker: str) -> dict[str, int]:
    """The broker's topics and their partition counts. Raises BrokerUnavailable after 6 s."""
    from agents.kafka.client import admin_client, cluster_metadata

    metadata = cluster_metadata(admin_client(broker), broker, _SECONDS)
    return {name: len(topic.partitions) for name, topic in metadata.topics.items()}


def partitions_of(broker: str, topic: str) -> int:
    """How many partitions a topic has. Raises BrokerUnavailable, or TopicError where it is not."""
    found = reach(broker).get(topic)
    if found is None:
        raise TopicError(
            f"The topic {topic} does not exist at {broker}. `journeys topics create` makes it; "
            "so does `journeys up`."
        )
    return found


def committed_ends(client: AdminClient, partitions: list[TopicPartition]) -> dict[int, int]:
    """By partition of one topic, the offset after the last record that a reader can see now.

    Raises:
        BrokerUnavailable: the broker doesn't answer.
    """
    return _ends(client, partitions, committed=True)


def log_ends(client: AdminClient, partitions: list[TopicPartition]) -> dict[int, int]:
    """The same with what can't be seen yet: open transactions, and what is behind them."""
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
            return {one.partition: answer.result(_SECONDS).offset for one, answer in asked.items()}
        except (KafkaException, TimeoutError) as error:
            # Those who just came to lead a new topic's partitions don't know it for a moment, nor
            # that a topic of the same name was deleted before.
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
                    f"The broker does not tell where {partitions[0].topic} ends: {reason}"
                ) from None
            time.sleep(0.05)
