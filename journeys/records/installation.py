"""The installation's own account of its topics, kept in the catalog: one record for the
installation, and one for each topic.

Law: a topic is known by Kafka's id of it, not by its name. One that was deleted and made again has
lost what it held, whatever it is called.
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
"""No name of a topic has it."""

Continuation = Literal["start", "same"]
"""Where a role goes on whose position belongs to a former topic: at the `start` of the present one,
or, as that one is a copy with the same offsets, at the `same` position."""


def log_name(topic: str, log: str) -> str:
    """How records and their ids name the log of a topic: as the topic, and where it was made again,
    with the id since when; an offset of the former log is another record's."""
    return f"{topic}{_SINCE}{log}" if log else topic


def topic_of(log_name: str) -> str:
    """The topic of a log that `log_name` named."""
    return log_name.partition(_SINCE)[0]


class TopicRecord(msgspec.Struct, frozen=True):
    """What the installation knows of one topic.

    id: Kafka's id of the topic.
    partitions: how many it has.
    former: ids that the topic had before it was made again, each with what a position in it means.
    log: the id with which its offsets began again; "" while they are those of the first topic.
    """

    id: str
    partitions: int
    former: dict[str, Continuation] = {}
    log: str = ""

    def replaced_by(self, id: str, partitions: int, go_on: Continuation) -> TopicRecord:
        """The record after the topic was made again. The oldest former ids are forgotten."""
        former = {**self.former, self.id: go_on}
        former.pop(id, None)
        kept = dict(list(former.items())[-_MOST_FORMER:])
        return TopicRecord(id, partitions, kept, id if go_on == "start" else self.log)


class _Installation(msgspec.Struct, frozen=True):
    id: str


@dataclass(frozen=True, slots=True)
class Found:
    """A topic as the broker has it."""

    id: str
    partitions: int


@dataclass(frozen=True, slots=True)
class Difference:
    """A topic that isn't as it was recorded. found: None where it is missing."""

    topic: str
    recorded: TopicRecord
    found: Found | None

    def __str__(self) -> str:
        """What happened to the topic, as the end of a sentence that begins with its name."""
        if self.found is None:
            return "is missing"
        if self.found.id != self.recorded.id:
            return "was deleted and made again"
        return f"has {self.found.partitions} partitions instead of {self.recorded.partitions}"


@dataclass(frozen=True, slots=True)
class Installation:
    """The account of one installation, folded from the catalog's records.

    id: made up when the installation was; "" where there is no record of one.
    topics: by name, without the installation's prefix.
    """

    id: str = ""
    topics: Mapping[str, TopicRecord] = field(default_factory=dict)

    @property
    def is_recorded(self) -> bool:
        return bool(self.id)

    def with_record(self, key: bytes, value: bytes | None) -> Installation:
        """The account after one more record of the catalog; other records change nothing.

        Raises:
            msgspec.MsgspecError: the value is none of such a record.
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
        """The recorded topics that are not as they were, in order of name."""
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
