"""The environment is read once and checked at once."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from agents.settings import (
    NO_SETTINGS,
    SETTING_PREFIXES,
    SETTINGS,
    Settings,
    SettingsError,
    topic_prefix,
    unknown_settings,
)


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
        "JOURNEYS_HEALTH_HOST": "0.0.0.0",
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
        "0.0.0.0",
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


@pytest.mark.parametrize(
    ("name", "near"),
    [
        ("JOURNEYS_CLOK", "JOURNEYS_CLOCK"),
        ("JOURNEY_BROKER", "JOURNEYS_BROKER"),
        ("journeys_broker", "JOURNEYS_BROKER"),
        ("JOURNEYS_HEALT_TOKEN", "JOURNEYS_HEALTH_TOKEN"),
        ("JOURNEYS_KAFAK_SASL_PASSWORD", "JOURNEYS_KAFKA_SASL_PASSWORD"),
        ("JOURNEYS_SECERT_TOKEN", "JOURNEYS_SECRET_TOKEN"),
    ],
)
def test_a_misspelt_setting_is_a_warning_with_the_nearest_name(name: str, near: str) -> None:
    warnings = unknown_settings({name: "hunter2", "JOURNEYS_BROKER": "a:1", "HOME": "/"})
    assert warnings == [f"warning: {name} is not a setting and is ignored: did you mean {near}?"]


def test_settings_that_are_known_are_no_warnings() -> None:
    own = dict.fromkeys((*SETTINGS, *NO_SETTINGS), "x")
    own |= {prefix + "ANY_THING": "x" for prefix in SETTING_PREFIXES}
    assert unknown_settings(own) == []
    assert unknown_settings({"JOURNEYS_ENV_PREFIX": "JOURNEYS_MY_", "JOURNEYS_MY_TOKEN": "x"}) == []


def test_every_variable_that_the_sources_read_is_a_known_setting() -> None:
    root = Path(__file__).parents[2]
    files = [
        file for room in ("agents", "tables", "journeys") for file in (root / room).rglob("*.py")
    ]
    named = {
        name
        for file in [*files, root / "setup.py"]
        for name in re.findall(r"\"(JOURNEYS_[A-Z_]*[A-Z])\"", file.read_text())
    }
    known = {*SETTINGS, *NO_SETTINGS}
    assert {
        name for name in named if name not in known and not name.startswith(SETTING_PREFIXES)
    } == set()
    page = (root / "docs" / "settings.md").read_text()
    assert [name for name in SETTINGS if f"`{name}`" not in page] == []


def test_the_address_of_the_health_page_is_an_ip_address() -> None:
    assert Settings.from_env({"JOURNEYS_HEALTH_HOST": "[::1]"}).health_host == "::1"
    with pytest.raises(SettingsError, match="JOURNEYS_HEALTH_HOST is 'everywhere'; it must be"):
        Settings.from_env({"JOURNEYS_HEALTH_HOST": "everywhere"})
