"""The environment is read once and checked at once."""

from __future__ import annotations

from pathlib import Path

import pytest

from agents.settings import Settings, SettingsError, topic_prefix


def test_an_empty_environment_gives_the_defaults() -> None:
    assert Settings.from_env({}) == Settings()
    assert Settings.from_env({"JOURNEYS_BROKER": "", "JOURNEYS_CLOCK": " "}) == Settings()


def test_every_setting_can_be_set() -> None:
    environment = {
        "JOURNEYS_BROKER": "a:9092,[::1]:9093",
        "JOURNEYS_STATE_DIR": "/var/lib/journeys",
        "JOURNEYS_CLOCK": "stream",
        "JOURNEYS_PARTITIONS": "12",
        "JOURNEYS_REPLICATION": "3",
        "JOURNEYS_HEALTH_PORT": "8080",
        "JOURNEYS_HEALTH_TOKEN": "sixteen-or-more-of",
    }
    settings = Settings.from_env(environment)
    assert settings == Settings(
        "a:9092,[::1]:9093",
        Path("/var/lib/journeys"),
        "stream",
        12,
        3,
        8080,
        "sixteen-or-more-of",
    )
    assert "sixteen" not in repr(settings)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("JOURNEYS_BROKER", "localhost"),
        ("JOURNEYS_BROKER", "localhost:9092,"),
        ("JOURNEYS_BROKER", "localhost:99999"),
        ("JOURNEYS_CLOCK", "Wall"),
        ("JOURNEYS_PARTITIONS", "0"),
        ("JOURNEYS_PARTITIONS", "four"),
        ("JOURNEYS_PARTITIONS", "-1"),
        ("JOURNEYS_REPLICATION", "0"),
        ("JOURNEYS_HEALTH_PORT", "65536"),
    ],
)
def test_a_wrong_value_is_an_error_that_names_the_variable(name: str, value: str) -> None:
    with pytest.raises(SettingsError) as told:
        Settings.from_env({name: value})
    assert str(told.value).startswith(f"{name} is {value!r}; it must be ")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("JOURNEYS_BROKER", "kafka://me:hunter2@host:9092"),
        ("JOURNEYS_BROKER", "me:hunter2@host:9092"),
        ("JOURNEYS_HEALTH_TOKEN", "hunter2"),
        ("JOURNEYS_HEALTH_TOKEN", "hunter2 with spaces"),
        ("JOURNEYS_HEALTH_TOKEN", "hunter2-with-\xfc-and-more"),
    ],
)
def test_a_wrong_value_that_may_be_a_secret_is_not_repeated(name: str, value: str) -> None:
    with pytest.raises(SettingsError, match=name) as told:
        Settings.from_env({name: value})
    assert "hunter2" not in str(told.value)


@pytest.mark.parametrize("prefix", ["", "shop.", "a-b_c.D9", "x" * 64])
def test_a_prefix_is_what_kafka_takes_in_names_of_topics(prefix: str) -> None:
    assert topic_prefix({"JOURNEYS_PREFIX": f" {prefix} "}) == prefix


@pytest.mark.parametrize("prefix", ["shop/", "a b", "ü", "x" * 65, "a\nb", "*"])
def test_another_prefix_is_an_error(prefix: str) -> None:
    with pytest.raises(SettingsError, match="JOURNEYS_PREFIX is "):
        topic_prefix({"JOURNEYS_PREFIX": prefix})
