"""The one place that says how a librdkafka client is set up to reach the broker.

Values of options, which may be secrets, appear in no message.
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
from tables.asking import Asking

ANSWER_SECONDS = 10.0
_PREFIX = "JOURNEYS_KAFKA_"


def base_config(bootstrap: str, environment: Mapping[str, str] = os.environ) -> dict[str, Any]:
    """The options that every client of ours starts from.

    JOURNEYS_KAFKA_<OPTION> sets any other option of librdkafka, dots as underscores:
    JOURNEYS_KAFKA_SECURITY_PROTOCOL sets `security.protocol`.

    Args:
        bootstrap: bootstrap servers, `HOST:PORT` separated by commas.
        environment: where the variables are looked up.
    """
    config: dict[str, Any] = {
        "bootstrap.servers": bootstrap,
        # Every refused connection of an outage is a line at level 3; what matters is raised.
        "log_level": 2,
        # The default of 10 s would be added to every outage of the broker.
        "reconnect.backoff.max.ms": 1_000,
        "enable.metrics.push": False,
    }
    for name, value in environment.items():
        if name.startswith(_PREFIX):
            config[name.removeprefix(_PREFIX).lower().replace("_", ".")] = value
    return config


class Admin(AdminClient):
    """librdkafka's client for topics and offsets.

    refusal: why there is no connection, where the broker refused it or is not trusted.
    """

    def __init__(self, config: Mapping[str, Any]) -> None:
        self.refusal: str | None = None
        super().__init__({**config, "error_cb": self._note_refusal})

    def _note_refusal(self, error: KafkaError) -> None:
        if error.code() in (KafkaError._AUTHENTICATION, KafkaError._SSL):
            # "sasl_ssl://HOST:PORT/bootstrap: why (after 3ms in state ...)"
            why = error.str().partition("/bootstrap: ")[2] or error.str()
            self.refusal = why.rpartition(" (after ")[0] or why


def admin_client(bootstrap: str) -> Admin:
    """A client for topics and offsets. It logs nothing: its callers report errors.

    Raises:
        SettingsError: librdkafka does not know a JOURNEYS_KAFKA_ option, or not such a value.
    """
    try:
        return Admin(base_config(bootstrap) | {"log_level": 0})
    except KafkaException as error:
        # librdkafka quotes a wrong value; it may be a password in the wrong variable.
        reason = re.sub(r'value ".*" for', "value for", error.args[0].str())
        raise SettingsError(f"{_PREFIX}* in the environment can't be used: {reason}") from None


def asking(bootstrap: str) -> Asking:
    """Who asks the broker of topics and offsets, with a new client after an error. Raises as
    `admin_client` does, when something is asked."""
    return Asking(lambda: admin_client(bootstrap))


def cluster_metadata(
    client: Admin, bootstrap: str, seconds: float = ANSWER_SECONDS
) -> ClusterMetadata:
    """The cluster's brokers and topics.

    Args:
        client: the client that asks.
        bootstrap: its servers, for the message of the error.
        seconds: how long to wait for an answer.

    Raises:
        BrokerUnavailable: no broker answered in time, or it refused us, or isn't trusted.
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
