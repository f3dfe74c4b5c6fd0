"""Reads and writes the installation's record of its topics in `journeys.catalog`, and compares it
with the broker's topics.

Law: the engine never silently continues with a topic that isn't the recorded one. The name says
nothing about the content: a recreated changelog has no position, and starting without one would
repeat every action.
"""

from __future__ import annotations

import time
import uuid
from collections.abc import Iterable, Mapping

import msgspec

from agents.errors import TopicError, UserError
from agents.kafka.client import admin_client
from agents.kafka.describe import Described, describe
from agents.kafka.produce import Producer
from agents.kafka.read_to_end import read_to_end
from agents.kafka.topics import CATALOG, CONFIG, EVENTS, actions, logical, physical
from agents.runtime.signatures import Signatures
from agents.settings import Settings
from journeys.records.installation import (
    Difference,
    Found,
    Installation,
    TopicRecord,
    installation_record,
    topic_record,
)

_SETTLED_SECONDS = 1.0


def read_installation(broker: str, *, wait_for_transactions: bool = False) -> Installation:
    """The installation as the catalog records it; an unrecorded one if it has no record.

    wait_for_transactions: also read the records after a transaction that is open now.

    Raises:
        TopicError: there is no catalog, or a record of it is of another version.
        BrokerUnavailable: the broker doesn't answer.
    """
    installation = Installation()
    batches = read_to_end(broker, [CATALOG], wait_for_transactions=wait_for_transactions)
    for messages in batches:
        for message in messages:
            try:
                installation = installation.with_record(message.key() or b"", message.value())
            except msgspec.MsgspecError as error:
                raise TopicError(
                    f"{CATALOG} has a record of the installation that can't be read: {error}."
                ) from None
    return installation


def signatures(settings: Settings) -> Signatures:
    """How a command signs records for its installation. Raises like `read_installation`."""
    if not settings.record_keys:
        return Signatures()
    return Signatures.of(settings, read_installation(settings.broker).id)


def record_installation(broker: str, topics: Mapping[str, TopicRecord]) -> None:
    """Writes the records of a new installation. topics: by name without prefix."""
    records = [topic_record(name, one) for name, one in topics.items()]
    # Last: if the writes stop before this record, the installation doesn't exist yet.
    _write(broker, [*records, installation_record(str(uuid.uuid4()))])


def record_topics(broker: str, topics: Mapping[str, TopicRecord]) -> None:
    """Writes the records of some topics. Raises UserError if that fails."""
    _write(broker, [topic_record(name, one) for name, one in topics.items()])


def _write(broker: str, records: Iterable[tuple[bytes, bytes]]) -> None:
    producer = Producer(broker, give_up_seconds=10.0)
    for key, value in records:
        producer.send(CATALOG, value, key, partition=0)
    producer.flush()
    if producer.error is not None:
        raise UserError(f"The record of the topics was not written to {CATALOG}: {producer.error}.")


def as_found(described: Mapping[str, Described]) -> dict[str, Found]:
    """Topics under their names in records, without the prefix."""
    return {logical(name): Found(one.id, one.partitions) for name, one in described.items()}


def recorded_as(found: Found) -> TopicRecord:
    """The first record of a topic."""
    return TopicRecord(found.id, found.partitions)


def differs(difference: Difference) -> TopicError:
    """The error for a topic that isn't the recorded one: what happened, and what to do."""
    name, recorded, found = physical(difference.topic), difference.recorded, difference.found
    if found is not None and found.id == recorded.id:
        return TopicError(f"The topic {name} {difference}. {why_partitions_stay(name, recorded)}")
    remedy = "`journeys topics adopt` shows what continuing would mean, and asks"
    role = reader_of(name)
    if found is not None and role is not None:
        remedy += (
            f"; `journeys worker {role} --accept-loss` continues at the beginning of the new topic"
        )
    return TopicError(
        f"The topic {name} of this installation {difference}: what it held is gone. {remedy}."
    )


def why_partitions_stay(name: str, recorded: TopicRecord) -> str:
    """Why a topic's number of partitions must not change, and how to go back."""
    why = (
        f"The number can't change: users live in the partition that the hash of their id chooses "
        f"among {recorded.partitions}, and nothing reads the others."
        if name == EVENTS
        else "The number can't change."
    )
    return (
        f"{why} To go back, stop the workers, delete the topic (its records that were not applied "
        "are lost), and let `journeys topics adopt` recreate it."
        if is_source(name)
        else f"{why} `journeys topics adopt` shows whether the engine can continue."
    )


def reader_of(name: str) -> str | None:
    """The role that reads a topic as its source; None for changelogs and topics that are only
    written."""
    if name == CONFIG:
        return "register"
    if name == EVENTS:
        return "evaluate"
    return "deliver" if name.startswith(actions("")) else None


def is_source(name: str) -> bool:
    """Whether a role reads the topic and keeps a position in it."""
    return reader_of(name) is not None


class TopicWatch:
    """Compares the topics with their records from time to time while a worker runs; blocks."""

    def __init__(
        self, broker: str, installation: Installation, settled: float = _SETTLED_SECONDS
    ) -> None:
        """settled: seconds after which all brokers know about a change."""
        self._broker = broker
        self._settled = settled
        self._installation = installation

    def look(self) -> None:
        """Compares once.

        Raises:
            TopicError: a topic is no longer the recorded one. BrokerUnavailable: the broker doesn't
                answer.
        """
        if self._differences():
            # One broker may know about a change before another does.
            time.sleep(self._settled)
            for difference in self._differences():
                raise differs(difference)

    def _differences(self) -> list[Difference]:
        recorded = self._installation
        # A new client each time: an old one may give wrong answers after a change of leaders.
        client = admin_client(self._broker)
        found = describe(client, self._broker, map(physical, recorded.topics))
        return recorded.differences(as_found(found))
