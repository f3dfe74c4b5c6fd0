"""The only place that configures how librdkafka clients reach the broker.

Values of options never appear in messages, as they may be secrets.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from typing import Any

from confluent_kafka import KafkaError, KafkaException
from confluent_kafka.admin import AdminClient, ClusterMetadata

from agents.errors import BrokerUnavailable
from agents.settings import SettingsError
from tables.admin_queries import AdminQueries

ANSWER_SECONDS = 10.0
_PREFIX = "JOURNEYS_KAFKA_"
_NAMED = re.compile(
    r'for configuration property "([a-z._0-9]+)"$|^Expected \w+ value for "([a-z._0-9]+)"'
    r"|: ([a-z._0-9]+) failed: |`([a-z._0-9]+)` is set$"
)
"""How librdkafka names the option that it refuses; a value that it quotes comes before that."""


def base_config(bootstrap: str, environment: Mapping[str, str] = os.environ) -> dict[str, Any]:
    """The options that all clients share.

    JOURNEYS_KAFKA_<OPTION> sets any other option of librdkafka, with underscores for dots:
    JOURNEYS_KAFKA_SECURITY_PROTOCOL sets `security.protocol`.

    Args:
        bootstrap: bootstrap servers, `HOST:PORT` separated by commas.
        environment: the variables.
    """
    config: dict[str, Any] = {
        "bootstrap.servers": bootstrap,
        # In an outage every refused connection is a line at level 3; relevant errors are raised.
        "log_level": 2,
        # The default of 10 s would prolong every outage of the broker.
        "reconnect.backoff.max.ms": 1_000,
        "enable.metrics.push": False,
    }
    for name, value in environment.items():
        if name.startswith(_PREFIX):
            config[_option(name)] = value
    return config


class Admin(AdminClient):
    """librdkafka's client for topics and offsets. It is closed when its last reference is
    dropped."""

    def __init__(self, config: Mapping[str, Any]) -> None:
        # Not a method of this object: the reference to itself would keep its threads and sockets
        # alive.
        self._errors = _Errors()
        super().__init__({**config, "error_cb": self._errors.note})

    @property
    def refusal(self) -> str | None:
        """Why there is no connection, if the broker refused it or is not trusted."""
        return self._errors.refusal


class _Errors:
    """The errors of a client's connections."""

    def __init__(self) -> None:
        self.refusal: str | None = None

    def note(self, error: KafkaError) -> None:
        if error.code() in (KafkaError._AUTHENTICATION, KafkaError._SSL):
            # "sasl_ssl://HOST:PORT/bootstrap: why (after 3ms in state ...)"
            why = error.str().partition("/bootstrap: ")[2] or error.str()
            self.refusal = why.rpartition(" (after ")[0] or why


def admin_client(bootstrap: str) -> Admin:
    """A client for topics and offsets. It logs nothing: its callers report errors.

    Raises:
        SettingsError: librdkafka does not know a JOURNEYS_KAFKA_ option or its value.
    """
    try:
        return Admin(base_config(bootstrap) | {"log_level": 0})
    except KafkaException as error:
        raise _refused(error.args[0].str()) from None


def _refused(reason: str, environment: Mapping[str, str] = os.environ) -> SettingsError:
    """The message about options that librdkafka refuses. Its own messages quote values, which may
    be secrets even if they are in the wrong variable, so they are repeated only if they contain
    none."""
    given = {name: value for name, value in environment.items() if name.startswith(_PREFIX)}
    if unknown := re.match(r'No such configuration property: "([a-z._0-9]*)"', reason):
        for name in given:
            if _option(name) == unknown[1]:
                return SettingsError(f"{name} is set, and librdkafka has no option {unknown[1]!r}.")
    found = _NAMED.search(reason)
    for name in given:
        if found and _option(name) in found.groups():
            return SettingsError(f"{name} has a value that librdkafka doesn't take.")
    words = {word for value in given.values() for word in re.findall(r"\w{3,}", value)}
    why = "librdkafka refuses them" if any(word in reason for word in words) else reason
    return SettingsError(f"{', '.join(sorted(given)) or _PREFIX + '*'} can't be used: {why}")


def _option(name: str) -> str:
    """The librdkafka option that a variable sets."""
    return name.removeprefix(_PREFIX).lower().replace("_", ".")


def admin_queries(bootstrap: str) -> AdminQueries:
    """For questions to the broker about topics and offsets; uses a new client after an error. A
    question may raise like `admin_client`."""
    return AdminQueries(lambda: admin_client(bootstrap))


def cluster_metadata(
    client: Admin, bootstrap: str, seconds: float = ANSWER_SECONDS
) -> ClusterMetadata:
    """The cluster's brokers and topics.

    Args:
        client: asks the broker.
        bootstrap: its servers, for the message of the error.
        seconds: how long to wait for an answer.

    Raises:
        BrokerUnavailable: no broker answered in time, it refused the connection, or it isn't
        trusted.
    """
    try:
        return client.list_topics(timeout=seconds)
    except KafkaException as error:
        client.poll(0)
        if client.refusal is not None:
            raise BrokerUnavailable(
                f"No connection to the Kafka broker at {bootstrap}: {client.refusal}. "
                "JOURNEYS_KAFKA_* say how it is reached."
            ) from None
        reason: KafkaError = error.args[0]
        raise BrokerUnavailable(
            f"No Kafka broker answered at {bootstrap} within {seconds:.0f} s ({reason.str()}). "
            "`journeys kafka` starts one; JOURNEYS_BROKER names another."
        ) from None
