"""Whether a topic fits the engine: its partitions, settings and copies.

Law: a mismatch is reported with the command that fixes it; the check itself changes nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from agents.errors import TopicError
from agents.kafka.describe import Described
from agents.kafka.installation import is_source
from agents.kafka.topics import EVENTS, FOR_EVER, Topic, in_sync


def check_partitions(topic: Topic, found: int, events: int, bootstrap: str) -> None:
    """Raises TopicError if the topic's partitions don't match those of the events topic."""
    expected = 1 if topic.single else events
    # Surplus partitions of changelogs and of topics that are only written stay empty.
    if found == expected or (found > expected and not is_source(topic.name)):
        return
    why = "" if topic.single else f", as many as {EVENTS}"
    raise TopicError(
        f"The topic {topic.name} has {counted(found, 'partition')}; it must have {expected}{why}. "
        "Stop the workers, delete the topic (what it holds is lost) and recreate it: "
        f"`kafka-topics.sh --bootstrap-server {bootstrap} --delete --topic {topic.name}`, then "
        "`journeys topics adopt`."
    )


def check_settings(topic: Topic, found: Mapping[str, str], replicas: int, bootstrap: str) -> None:
    """Raises TopicError if a setting is wrong. found: the topic's settings, by name."""
    expected = topic.settings | {"min.insync.replicas": str(in_sync(replicas))}
    wrong = {
        name: value
        for name, value in expected.items()
        if not _SUFFICES.get(name, str.__eq__)(found[name], value)
    }
    if int(found["min.insync.replicas"]) > replicas:
        # No write would be acknowledged.
        wrong["min.insync.replicas"] = expected["min.insync.replicas"]
    if not wrong:
        return
    differences = ", ".join(
        f"{name}={found[name]} (expected {_at_least(name, value)}{value})"
        for name, value in wrong.items()
    )
    settings = ",".join(f"{name}={value}" for name, value in wrong.items())
    raise TopicError(
        f"The topic {topic.name} has {differences}. This fixes it: `kafka-configs.sh "
        f"--bootstrap-server {bootstrap} --alter --entity-type topics --entity-name {topic.name} "
        f"--add-config {settings}`."
    )


def check_copies(found: Mapping[str, Described], wanted: int | None) -> None:
    """Raises TopicError if a topic has fewer copies than `wanted`; None: any number is accepted."""
    for name, topic in found.items():
        if wanted is not None and topic.replicas < wanted:
            raise TopicError(
                f"The topic {name} has {counted(topic.replicas, 'replica')}; JOURNEYS_REPLICATION "
                f"asks for {wanted}. `kafka-reassign-partitions.sh` adds copies."
            )


def single_copies(found: Mapping[str, Described]) -> str | None:
    """The warning about topics with a single copy; None if there are none."""
    single = [name for name, topic in found.items() if topic.replicas < 2]
    if not single:
        return None
    which = "All topics have" if len(single) == len(found) else f"{', '.join(single)} have"
    return (
        f"{which} a single copy: if a broker's disk fails, the data on it is lost. On three "
        "brokers, `journeys topics create` makes three copies."
    )


def counted(number: int, what: str) -> str:
    """`1 partition`, `2 partitions`."""
    return f"{number} {what}" if number == 1 else f"{number} {what}s"


def kept_long_enough(found: str, expected: str) -> bool:
    """Whether a `retention.ms` is at least as long as another."""
    for_ever = str(FOR_EVER)
    return found == for_ever or (expected != for_ever and int(found) >= int(expected))


def _at_least(name: str, expected: str) -> str:
    return "at least " if name in _SUFFICES and expected != str(FOR_EVER) else ""


# Settings that may be larger than expected; all others must be equal.
_SUFFICES: dict[str, Callable[[str, str], bool]] = {
    "retention.ms": kept_long_enough,
    "max.message.bytes": lambda found, expected: int(found) >= int(expected),
    "min.insync.replicas": lambda found, expected: int(found) >= int(expected),
}
