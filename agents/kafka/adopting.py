"""What `journeys topics adopt` does: recreates missing topics, determines where each role
continues, and records the topics as they are now.

Law: every change is shown and confirmed first, and no worker runs meanwhile. Lost records stay
lost; work that was done is not repeated unless the user asks for it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from confluent_kafka import KafkaException, TopicPartition

from agents.errors import BrokerUnavailable, TopicError, UserError
from agents.kafka.broker import log_ends
from agents.kafka.client import admin_client, admin_queries, cluster_metadata
from agents.kafka.creating import default_replication, make
from agents.kafka.describe import Described, describe
from agents.kafka.fit import check_partitions, counted
from agents.kafka.installation import (
    as_found,
    differs,
    is_source,
    reader_of,
    record_installation,
    record_topics,
)
from agents.kafka.produce import Producer
from agents.kafka.survey import survey
from agents.kafka.topics import (
    CATALOG,
    CONFIG,
    DEAD,
    EVENTS,
    OUTCOMES,
    USERS,
    Topic,
    actions,
    application,
    deliveries,
    logical,
)
from journeys.records.installation import Continuation, Installation, TopicRecord
from tables.changelog import POSITION_KEY, Position

_ROLES = ("register", "evaluate", "deliver")
_ANSWER_SECONDS = 10.0
_LOST = {
    CONFIG: "pushed documents remain only in the catalog",
    CATALOG: "register rebuilds it from journeys.config",
    EVENTS: "events that were not applied are lost",
    USERS: "profiles, instances and timers of all users are lost",
    OUTCOMES: "the outcomes are lost",
    DEAD: "the dead letters are lost",
}


@dataclass(frozen=True, slots=True)
class Step:
    """What adopting means for one topic.

    text: in words. start_at: for an empty changelog, the source at whose end its role's position is
        set; None: no position is set.
    """

    topic: Topic
    text: str
    missing: bool = False
    start_at: str | None = None


@dataclass(frozen=True, slots=True)
class Adoption:
    """Everything that adopting does.

    partitions, replicas: of topics that are created.
    go_on: what a position in a former topic of the same name means.
    """

    broker: str
    recorded: Installation
    steps: Sequence[Step]
    partitions: int
    replicas: int
    go_on: Continuation


def plan_adoption(
    broker: str,
    partitions: int,
    replication: int | None = None,
    *,
    from_start: bool = False,
    same_offsets: bool = False,
) -> Adoption:
    """What adopting would do; it has no steps if the topics are as recorded.

    Args:
        broker: bootstrap servers.
        partitions: of the events topic, if neither it nor a record of it exists.
        replication: copies of created topics; the default is that of `create_topics`.
        from_start: a role whose changelog is empty repeats everything instead of continuing at the
            end of its source.
        same_offsets: topics with other ids are copies in which every record has kept its offset.

    Raises:
        BrokerUnavailable: the broker doesn't answer.
        TopicError: there is nothing to adopt, or a topic's partitions don't allow to continue.
        UserError: a worker is running.
    """
    _refuse_running(broker)
    now = survey(broker, wait_for_transactions=True)
    topics, found, recorded = now.topics, now.found, now.recorded
    if not found:
        raise TopicError("There are no topics to adopt: `journeys topics create` makes them.")
    known = recorded.topics.get(logical(EVENTS))
    if known is not None:
        partitions = known.partitions
    elif EVENTS in found:
        partitions = found[EVENTS].partitions
    for topic in topics:
        if topic.name in found:
            _check_partitions(topic, found[topic.name], recorded, partitions, broker)
    steps = [
        step
        for topic in topics
        if (step := _step(broker, topic, found, recorded, from_start, same_offsets)) is not None
    ]
    replicas = replication or default_replication(now.brokers)
    go_on: Continuation = "same" if same_offsets else "start"
    return Adoption(broker, recorded, steps, partitions, replicas, go_on)


def adopt(adoption: Adoption) -> None:
    """Carries out a plan. After an error, plan and adopt again.

    Raises:
        BrokerUnavailable, TopicError, UserError: the broker refused a part; the rest wasn't done.
    """
    broker, client = adoption.broker, admin_client(adoption.broker)
    topics = [step.topic for step in adoption.steps]
    there = [step.topic.name for step in adoption.steps if not step.missing]
    make(client, broker, topics, dict.fromkeys(there), adoption.partitions, adoption.replicas)
    names = [topic.name for topic in topics]
    sources = [step.start_at for step in adoption.steps if step.start_at is not None]
    found = describe(client, broker, [*names, *(set(sources) - set(names))])
    for step in adoption.steps:
        if step.start_at is not None:
            _set_positions(broker, step.topic.name, step.start_at, found[step.start_at])
    records = {}
    for name, now in as_found({name: found[name] for name in names}).items():
        before = adoption.recorded.topics.get(name)
        if before is None or before.id == now.id:
            former, log = ({}, "") if before is None else (before.former, before.log)
            records[name] = TopicRecord(now.id, now.partitions, former, log)
        else:
            records[name] = before.replaced_by(now.id, now.partitions, adoption.go_on)
    if adoption.recorded.is_recorded:
        record_topics(broker, records)
    else:
        record_installation(broker, records)


def _step(
    broker: str,
    topic: Topic,
    found: Mapping[str, Described],
    recorded: Installation,
    from_start: bool,
    same_offsets: bool,
) -> Step | None:
    """What adopting means for a topic; None if it is as recorded."""
    name = topic.name
    before, now = recorded.topics.get(logical(name)), found.get(name)
    if now is None:
        fate = "is missing and is recreated, empty"
    elif before is None:
        fate = f"is recorded as it is, with {counted(now.partitions, 'partition')}"
    elif before.id != now.id:
        fate = "is not the recorded topic"
    elif before.partitions != now.partitions:
        return Step(topic, f"has {now.partitions} partitions; the added ones stay empty")
    else:
        return None
    source = _source_of(name)
    if source is not None:
        return _changelog_step(
            broker, topic, source, fate, found, recorded, from_start, same_offsets
        )
    role = reader_of(name)
    if now is None:
        lost = _LOST.get(name, "actions that were not delivered are lost")
        goes_on = "" if role is None else f"; {role} continues at its beginning"
        return Step(topic, f"{fate}: {lost}{goes_on}", missing=True)
    if before is None:
        return Step(topic, fate)
    if role is None:
        return Step(topic, f"{fate}: it is used as it is")
    where = "at the offset that it had reached" if same_offsets else "at its beginning"
    return Step(topic, f"{fate}: {role} continues {where}")


def _changelog_step(
    broker: str,
    topic: Topic,
    source: str,
    fate: str,
    found: Mapping[str, Described],
    recorded: Installation,
    from_start: bool,
    same_offsets: bool,
) -> Step:
    """What adopting means for a changelog, and for its role's position in the source."""
    now, role = found.get(topic.name), reader_of(source)
    if now is not None and not _is_empty(broker, topic.name, now):
        return Step(topic, f"{fate}: {role} continues with its records")
    if now is not None and logical(topic.name) not in recorded.topics:
        return Step(topic, f"{fate}; it is empty: {role} starts at the beginning of {source}")
    lost = _LOST.get(topic.name, "outstanding deliveries are lost")
    again = f"{fate}: {lost}"
    if now is not None:
        again = f"{fate} and is empty: {lost}"
    before = recorded.topics.get(logical(source))
    same = before is not None and source in found and before.id == found[source].id
    if topic.name == CATALOG:
        return Step(topic, again, missing=now is None)
    if from_start or not (same or same_offsets):
        state = "are applied again" if same or same_offsets else "were not applied yet"
        text = f"{again}. {role} starts at the beginning of {source}: its records {state}"
        return Step(topic, text, missing=now is None)
    text = (
        f"{again}. {role} continues at the end of {source}: none of its records are applied again"
    )
    return Step(topic, text, missing=now is None, start_at=source)


def _source_of(name: str) -> str | None:
    """The source that a changelog's positions belong to; None if the topic is not a changelog."""
    if name in (CATALOG, USERS):
        return CONFIG if name == CATALOG else EVENTS
    prefix = deliveries("")
    return actions(name.removeprefix(prefix)) if name.startswith(prefix) else None


def _check_partitions(
    topic: Topic, found: Described, recorded: Installation, events: int, broker: str
) -> None:
    """Raises TopicError if the engine can't continue with this number of partitions."""
    before = recorded.topics.get(logical(topic.name))
    if before is not None and is_source(topic.name) and before.partitions != found.partitions:
        changed = recorded.differences(as_found({topic.name: found}))
        raise differs(next(one for one in changed if one.topic == logical(topic.name)))
    check_partitions(topic, found.partitions, events, broker)


def _is_empty(broker: str, name: str, topic: Described) -> bool:
    places = [TopicPartition(name, number) for number in range(topic.partitions)]
    return not any(log_ends(admin_queries(broker), places).values())


def _refuse_running(broker: str) -> None:
    client = admin_client(broker)
    cluster_metadata(client, broker)  # its error explains best why there is no answer
    groups = {application(role): role for role in _ROLES}
    asked = client.describe_consumer_groups(list(groups), request_timeout=_ANSWER_SECONDS)
    for group, future in asked.items():
        try:
            members = len(future.result(_ANSWER_SECONDS).members)
        except (KafkaException, TimeoutError) as error:
            raise BrokerUnavailable(f"The broker does not describe the group {group}.") from error
        if members:
            raise UserError(
                f"{counted(members, groups[group] + ' worker')} still running: stop all workers "
                "before topics are adopted. One that was killed is forgotten after 6 s."
            )


def _set_positions(broker: str, changelog: str, source: str, described: Described) -> None:
    """Sets the positions in an empty changelog to the present end of its source."""
    places = [TopicPartition(source, number) for number in range(described.partitions)]
    producer = Producer(broker, give_up_seconds=_ANSWER_SECONDS)
    for partition, end in log_ends(admin_queries(broker), places).items():
        position = Position(end, topic_id=described.id)
        producer.send(changelog, position.pack(), POSITION_KEY, partition=partition)
    producer.flush()
    if producer.error is not None:
        raise UserError(f"No position was written to {changelog}: {producer.error}.")
