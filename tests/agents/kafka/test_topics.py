"""The engine's topics: created once, and a wrong topic is reported with its remedy."""

from __future__ import annotations

import pytest
from confluent_kafka.admin import ConfigResource, NewTopic

from agents.errors import BrokerUnavailable, TopicError
from agents.kafka.checking import Layout, check_topics
from agents.kafka.client import admin_client, cluster_metadata
from agents.kafka.creating import create_destination_topics, create_topics, default_replication
from agents.kafka.embedded.broker import EmbeddedKafka
from agents.kafka.topics import (
    CATALOG,
    CONFIG,
    DEAD,
    EVENTS,
    OUTCOMES,
    TOPICS,
    USERS,
    actions,
    deliveries,
    in_sync,
)

DAY_MS = 86_400_000


@pytest.fixture
def bootstrap(empty_kafka: EmbeddedKafka) -> str:
    """The address of a broker without topics."""
    return empty_kafka.bootstrap


def make(bootstrap: str, name: str, partitions: int, **settings: str) -> None:
    """Makes a topic; settings are Kafka's with `_` for dots, over those it should have."""
    client = admin_client(bootstrap)
    config = next(topic.settings for topic in TOPICS if topic.name == name)
    config |= {key.replace("_", "."): value for key, value in settings.items()}
    new = NewTopic(name, num_partitions=partitions, replication_factor=1, config=config)
    for future in client.create_topics([new]).values():
        future.result(10)
    shown = client.list_topics(timeout=10)
    while name not in shown.topics:  # some ms after the controller's answer
        shown = client.list_topics(timeout=10)


def settings_of(bootstrap: str, name: str) -> dict[str, str]:
    resource = ConfigResource(ConfigResource.Type.TOPIC, name)
    client = admin_client(bootstrap)  # its futures end with it
    (future,) = client.describe_configs([resource]).values()
    return {key: entry.value for key, entry in future.result(10).items()}


def test_topics_are_made_once_and_then_pass_the_check(bootstrap: str) -> None:
    names = {CONFIG, CATALOG, EVENTS, USERS, OUTCOMES, DEAD}
    assert set(create_topics(bootstrap, partitions=3, replication=1)) == names
    assert create_topics(bootstrap, partitions=3, replication=1) == []
    assert check_topics(bootstrap) == Layout(partitions=3, destinations=())
    found = cluster_metadata(admin_client(bootstrap), bootstrap).topics
    assert {name: len(found[name].partitions) for name in names} == {
        CONFIG: 1, CATALOG: 1, EVENTS: 3, USERS: 3, OUTCOMES: 3, DEAD: 3,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("name", "policy", "retention_days", "megabytes"),
    [
        (CONFIG, "delete", None, 10),
        (CATALOG, "compact", None, 16),
        (EVENTS, "delete", 30, 10),
        (USERS, "compact", None, 16),
        (OUTCOMES, "delete", 30, 10),
        (DEAD, "delete", 90, 16),
        (actions("mailer"), "delete", 7, 10),
        (deliveries("mailer"), "compact", None, 16),
    ],
)
def test_each_topic_keeps_what_it_must(
    bootstrap: str, name: str, policy: str, retention_days: int | None, megabytes: int
) -> None:
    create_topics(bootstrap, partitions=1)
    create_destination_topics(bootstrap, "mailer")
    settings = settings_of(bootstrap, name)
    assert settings["cleanup.policy"] == policy
    assert settings["message.timestamp.type"] == "LogAppendTime"
    assert settings["max.message.bytes"] == str(megabytes * 1024 * 1024)
    kept = -1 if retention_days is None else retention_days * DAY_MS
    assert policy == "compact" or settings["retention.ms"] == str(kept)


def test_a_destination_gets_as_many_partitions_as_the_events(bootstrap: str) -> None:
    create_topics(bootstrap, partitions=5)
    made = create_destination_topics(bootstrap, "mailer")
    assert set(made) == {"journeys.actions.mailer", "journeys.deliveries.mailer"}
    assert create_destination_topics(bootstrap, "mailer") == []
    create_destination_topics(bootstrap, "crm")
    assert check_topics(bootstrap) == Layout(partitions=5, destinations=("crm", "mailer"))
    found = cluster_metadata(admin_client(bootstrap), bootstrap).topics
    assert {len(found[name].partitions) for name in made} == {5}


def test_actions_are_kept_longer_than_they_are_retried(bootstrap: str) -> None:
    create_topics(bootstrap, partitions=1)
    create_destination_topics(bootstrap, "mailer")
    create_destination_topics(bootstrap, "mailer", longest_retry_ms=10 * DAY_MS)
    assert settings_of(bootstrap, actions("mailer"))["retention.ms"] == str(11 * DAY_MS)
    create_destination_topics(bootstrap, "mailer")
    assert settings_of(bootstrap, actions("mailer"))["retention.ms"] == str(11 * DAY_MS)


def test_a_destination_needs_the_events_topic(bootstrap: str) -> None:
    with pytest.raises(TopicError, match=r"The topic journeys\.events does not exist"):
        create_destination_topics(bootstrap, "mailer")


def test_a_missing_topic_is_named_with_the_command_that_makes_it(bootstrap: str) -> None:
    with pytest.raises(TopicError) as told:
        check_topics(bootstrap)
    assert str(told.value) == (
        "The topic journeys.config does not exist. `journeys topics create` makes it."
    )


@pytest.mark.parametrize("name", [USERS, OUTCOMES, DEAD])
def test_topics_must_have_as_many_partitions_as_the_events(bootstrap: str, name: str) -> None:
    make(bootstrap, name, partitions=2)
    with pytest.raises(TopicError) as told:
        create_topics(bootstrap, partitions=3)
    assert str(told.value) == (
        f"The topic {name} has 2 partitions; it must have 3, as many as journeys.events. "
        "Stop the workers, delete the topic (what it holds is lost) and recreate it: "
        f"`kafka-topics.sh --bootstrap-server {bootstrap} --delete --topic {name}`, then "
        "`journeys topics adopt`."
    )


def test_the_configuration_must_have_one_partition(bootstrap: str) -> None:
    make(bootstrap, CONFIG, partitions=2)
    with pytest.raises(TopicError, match=r"journeys\.config has 2 partitions; it must have 1\. "):
        create_topics(bootstrap, partitions=2)


@pytest.mark.parametrize(
    ("name", "settings", "found"),
    [
        (USERS, {"cleanup_policy": "delete"}, "cleanup.policy=delete (expected compact)"),
        (
            EVENTS,
            {"message_timestamp_type": "CreateTime"},
            "message.timestamp.type=CreateTime (expected LogAppendTime)",
        ),
        (CONFIG, {"retention_ms": "1000"}, "retention.ms=1000 (expected -1)"),
        (
            USERS,
            {"unclean_leader_election_enable": "true"},
            "unclean.leader.election.enable=true (expected false)",
        ),
        (
            DEAD,
            {"min_insync_replicas": "2"},
            "min.insync.replicas=2 (expected at least 1)",
        ),
        (
            OUTCOMES,
            {"retention_ms": "1000", "max_message_bytes": "2000"},
            "max.message.bytes=2000 (expected at least 10485760), "
            "retention.ms=1000 (expected at least 2592000000)",
        ),
    ],
)
def test_a_wrong_setting_is_reported_with_the_command_that_mends_it(
    bootstrap: str, name: str, settings: dict[str, str], found: str
) -> None:
    make(bootstrap, name, partitions=1, **settings)
    create_topics(bootstrap, partitions=1)
    with pytest.raises(TopicError) as told:
        check_topics(bootstrap)
    assert str(told.value).startswith(f"The topic {name} has {found}. This fixes it: ")
    assert f"--bootstrap-server {bootstrap} --alter --entity-type topics" in str(told.value)


def test_keeping_more_than_needed_is_no_error(bootstrap: str) -> None:
    make(bootstrap, EVENTS, partitions=1, retention_ms="-1", max_message_bytes="99999999")
    make(bootstrap, DEAD, partitions=1, retention_ms=str(365 * DAY_MS))
    create_topics(bootstrap, partitions=1)
    assert check_topics(bootstrap).partitions == 1


def test_events_never_change_their_number_of_partitions(bootstrap: str) -> None:
    create_topics(bootstrap, partitions=2)
    with pytest.raises(TopicError) as told:
        create_topics(bootstrap, partitions=4)
    assert str(told.value) == (
        "journeys.events exists with 2 partitions, 4 were asked for. The number can't change "
        "once there are events: `journeys topics create --partitions 2`."
    )


def test_what_the_broker_refuses_is_reported(bootstrap: str) -> None:
    with pytest.raises(TopicError, match="The broker did not make the topic journeys"):
        create_topics(bootstrap, partitions=1, replication=3)


def test_without_a_broker_the_check_says_so() -> None:
    with pytest.raises(BrokerUnavailable, match=r"No Kafka broker answered at 127\.0\.0\.1:1 "):
        check_topics("127.0.0.1:1")


def test_single_copies_are_reported_and_too_few_are_an_error(bootstrap: str) -> None:
    create_topics(bootstrap, partitions=1)
    assert (check_topics(bootstrap).warning or "").startswith("All topics have a single copy")
    with pytest.raises(TopicError, match=r"has 1 replica; JOURNEYS_REPLICATION asks for 3"):
        check_topics(bootstrap, replication=3)


@pytest.mark.parametrize(
    ("brokers", "copies", "acknowledging"), [(1, 1, 1), (2, 2, 1), (3, 3, 2), (9, 3, 2)]
)
def test_there_are_three_copies_where_there_are_three_brokers(
    brokers: int, copies: int, acknowledging: int
) -> None:
    assert default_replication(brokers) == copies
    assert in_sync(copies) == acknowledging
