"""The topics of the engine: their names and settings, creating them and checking them.

Law: a command creates the topics before workers start; a worker checks them and changes none, but
for register, which creates the topics of new destinations.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from concurrent.futures import Future
from dataclasses import dataclass
from typing import TypeVar

from confluent_kafka import KafkaError, KafkaException
from confluent_kafka.admin import (
    AdminClient,
    AlterConfigOpType,
    ClusterMetadata,
    ConfigEntry,
    ConfigResource,
    NewTopic,
)

from agents.errors import BrokerUnavailable, TopicError
from agents.kafka.client import ANSWER_SECONDS, admin_client, cluster_metadata

CONFIG = "journeys.config"
CATALOG = "journeys.catalog"
EVENTS = "journeys.events"
USERS = "journeys.users"  # the changelog of evaluate
OUTCOMES = "journeys.outcomes"
DEAD = "journeys.dead"
_ACTIONS = "journeys.actions."
_DELIVERIES = "journeys.deliveries."

BROKER_DEFAULT = -1  # a replication factor: the broker's own default
_DAY_MS = 86_400_000
_MB = 1024 * 1024
_FOR_EVER = -1
_T = TypeVar("_T")


def actions(destination: str) -> str:
    """The topic of the actions for one destination."""
    return _ACTIONS + destination


def deliveries(destination: str) -> str:
    """The changelog of deliver for one destination."""
    return _DELIVERIES + destination


@dataclass(frozen=True)
class Topic:
    """How one topic must be.

    name: its name
    single: one partition, instead of as many as `journeys.events` has
    compacted: the last record of a key is kept for ever, instead of all records for some time
    retention_ms: least time that records are kept (-1: for ever)
    message_bytes: least size of the largest record batch
    """

    name: str
    single: bool = False
    compacted: bool = False
    retention_ms: int = _FOR_EVER
    message_bytes: int = _MB

    @property
    def settings(self) -> dict[str, str]:
        """The topic's configuration, as Kafka names it."""
        settings = {
            "cleanup.policy": "compact" if self.compacted else "delete",
            "message.timestamp.type": "LogAppendTime",
            "max.message.bytes": str(self.message_bytes),
        }
        if not self.compacted:
            settings["retention.ms"] = str(self.retention_ms)
            settings["retention.bytes"] = "-1"
        return settings


@dataclass(frozen=True)
class Layout:
    """What `check_topics` found.

    partitions: how many partitions `journeys.events` and its sister topics have
    destinations: those that have an actions topic, in order of name
    """

    partitions: int
    destinations: tuple[str, ...] = ()


TOPICS = (
    Topic(CONFIG, single=True, message_bytes=10 * _MB),
    Topic(CATALOG, single=True, compacted=True, message_bytes=16 * _MB),
    Topic(EVENTS, retention_ms=30 * _DAY_MS, message_bytes=10 * _MB),
    Topic(USERS, compacted=True, message_bytes=16 * _MB),
    Topic(OUTCOMES, retention_ms=30 * _DAY_MS, message_bytes=10 * _MB),
    Topic(DEAD, retention_ms=90 * _DAY_MS, message_bytes=16 * _MB),
)


def destination_topics(destination: str, longest_retry_ms: int = 0) -> tuple[Topic, Topic]:
    """The two topics of one destination; actions are kept a day longer than they are retried."""
    kept_ms = max(7 * _DAY_MS, longest_retry_ms + _DAY_MS)
    return (
        Topic(actions(destination), retention_ms=kept_ms, message_bytes=10 * _MB),
        Topic(deliveries(destination), compacted=True, message_bytes=16 * _MB),
    )


def create_topics(bootstrap: str, partitions: int, replication: int = BROKER_DEFAULT) -> list[str]:
    """Makes those topics that don't exist and leaves the others as they are.

    They are TOPICS, and both topics of every destination that has one for its actions.

    Args:
        bootstrap: bootstrap servers.
        partitions: of the events topic and those that must have as many.
        replication: replicas of each partition; the broker's default unless given.

    Returns:
        The names of the topics that were made.

    Raises:
        BrokerUnavailable: no broker answered within 10 s.
        TopicError: the events topic exists with another number of partitions, or the broker
            refused to make a topic.
    """
    client = admin_client(bootstrap)
    existing = _partition_counts(cluster_metadata(client, bootstrap))
    found = existing.get(EVENTS, partitions)
    if found != partitions:
        raise TopicError(
            f"{EVENTS} exists with {_partitions(found)}, {partitions} were asked for. The number "
            f"can't change once there are events: `journeys topics create --partitions {found}`."
        )
    topics = _all_topics(_destinations(existing))
    return _create(client, bootstrap, topics, existing, partitions, replication)


def create_destination_topics(
    bootstrap: str, destination: str, longest_retry_ms: int = 0
) -> list[str]:
    """Makes the topics of one destination, with the events topic's partitions and replicas.

    Where they exist, only the time that actions are kept is raised to what the retries need.

    Args:
        bootstrap: bootstrap servers.
        destination: the destination's name.
        longest_retry_ms: how long an action may be retried.

    Returns:
        The names of the topics that were made.

    Raises:
        BrokerUnavailable: no broker answered within 10 s.
        TopicError: there is no events topic, or the broker refused.
    """
    client = admin_client(bootstrap)
    metadata = cluster_metadata(client, bootstrap)
    existing = _partition_counts(metadata)
    if EVENTS not in existing:
        raise _missing(EVENTS, existing)
    replicas = len(metadata.topics[EVENTS].partitions[0].replicas)
    wanted = destination_topics(destination, longest_retry_ms)
    made = _create(client, bootstrap, wanted, existing, existing[EVENTS], replicas)
    if wanted[0].name not in made:
        _raise_retention(client, bootstrap, wanted[0])
    return made


def check_topics(bootstrap: str) -> Layout:
    """Checks that all topics are there and are as they must be.

    Raises:
        BrokerUnavailable: no broker answered within 10 s.
        TopicError: a topic is not; the message says what to do.
    """
    client = admin_client(bootstrap)
    existing = _partition_counts(cluster_metadata(client, bootstrap))
    destinations = _destinations(existing)
    topics = _all_topics(destinations)
    for topic in topics:
        if topic.name not in existing:
            raise _missing(topic.name, existing)
    for topic in topics:
        _check_partitions(topic, existing, bootstrap)
    configs = _read_settings(client, bootstrap, [topic.name for topic in topics])
    for topic in topics:
        _check_settings(topic, configs[topic.name], bootstrap)
    return Layout(existing[EVENTS], destinations)


def _destinations(existing: Iterable[str]) -> tuple[str, ...]:
    """The destinations that have an actions topic, in order of name."""
    return tuple(
        sorted(name.removeprefix(_ACTIONS) for name in existing if name.startswith(_ACTIONS))
    )


def _all_topics(destinations: Iterable[str]) -> list[Topic]:
    return [*TOPICS, *(topic for name in destinations for topic in destination_topics(name))]


def _missing(name: str, existing: dict[str, int]) -> TopicError:
    command = "journeys topics create"
    if EVENTS in existing:
        command += f" --partitions {existing[EVENTS]}"
    return TopicError(f"The topic {name} does not exist. `{command}` makes it.")


def _check_partitions(topic: Topic, existing: dict[str, int], bootstrap: str) -> None:
    found, expected = existing[topic.name], 1 if topic.single else existing[EVENTS]
    if found == expected:
        return
    why = "" if topic.single else f", as many as {EVENTS}"
    raise TopicError(
        f"The topic {topic.name} has {_partitions(found)}; it must have {expected}{why}. "
        "Stop the workers, delete the topic (what it holds is lost) and make it again: "
        f"`kafka-topics.sh --bootstrap-server {bootstrap} --delete --topic {topic.name}`, then "
        f"`journeys topics create --partitions {existing[EVENTS]}`."
    )


def _check_settings(topic: Topic, found: dict[str, str], bootstrap: str) -> None:
    wrong = {
        name: expected
        for name, expected in topic.settings.items()
        if not _SUFFICES.get(name, str.__eq__)(found[name], expected)
    }
    if not wrong:
        return
    differences = ", ".join(
        f"{name}={found[name]} (expected {_at_least(name, expected)}{expected})"
        for name, expected in wrong.items()
    )
    settings = ",".join(f"{name}={expected}" for name, expected in wrong.items())
    raise TopicError(
        f"The topic {topic.name} has {differences}. This fixes it: `kafka-configs.sh "
        f"--bootstrap-server {bootstrap} --alter --entity-type topics --entity-name {topic.name} "
        f"--add-config {settings}`."
    )


def _at_least(name: str, expected: str) -> str:
    return "at least " if name in _SUFFICES and expected != str(_FOR_EVER) else ""


def _kept_long_enough(found: str, expected: str) -> bool:
    for_ever = str(_FOR_EVER)
    return found == for_ever or (expected != for_ever and int(found) >= int(expected))


# Settings of which more is as good as what is expected; all others must be equal.
_SUFFICES: dict[str, Callable[[str, str], bool]] = {
    "retention.ms": _kept_long_enough,
    "max.message.bytes": lambda found, expected: int(found) >= int(expected),
}


def _raise_retention(client: AdminClient, bootstrap: str, topic: Topic) -> None:
    found = _read_settings(client, bootstrap, [topic.name])[topic.name]["retention.ms"]
    expected = str(topic.retention_ms)
    if _kept_long_enough(found, expected):
        return
    entry = ConfigEntry("retention.ms", expected, incremental_operation=AlterConfigOpType.SET)
    resource = ConfigResource(ConfigResource.Type.TOPIC, topic.name, incremental_configs=[entry])
    for future in client.incremental_alter_configs([resource]).values():
        _answer(future, bootstrap, f"set retention.ms of {topic.name}")


def _create(
    client: AdminClient,
    bootstrap: str,
    topics: Iterable[Topic],
    existing: dict[str, int],
    partitions: int,
    replication: int,
) -> list[str]:
    wanted = [
        NewTopic(
            topic.name,
            num_partitions=1 if topic.single else partitions,
            replication_factor=replication,
            config=topic.settings,
        )
        for topic in topics
        if topic.name not in existing
    ]
    if not wanted:
        return []
    made = []
    for name, future in client.create_topics(wanted).items():
        try:
            _answer(future, bootstrap, f"make the topic {name}")
        except TopicError as error:
            if not _is_already_there(error):
                raise
        else:
            made.append(name)
    _wait_until_visible(client, bootstrap, made)
    return made


def _wait_until_visible(client: AdminClient, bootstrap: str, names: list[str]) -> None:
    """Waits until the brokers know the new topics: some ms after the controller's answer."""
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
    """Whether another process made the topic after we listed them."""
    cause = error.__cause__
    return (
        isinstance(cause, KafkaException)
        and cause.args[0].code() == KafkaError.TOPIC_ALREADY_EXISTS
    )


def _read_settings(
    client: AdminClient, bootstrap: str, names: Iterable[str]
) -> dict[str, dict[str, str]]:
    resources = [ConfigResource(ConfigResource.Type.TOPIC, name) for name in names]
    found = {}
    for resource, future in client.describe_configs(resources).items():
        entries = _answer(future, bootstrap, f"read the settings of {resource.name}")
        found[resource.name] = {name: entry.value for name, entry in entries.items()}
    return found


def _answer(future: Future[_T], bootstrap: str, what: str) -> _T:
    """The broker's answer. Raises TopicError where it refuses, BrokerUnavailable without one."""
    try:
        return future.result(ANSWER_SECONDS)
    except TimeoutError:
        raise BrokerUnavailable(
            f"The Kafka broker at {bootstrap} did not {what} within {ANSWER_SECONDS:.0f} s."
        ) from None
    except KafkaException as error:
        raise TopicError(f"The broker did not {what}: {error.args[0].str()}.") from error


def _partition_counts(metadata: ClusterMetadata) -> dict[str, int]:
    return {name: len(topic.partitions) for name, topic in metadata.topics.items()}


def _partitions(number: int) -> str:
    return f"{number} partition" if number == 1 else f"{number} partitions"
