"""Creates the engine's topics, and records their ids.

Law: topics are created once, where that can't hide a loss: on a fresh installation, and for a new
destination. A recorded topic that is missing is not created here; `journeys topics adopt` does
that.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping

from confluent_kafka import KafkaError, KafkaException, TopicPartition
from confluent_kafka.admin import (
    AdminClient,
    AlterConfigOpType,
    ConfigEntry,
    ConfigResource,
    NewTopic,
)

from agents.errors import BrokerUnavailable, TopicError
from agents.kafka.broker import log_ends
from agents.kafka.client import ANSWER_SECONDS, admin_client, admin_queries, cluster_metadata
from agents.kafka.describe import Described, answer, describe, read_settings
from agents.kafka.fit import check_partitions, counted, kept_long_enough
from agents.kafka.installation import (
    as_found,
    differs,
    read_installation,
    record_installation,
    record_topics,
    recorded_as,
)
from agents.kafka.survey import survey
from agents.kafka.topics import (
    CATALOG,
    EVENTS,
    Topic,
    destination_topics,
    in_sync,
    logical,
)


def create_topics(bootstrap: str, partitions: int, replication: int | None = None) -> list[str]:
    """Creates the missing topics of a fresh installation, and records all of them.

    They are TOPICS, and both topics of every destination that has an actions topic. An installation
    is fresh if it has no record and none of its topics ever held a record.

    Args:
        bootstrap: bootstrap servers.
        partitions: of the events topic and those with the same number of partitions.
        replication: copies of each partition; by default three, or one per broker if there are
            fewer brokers.

    Returns:
        The names of the created topics. Raises: BrokerUnavailable: no broker answered within 10 s.
        TopicError: a recorded topic is missing or was recreated; topics hold records but are not
        recorded; the events topic exists with another number of partitions; or the broker refused
        to create a topic.
    """
    client, now = admin_client(bootstrap), survey(bootstrap)
    topics, found, recorded = now.topics, now.found, now.recorded
    for difference in now.differences():
        raise differs(difference)
    there = found[EVENTS].partitions if EVENTS in found else partitions
    if there != partitions:
        raise TopicError(
            f"{EVENTS} exists with {counted(there, 'partition')}, {partitions} were asked for. The "
            f"number can't change once there are events: "
            f"`journeys topics create --partitions {there}`."
        )
    if not recorded.is_recorded and (holding := _holding_something(bootstrap, found)):
        raise unrecorded(holding)
    for topic in topics:
        if topic.name in found:
            check_partitions(topic, found[topic.name].partitions, partitions, bootstrap)
    replicas = replication or default_replication(now.brokers)
    made = make(client, bootstrap, topics, found, partitions, replicas)
    exist = as_found(describe(client, bootstrap, [topic.name for topic in topics]))
    new = {name: recorded_as(one) for name, one in exist.items() if name not in recorded.topics}
    if not recorded.is_recorded:
        record_installation(bootstrap, new)
    elif new:
        record_topics(bootstrap, new)
    return made


def create_destination_topics(
    bootstrap: str, destination: str, longest_retry_ms: int = 0
) -> list[str]:
    """Creates the topics of one destination, with the events topic's partitions and replicas, and
    records them.

    If they exist, only the retention of actions is raised to what the retries need.

    Args:
        bootstrap: bootstrap servers.
        destination: the destination's name.
        longest_retry_ms: how long an action may be retried.

    Returns:
        The names of the topics that were made.

    Raises:
        BrokerUnavailable: no broker answered within 10 s.
        TopicError: there is no events topic, one of the two was recreated since it was recorded, or
            the broker refused.
        UserError: their record could not be written.
    """
    client = admin_client(bootstrap)
    wanted = destination_topics(destination, longest_retry_ms)
    names = [topic.name for topic in wanted]
    found = describe(client, bootstrap, [EVENTS, *names])
    if EVENTS not in found:
        raise missing(EVENTS)
    recorded = read_installation(bootstrap)
    ours = {logical(name) for name in names}
    for difference in recorded.differences(as_found(found)):
        if difference.topic in ours:
            raise differs(difference)
    events = found[EVENTS]
    made = make(client, bootstrap, wanted, found, events.partitions, events.replicas)
    if names[0] not in made:
        _raise_retention(client, bootstrap, wanted[0])
    if unknown := ours - recorded.topics.keys():
        now = as_found(describe(client, bootstrap, names))
        record_topics(bootstrap, {name: recorded_as(now[name]) for name in sorted(unknown)})
    return made


def default_replication(brokers: int) -> int:
    """The default number of copies: three, or one per broker if there are fewer brokers."""
    return max(1, min(3, brokers))


def missing(name: str) -> TopicError:
    """The error for a topic that never existed."""
    return TopicError(f"The topic {name} does not exist. `journeys topics create` makes it.")


def unrecorded(holding: str) -> TopicError:
    """The error for an installation that holds records but has no record of its topics."""
    return TopicError(
        f"There is no record of this installation's topics in {CATALOG}, and {holding} is not "
        "empty: an older version made it, or the catalog was deleted. `journeys topics adopt` "
        "shows what it would record, and asks."
    )


def make(
    client: AdminClient,
    bootstrap: str,
    topics: Iterable[Topic],
    existing: Mapping[str, object],
    partitions: int,
    replicas: int,
) -> list[str]:
    """Creates the topics that don't exist; returns their names.

    Raises:
        BrokerUnavailable: no broker answered within 10 s.
        TopicError: the broker refused.
    """
    extra = {"min.insync.replicas": str(in_sync(replicas))}
    wanted = [
        NewTopic(
            topic.name,
            num_partitions=1 if topic.single else partitions,
            replication_factor=replicas,
            config=topic.settings | extra,
        )
        for topic in topics
        if topic.name not in existing
    ]
    if not wanted:
        return []
    made = []
    for name, future in client.create_topics(wanted).items():
        try:
            answer(future, bootstrap, f"make the topic {name}", "Create", name)
        except TopicError as error:
            if not _is_already_there(error):
                raise
        else:
            made.append(name)
    _wait_until_visible(client, bootstrap, [topic.topic for topic in wanted])
    return made


def _holding_something(bootstrap: str, found: Mapping[str, Described]) -> str | None:
    """A topic to which anything was ever written, if there is one."""
    queries = admin_queries(bootstrap)
    for name, topic in found.items():
        places = [TopicPartition(name, number) for number in range(topic.partitions)]
        if any(log_ends(queries, places).values()):
            return name
    return None


def _raise_retention(client: AdminClient, bootstrap: str, topic: Topic) -> None:
    found = read_settings(client, bootstrap, [topic.name])[topic.name]["retention.ms"]
    expected = str(topic.retention_ms)
    if kept_long_enough(found, expected):
        return
    entry = ConfigEntry("retention.ms", expected, incremental_operation=AlterConfigOpType.SET)
    resource = ConfigResource(ConfigResource.Type.TOPIC, topic.name, incremental_configs=[entry])
    for future in client.incremental_alter_configs([resource]).values():
        what = f"set retention.ms of {topic.name}"
        answer(future, bootstrap, what, "AlterConfigs", topic.name)


def _wait_until_visible(client: AdminClient, bootstrap: str, names: list[str]) -> None:
    """Waits until the brokers know the new topics, a few ms after the controller's answer."""
    deadline = time.monotonic() + ANSWER_SECONDS
    while time.monotonic() < deadline:
        found = cluster_metadata(client, bootstrap).topics
        partitions = [list(found[name].partitions.values()) for name in names if name in found]
        ready = [all(one.leader >= 0 for one in those) for those in partitions if those]
        if len(ready) == len(names) and all(ready):
            return
        time.sleep(0.02)
    raise BrokerUnavailable(
        f"The Kafka broker at {bootstrap} does not show the new topics within "
        f"{ANSWER_SECONDS:.0f} s."
    )


def _is_already_there(error: TopicError) -> bool:
    """Whether another process created the topic after the listing."""
    cause = error.__cause__
    return (
        isinstance(cause, KafkaException)
        and cause.args[0].code() == KafkaError.TOPIC_ALREADY_EXISTS
    )
