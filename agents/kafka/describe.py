"""The broker's description of topics: their ids, partitions, copies and settings.

Law: a topic that this user may not see is reported as a missing right, never as a missing topic;
otherwise the caller would create it, or continue without it.
"""

from __future__ import annotations

from collections.abc import Iterable
from concurrent.futures import Future
from dataclasses import dataclass
from typing import TypeVar

from confluent_kafka import KafkaError, KafkaException, TopicCollection
from confluent_kafka.admin import AdminClient, ConfigResource

from agents.errors import BrokerUnavailable, TopicError
from agents.kafka.client import ANSWER_SECONDS

_T = TypeVar("_T")
_REFUSED = (KafkaError.TOPIC_AUTHORIZATION_FAILED, KafkaError.CLUSTER_AUTHORIZATION_FAILED)


@dataclass(frozen=True, slots=True)
class Described:
    """One topic. id: Kafka's. replicas: of the partition with the fewest."""

    id: str
    partitions: int
    replicas: int


def describe(
    client: AdminClient, bootstrap: str, names: Iterable[str], seconds: float = ANSWER_SECONDS
) -> dict[str, Described]:
    """Those of the named topics that exist.

    Raises:
        BrokerUnavailable: no broker answered within `seconds`.
        TopicError: this user may not see one of them.
    """
    wanted = list(names)
    if not wanted:
        return {}
    asked = client.describe_topics(TopicCollection(wanted), request_timeout=seconds)
    found = {}
    for name, future in asked.items():
        try:
            topic = future.result(seconds + 1)
        except TimeoutError:
            raise BrokerUnavailable(
                f"The Kafka broker at {bootstrap} did not describe {name} within {seconds:.0f} s."
            ) from None
        except KafkaException as error:
            code = error.args[0].code()
            if code == KafkaError.UNKNOWN_TOPIC_OR_PART:
                continue
            if code in _REFUSED:
                raise missing_right("Describe", name) from None
            raise BrokerUnavailable(
                f"The Kafka broker at {bootstrap} did not describe {name}: {error.args[0].str()}."
            ) from None
        replicas = min((len(one.replicas) for one in topic.partitions), default=0)
        found[name] = Described(str(topic.topic_id), len(topic.partitions), replicas)
    return found


def missing_right(right: str, topic: str) -> TopicError:
    """The error if the broker denies a right on a topic."""
    return TopicError(
        f"The broker refuses the right {right} on {topic} to the user that JOURNEYS_KAFKA_* name; "
        "docs/security.md lists what each role needs."
    )


def read_settings(
    client: AdminClient, bootstrap: str, names: Iterable[str]
) -> dict[str, dict[str, str]]:
    """The settings of topics, by topic name and setting name. Raises like `answer`."""
    resources = [ConfigResource(ConfigResource.Type.TOPIC, name) for name in names]
    found = {}
    for resource, future in client.describe_configs(resources).items():
        name = resource.name
        entries = answer(future, bootstrap, f"read the settings of {name}", "DescribeConfigs", name)
        found[name] = {key: entry.value for key, entry in entries.items()}
    return found


def answer(future: Future[_T], bootstrap: str, what: str, right: str, topic: str) -> _T:
    """The broker's answer.

    Raises:
        TopicError: it refuses; the message names the missing right, if that is the reason.
        BrokerUnavailable: there is no answer.
    """
    try:
        return future.result(ANSWER_SECONDS)
    except TimeoutError:
        raise BrokerUnavailable(
            f"The Kafka broker at {bootstrap} did not {what} within {ANSWER_SECONDS:.0f} s."
        ) from None
    except KafkaException as error:
        if error.args[0].code() in _REFUSED:
            raise missing_right(right, topic) from error
        raise TopicError(f"The broker did not {what}: {error.args[0].str()}.") from error
