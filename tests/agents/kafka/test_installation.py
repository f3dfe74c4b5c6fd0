"""A topic that isn't the one that was recorded stops everything with one line, whatever happened to
it; and adopting is the way on, which says what it does."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from confluent_kafka import Consumer, TopicPartition
from confluent_kafka.admin import NewPartitions

from agents.errors import TopicError, UserError
from agents.kafka.adopting import adopt, plan_adoption
from agents.kafka.broker import log_ends
from agents.kafka.checking import check_topics
from agents.kafka.client import admin_client, admin_queries
from agents.kafka.creating import create_destination_topics, create_topics, make
from agents.kafka.embedded.broker import EmbeddedKafka
from agents.kafka.installation import TopicWatch, is_source, read_installation
from agents.kafka.produce import Producer
from agents.kafka.topics import (
    CATALOG,
    CONFIG,
    EVENTS,
    USERS,
    actions,
    all_topics,
    deliveries,
    logical,
)
from journeys.records.installation import Installation
from tables.changelog import POSITION_KEY, Position
from tests.loopback import delete_topics, no_journeys_topics

PARTITIONS = 2
TOPICS = {topic.name: topic for topic in all_topics(["mailer"])}
CHANGELOGS = {CATALOG: CONFIG, USERS: EVENTS, deliveries("mailer"): actions("mailer")}


@pytest.fixture(scope="module")
def bootstrap(kafka: EmbeddedKafka) -> Iterator[str]:
    """A broker with one installation, which every test leaves as whole as it found it."""
    with no_journeys_topics(kafka.bootstrap):
        create_topics(kafka.bootstrap, PARTITIONS)
        create_destination_topics(kafka.bootstrap, "mailer")
        fill(kafka.bootstrap, *TOPICS)
        yield kafka.bootstrap


def fill(bootstrap: str, *names: str) -> None:
    """Every partition gets three records."""
    producer = Producer(bootstrap)
    for name in names:
        for partition in range(1 if TOPICS[name].single else PARTITIONS):
            # A key that neither the catalog nor the account of the topics takes for one of its own.
            for value in (b"1", b"2", b"3"):
                producer.send(name, value, b"\x00of this test", partition=partition)
    producer.flush()
    assert producer.error is None


def delete(bootstrap: str, name: str) -> None:
    delete_topics(admin_client(bootstrap), name)


def make_again(bootstrap: str, name: str) -> None:
    delete(bootstrap, name)
    make(admin_client(bootstrap), bootstrap, [TOPICS[name]], {}, PARTITIONS, 1)


def make_again_and_fill(bootstrap: str, name: str) -> None:
    make_again(bootstrap, name)
    fill(bootstrap, name)


def add_partitions(bootstrap: str, name: str) -> None:
    client = admin_client(bootstrap)
    wanted = [NewPartitions(name, PARTITIONS + 2)]
    for future in client.create_partitions(wanted).values():
        future.result(10)
    while len(client.list_topics(name, timeout=10).topics[name].partitions) != PARTITIONS + 2:
        pass


FAULTS: dict[Callable[[str, str], None], str] = {
    delete: "is missing: what it held is gone",
    make_again: "was deleted and recreated: what it held is gone",
    make_again_and_fill: "was deleted and recreated: what it held is gone",
    add_partitions: f"has {PARTITIONS + 2} partitions instead of",
}


@pytest.mark.parametrize("name", TOPICS)
@pytest.mark.parametrize("fault", FAULTS)
def test_a_topic_that_changed_stops_the_start_and_what_runs(
    bootstrap: str, name: str, fault: Callable[[str, str], None]
) -> None:
    recorded = check_topics(bootstrap).installation
    watch = TopicWatch(bootstrap, recorded, settled=0)
    watch.look()
    fault(bootstrap, name)
    with pytest.raises(TopicError, match=FAULTS[fault]) as seen:
        watch.look()
    assert name in str(seen.value)
    assert "`journeys topics adopt`" in str(seen.value)
    with pytest.raises(TopicError) as told:
        check_topics(bootstrap)
    # What was deleted with the catalog is the record itself.
    assert (str(told.value) == str(seen.value)) is (name != CATALOG or fault is add_partitions)
    assert name in str(told.value)
    assert "`journeys topics adopt`" in str(told.value)
    with pytest.raises(TopicError):
        create_topics(bootstrap, PARTITIONS)  # nothing is made by the way
    if fault is add_partitions and is_source(name):
        with pytest.raises(TopicError, match="The number can't change"):
            plan_adoption(bootstrap, PARTITIONS)
        delete(bootstrap, name)
    steps = {step.topic.name: step for step in plan_adoption(bootstrap, PARTITIONS).steps}
    assert name in steps
    assert name == CATALOG or len(steps) == 1
    adopt(plan_adoption(bootstrap, PARTITIONS))
    now = check_topics(bootstrap).installation
    assert plan_adoption(bootstrap, PARTITIONS).steps == []
    if name != CATALOG:
        assert now.id == recorded.id
    if fault is not add_partitions:
        assert now.topics[logical(name)].id != recorded.topics[logical(name)].id
    if name in CHANGELOGS and name != CATALOG and fault in (delete, make_again):
        assert positions(bootstrap, name) == {
            partition: Position(end, topic_id=now.topics[logical(CHANGELOGS[name])].id)
            for partition, end in ends(bootstrap, CHANGELOGS[name]).items()
        }


def ends(bootstrap: str, name: str) -> dict[int, int]:
    return log_ends(admin_queries(bootstrap), [TopicPartition(name, n) for n in range(PARTITIONS)])


def positions(bootstrap: str, changelog: str) -> dict[int, Position]:
    """The position record of each partition."""
    consumer = Consumer({"bootstrap.servers": bootstrap, "group.id": "none", "log_level": 0})
    consumer.assign([TopicPartition(changelog, number, 0) for number in range(PARTITIONS)])
    found = {}
    while len(found) < PARTITIONS:
        message = consumer.poll(10)
        assert message is not None
        assert message.error() is None
        if message.key() == POSITION_KEY:
            found[message.partition()] = Position.unpack(message.value())
    consumer.close()
    return found


def test_what_an_older_version_made_is_recorded_once_that_is_agreed_to(bootstrap: str) -> None:
    make_again_and_fill(bootstrap, CATALOG)  # as it is where nothing was ever recorded
    with pytest.raises(TopicError, match="There is no record of this installation's topics"):
        check_topics(bootstrap)
    with pytest.raises(TopicError, match="There is no record of this installation's topics"):
        create_topics(bootstrap, PARTITIONS)
    plan = plan_adoption(bootstrap, PARTITIONS)
    assert {step.topic.name for step in plan.steps} == set(TOPICS)
    assert not any(step.missing or step.start_at for step in plan.steps)
    adopt(plan)
    assert check_topics(bootstrap).destinations == ("mailer",)


def test_a_new_destination_is_recorded_and_not_recreated(bootstrap: str) -> None:
    create_destination_topics(bootstrap, "crm")
    assert {"journeys.actions.crm", "journeys.deliveries.crm"} <= read(bootstrap).topics.keys()
    delete(bootstrap, deliveries("crm"))
    with pytest.raises(TopicError, match=r"journeys\.deliveries\.crm .* is missing"):
        create_destination_topics(bootstrap, "crm")
    adopt(plan_adoption(bootstrap, PARTITIONS))
    assert create_destination_topics(bootstrap, "crm") == []


def read(bootstrap: str) -> Installation:
    return read_installation(bootstrap)


def test_a_role_that_accepts_the_loss_goes_on_at_the_beginning_of_its_own_source_alone(
    bootstrap: str, capfd: pytest.CaptureFixture[str]
) -> None:
    before = check_topics(bootstrap).installation.topics[logical(EVENTS)]
    make_again(bootstrap, EVENTS)
    for role in ("register", "deliver"):
        with pytest.raises(TopicError, match="was deleted and recreated"):
            check_topics(bootstrap, accept_loss_of=role)
    layout = check_topics(bootstrap, accept_loss_of="evaluate")
    after = layout.installation.topics[logical(EVENTS)]
    assert (after.former[before.id], after.log) == ("start", after.id)
    assert f"{EVENTS} was deleted and recreated: evaluate continues" in capfd.readouterr().err
    assert check_topics(bootstrap).installation == layout.installation


@pytest.mark.parametrize(("same_offsets", "means"), [(False, "start"), (True, "same")])
def test_a_copy_of_the_events_keeps_positions_only_with_same_offsets(
    bootstrap: str, same_offsets: bool, means: str
) -> None:
    before = check_topics(bootstrap).installation.topics[logical(EVENTS)]
    make_again_and_fill(bootstrap, EVENTS)
    adopt(plan_adoption(bootstrap, PARTITIONS, same_offsets=same_offsets))
    after = check_topics(bootstrap).installation.topics[logical(EVENTS)]
    assert after.former == {**before.former, before.id: means}
    assert after.log == (before.log if same_offsets else after.id)


def test_nothing_is_adopted_beside_a_running_worker(bootstrap: str) -> None:
    member = Consumer({"bootstrap.servers": bootstrap, "group.id": "journeys-evaluate"})
    member.subscribe([EVENTS])
    while not member.assignment():
        member.poll(0.1)
    with pytest.raises(UserError, match="1 evaluate worker still running"):
        plan_adoption(bootstrap, PARTITIONS)
    member.close()
    assert plan_adoption(bootstrap, PARTITIONS).steps == []
