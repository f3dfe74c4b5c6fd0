"""The topics of the engine: their names, and the required settings of each.

Law: names of topics are built only here. Records name topics without the prefix of their
installation, so they are the same in every installation.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from agents.settings import topic_prefix

PREFIX = topic_prefix()
"""The prefix of this process's installation, for its topics, groups and transactional ids."""

CONFIG = f"{PREFIX}journeys.config"
CATALOG = f"{PREFIX}journeys.catalog"
EVENTS = f"{PREFIX}journeys.events"
USERS = f"{PREFIX}journeys.users"  # the changelog of evaluate
OUTCOMES = f"{PREFIX}journeys.outcomes"
DEAD = f"{PREFIX}journeys.dead"
_ACTIONS = f"{PREFIX}journeys.actions."
_DELIVERIES = f"{PREFIX}journeys.deliveries."

_DAY_MS = 86_400_000
_MB = 1024 * 1024
FOR_EVER = -1


def actions(destination: str) -> str:
    """The topic of the actions for one destination."""
    return _ACTIONS + destination


def deliveries(destination: str) -> str:
    """The changelog of deliver for one destination."""
    return _DELIVERIES + destination


def application(role: str) -> str:
    """The name of a role's consumer group, with which its transactional ids begin."""
    return f"{PREFIX}journeys-{role}"


def logical(topic: str) -> str:
    """A topic's name in records: without the prefix."""
    return topic.removeprefix(PREFIX)


def physical(topic: str) -> str:
    """A topic's name on the broker, from its name in records."""
    return PREFIX + topic


def destinations_of(topics: Iterable[str]) -> tuple[str, ...]:
    """The destinations that have an actions topic among these, in order of name."""
    return tuple(
        sorted(name.removeprefix(_ACTIONS) for name in topics if name.startswith(_ACTIONS))
    )


@dataclass(frozen=True)
class Topic:
    """The requirements for one topic.

    name: its name
    single: one partition, instead of as many as `journeys.events` has
    compacted: the last record of a key is kept for ever, instead of all records for some time
    retention_ms: how long records are kept at least (-1: for ever)
    message_bytes: the least allowed size of the largest record batch
    """

    name: str
    single: bool = False
    compacted: bool = False
    retention_ms: int = FOR_EVER
    message_bytes: int = _MB

    @property
    def settings(self) -> dict[str, str]:
        """The topic's configuration, in Kafka's names, except for what depends on its copies."""
        settings = {
            "cleanup.policy": "compact" if self.compacted else "delete",
            "message.timestamp.type": "LogAppendTime",
            "max.message.bytes": str(self.message_bytes),
            # A leader without all records would lose acknowledged ones.
            "unclean.leader.election.enable": "false",
        }
        if not self.compacted:
            settings["retention.ms"] = str(self.retention_ms)
            settings["retention.bytes"] = "-1"
        return settings


def in_sync(replicas: int) -> int:
    """How many of the copies must have a record before it is acknowledged."""
    return 2 if replicas >= 3 else 1


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


def all_topics(destinations: Iterable[str]) -> list[Topic]:
    """TOPICS, and the topics of some destinations."""
    return [*TOPICS, *(topic for name in destinations for topic in destination_topics(name))]
