"""The options of every librdkafka client come from one place and the environment."""

from __future__ import annotations

import time

import pytest

from agents.errors import BrokerUnavailable
from agents.kafka.client import admin_client, base_config, cluster_metadata
from agents.settings import SettingsError


def test_options_of_librdkafka_come_from_the_environment() -> None:
    environment = {
        "JOURNEYS_KAFKA_SECURITY_PROTOCOL": "SASL_SSL",
        "JOURNEYS_KAFKA_SASL_PASSWORD": "secret",
        "JOURNEYS_CLOCK": "wall",
        "PATH": "/bin",
    }
    assert base_config("host:9092", environment) == {
        "bootstrap.servers": "host:9092",
        "log_level": 2,
        "reconnect.backoff.max.ms": 1_000,
        "enable.metrics.push": False,
        "security.protocol": "SASL_SSL",
        "sasl.password": "secret",
    }


def test_an_unknown_option_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("JOURNEYS_KAFKA_SECURITY_PROTOCOLL", "SSL")
    with pytest.raises(SettingsError, match=r'property: "security\.protocoll"'):
        admin_client("127.0.0.1:9092")


def test_a_wrong_value_is_not_printed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("JOURNEYS_KAFKA_SECURITY_PROTOCOL", "hunter2")
    with pytest.raises(SettingsError, match=r'"security\.protocol"') as told:
        admin_client("127.0.0.1:9092")
    assert "hunter2" not in str(told.value)


def test_no_broker_is_one_clear_line_within_the_time_given() -> None:
    address, began = "127.0.0.1:1", time.monotonic()
    with pytest.raises(BrokerUnavailable) as told:
        cluster_metadata(admin_client(address), address, seconds=2)
    assert time.monotonic() - began < 30
    assert str(told.value).startswith(f"No Kafka broker answered at {address} within 2 s (")
    assert "\n" not in str(told.value)
