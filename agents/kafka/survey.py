"""The present state of an installation: its topics on the broker, and their record.

Law: a topic counts as missing only if the broker was asked for it by name: a list of all topics
omits those that this user may not see.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from agents.kafka.client import admin_client, cluster_metadata
from agents.kafka.describe import Described, describe
from agents.kafka.installation import as_found, read_installation
from agents.kafka.topics import CATALOG, Topic, all_topics, destinations_of, physical
from journeys.records.installation import Difference, Installation


@dataclass(frozen=True, slots=True)
class Survey:
    """The topics of an installation.

    brokers: how many the cluster has.
    topics: all that it should have, including those of every destination that exists or was
        recorded.
    found: the topics that exist, by name.
    """

    brokers: int
    topics: Sequence[Topic]
    found: Mapping[str, Described]
    recorded: Installation

    def differences(self) -> list[Difference]:
        """The recorded topics that have changed."""
        return self.recorded.differences(as_found(self.found))


def survey(bootstrap: str, *, wait_for_transactions: bool = False) -> Survey:
    """Surveys the installation.

    wait_for_transactions: wait for transactions that are open now, as the record may come after
        one.

    Raises:
        BrokerUnavailable: no broker answered within 10 s.
        TopicError: this user may not see a topic, or the record can't be read.
    """
    client = admin_client(bootstrap)
    metadata = cluster_metadata(client, bootstrap)
    listed = [topic.name for topic in all_topics(destinations_of(metadata.topics))]
    found = describe(client, bootstrap, listed)
    recorded = Installation()
    if CATALOG in found:
        recorded = read_installation(bootstrap, wait_for_transactions=wait_for_transactions)
    known = map(physical, recorded.topics)
    topics = all_topics(destinations_of({*metadata.topics, *known}))
    found |= describe(client, bootstrap, {topic.name for topic in topics} - set(listed))
    return Survey(len(metadata.brokers), topics, found, recorded)
