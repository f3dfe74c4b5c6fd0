"""Checks that the topics exist, are the recorded ones, and fit the engine.

Law: a worker starts only if all of this is true; the check changes only what `--accept-loss`
accepts.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from agents.errors import TopicError, UserError
from agents.kafka.client import admin_client
from agents.kafka.creating import missing, unrecorded
from agents.kafka.describe import Described, read_settings
from agents.kafka.fit import check_copies, check_partitions, check_settings, single_copies
from agents.kafka.installation import (
    as_found,
    differs,
    reader_of,
    record_topics,
)
from agents.kafka.survey import Survey, survey
from agents.kafka.topics import (
    CATALOG,
    EVENTS,
    Topic,
    destinations_of,
    logical,
    physical,
)
from agents.runtime.exits import last_line
from journeys.records.installation import Installation


@dataclass(frozen=True)
class Layout:
    """What `check_topics` found.

    partitions: how many partitions `journeys.events` and its sister topics have
    destinations: those that have an actions topic, in order of name
    installation: the record of the topics
    warning: about something that is allowed but unwise, or None
    """

    partitions: int
    destinations: tuple[str, ...] = ()
    installation: Installation = field(default=Installation(), compare=False)
    warning: str | None = field(default=None, compare=False)


def check_topics(
    bootstrap: str, *, replication: int | None = None, accept_loss_of: str | None = None
) -> Layout:
    """Checks all topics.

    Args:
        bootstrap: bootstrap servers.
        replication: the least number of copies; None: any.
        accept_loss_of: a role that continues at the beginning of sources that were recreated; that
            is recorded.

    Raises:
        BrokerUnavailable: no broker answered within 10 s.
        TopicError: a check failed; the message says what to do.
    """
    now = survey(bootstrap)
    topics, found, recorded = now.topics, now.found, now.recorded
    if accept_loss_of is not None:
        recorded = _accept_loss(bootstrap, now, accept_loss_of)
    for difference in recorded.differences(as_found(found)):
        raise differs(difference)
    _check_there(topics, found, recorded)
    events = found[EVENTS].partitions
    for topic in topics:
        check_partitions(topic, found[topic.name].partitions, events, bootstrap)
    if not recorded.is_recorded:
        raise unrecorded(EVENTS)
    configs = read_settings(admin_client(bootstrap), bootstrap, [topic.name for topic in topics])
    for topic in topics:
        check_settings(topic, configs[topic.name], found[topic.name].replicas, bootstrap)
    check_copies(found, replication)
    return Layout(events, destinations_of(found), recorded, single_copies(found))


def _check_there(
    topics: Sequence[Topic], found: Mapping[str, Described], recorded: Installation
) -> None:
    for topic in topics:
        if topic.name in found:
            continue
        if recorded.is_recorded or not found:
            raise missing(topic.name)
        raise TopicError(
            f"The topic {topic.name} does not exist, though others of this installation do, and "
            f"there is no record of them in {CATALOG}. `journeys topics create` creates what "
            "is missing if nothing is lost by that; otherwise `journeys topics adopt` shows what "
            "continuing would mean, and asks."
        )


def _accept_loss(bootstrap: str, survey: Survey, role: str) -> Installation:
    """Records the role's recreated sources as the present ones, and reports that."""
    recorded, accepted = survey.recorded, {}
    for difference in survey.differences():
        now, name = difference.found, physical(difference.topic)
        if (
            now is None
            or reader_of(name) != role
            or now.partitions != difference.recorded.partitions
        ):
            continue
        accepted[logical(name)] = difference.recorded.replaced_by(now.id, now.partitions, "start")
        last_line(f"{name} was deleted and recreated: {role} continues at its beginning")
    if not accepted:
        return recorded
    try:
        record_topics(bootstrap, accepted)
    except UserError as error:
        last_line(
            f"{error} Until `journeys topics adopt` records it, other workers stop because of it."
        )
    return Installation(recorded.id, {**recorded.topics, **accepted})
