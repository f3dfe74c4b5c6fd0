"""What an installation has recorded about its topics in the catalog: one record for the
installation, and one for each topic.

Law: a topic is identified by its Kafka id, not by its name. A topic that was deleted and recreated
has lost its records, even if the name is the same.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Literal

import msgspec

INSTALLATION_KEY = b"\x00installation"
_TOPIC_KEY = b"\x00topic/"
_MOST_FORMER = 16
_SINCE = "#"
"""No topic name contains it."""

Continuation = Literal["start", "same"]
"""Where a role whose position belongs to a former topic continues: at the `start` of the present
topic, or at the `same` position if that is a copy with the same offsets."""


def log_name(topic: str, log: str) -> str:
    """The name of a topic's log in records and ids: the topic's name. If the topic was recreated
    and its offsets restarted, the topic's id is added, since the same offset in the former log is
    another record."""
    return f"{topic}{_SINCE}{log}" if log else topic


def topic_of(log_name: str) -> str:
    """The topic of a log that `log_name` named."""
    return log_name.partition(_SINCE)[0]


class TopicRecord(msgspec.Struct, frozen=True):
    """What the installation knows of one topic.

    id: Kafka's id of the topic.
    partitions: how many it has.
    former: earlier ids of the topic, before it was recreated, each with where to continue from a
        position in it.
    log: the topic's id when its offsets last restarted; "" if they never did.
    """

    id: str
    partitions: int
    former: dict[str, Continuation] = {}
    log: str = ""

    def replaced_by(self, id: str, partitions: int, go_on: Continuation) -> TopicRecord:
        """The record after the topic was recreated. The oldest former ids are dropped."""
        former = {**self.former, self.id: go_on}
        former.pop(id, None)
        kept = dict(list(former.items())[-_MOST_FORMER:])
        return TopicRecord(id, partitions, kept, id if go_on == "start" else self.log)


class _Installation(msgspec.Struct, frozen=True):
    id: str


@dataclass(frozen=True, slots=True)
class Found:
    """A topic as the broker reports it."""

    id: str
    partitions: int


@dataclass(frozen=True, slots=True)
class Difference:
    """A topic that differs from its record. found: None if it is missing."""

    topic: str
    recorded: TopicRecord
    found: Found | None

    def __str__(self) -> str:
        """What happened to the topic, as the end of a sentence that begins with its name."""
        if self.found is None:
            return "is missing"
        if self.found.id != self.recorded.id:
            return "was deleted and recreated"
        return f"has {self.found.partitions} partitions instead of {self.recorded.partitions}"


@dataclass(frozen=True, slots=True)
class Installation:
    """What is recorded about one installation, folded from the catalog's records.

    id: chosen when the installation was created; "" if there is no record of it.
    topics: by name, without the installation's prefix.
    """

    id: str = ""
    topics: Mapping[str, TopicRecord] = field(default_factory=dict)

    @property
    def is_recorded(self) -> bool:
        return bool(self.id)

    def with_record(self, key: bytes, value: bytes | None) -> Installation:
        """The state after one more record of the catalog; records of other kinds change nothing.

        Raises:
            msgspec.MsgspecError: the value is not valid for such a record.
        """
        if key == INSTALLATION_KEY:
            id = "" if value is None else msgspec.json.decode(value, type=_Installation).id
            return replace(self, id=id)
        if not key.startswith(_TOPIC_KEY):
            return self
        topics = dict(self.topics)
        name = key.removeprefix(_TOPIC_KEY).decode()
        if value is None:
            topics.pop(name, None)
        else:
            topics[name] = msgspec.json.decode(value, type=TopicRecord)
        return replace(self, topics=topics)

    def differences(self, found: Mapping[str, Found]) -> list[Difference]:
        """The recorded topics that have changed, in order of name."""
        return [
            Difference(name, recorded, found.get(name))
            for name, recorded in sorted(self.topics.items())
            if found.get(name) != Found(recorded.id, recorded.partitions)
        ]


def installation_record(id: str) -> tuple[bytes, bytes]:
    """Key and value of the record of an installation."""
    return INSTALLATION_KEY, msgspec.json.encode(_Installation(id))


def topic_record(name: str, record: TopicRecord) -> tuple[bytes, bytes]:
    """Key and value of the record of a topic."""
    return _TOPIC_KEY + name.encode(), msgspec.json.encode(record)
