"""The Kafka that the tests run against, and names that keep them apart on it.

`--kafka=embedded` (the default) starts our own, `external` uses the one at JOURNEYS_BROKER, and
`testcontainers` starts one with Docker.
"""

from __future__ import annotations

import gc
import os
import signal
import sys
import uuid
from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, settings

from agents.compiled import refuse_stale
from agents.kafka.embedded.broker import EmbeddedKafka
from agents.settings import Settings
from tests.beside import (  # noqa: F401 - hooks of pytest's
    pytest_collection_modifyitems,
    pytest_xdist_auto_num_workers,
    pytest_xdist_make_scheduler,
)
from tests.loopback import no_journeys_topics

refuse_stale()

# What is compiled is kept, whatever the shell says: else every program that a test starts would
# compile the engine again, and every process of a run all tests.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
sys.dont_write_bytecode = False

# Thousands of tests stay in memory; traversing them again and again would be most of the cost of
# garbage collection.
gc.set_threshold(50_000, 20, 20)

# No deadline: the time of an example depends mostly on the load of the machine.
# The same examples every time: a run depends on the change under test and nothing else.
settings.register_profile(
    "usual", deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("usual")
settings.register_profile(
    "thorough", settings.get_profile("usual"), derandomize=False, max_examples=5_000
)
"""Fifty times the usual examples, others each time: `pytest --hypothesis-profile=thorough`."""

# A run that was started in the background ignores SIGINT, and so would every command under test.
signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_collection_finish() -> None:
    gc.freeze()


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--kafka",
        choices=("embedded", "external", "testcontainers"),
        default="embedded",
        help="which Kafka the tests use: our own, the one at JOURNEYS_BROKER, or one in Docker",
    )


@pytest.fixture(scope="session")
def kafka() -> Iterator[EmbeddedKafka]:
    """The embedded Kafka that the whole run (with `-n`: a worker of it) shares; fault tests take
    `own_kafka`."""
    with EmbeddedKafka(report=_tell) as broker:
        yield broker


@pytest.fixture
def own_kafka() -> Iterator[EmbeddedKafka]:
    """An embedded Kafka for one test alone, to be killed and restarted as it likes."""
    with EmbeddedKafka(report=_tell) as broker:
        yield broker


@pytest.fixture
def empty_kafka(kafka: EmbeddedKafka) -> Iterator[EmbeddedKafka]:
    """The shared Kafka without the engine's topics, whose names are the same for every test."""
    with no_journeys_topics(kafka.bootstrap):
        yield kafka


@pytest.fixture(scope="session")
def broker(request: pytest.FixtureRequest) -> Iterator[str]:
    """The address (HOST:PORT) of the Kafka chosen by --kafka."""
    match request.config.getoption("--kafka"):
        case "external":
            yield Settings.from_env().broker
        case "testcontainers":
            from testcontainers.kafka import KafkaContainer

            container = KafkaContainer("confluentinc/cp-kafka:7.9.0").with_kraft()
            container.with_env("KAFKA_AUTO_CREATE_TOPICS_ENABLE", "false")
            container.with_env("KAFKA_MESSAGE_MAX_BYTES", str(16 * 1024 * 1024))
            with container:
                yield container.get_bootstrap_server()
        case _:
            yield request.getfixturevalue("kafka").bootstrap


@pytest.fixture
def topic_prefix() -> str:
    """The beginning of topic, group and transaction names that no other test uses."""
    return f"test-{uuid.uuid4().hex[:12]}-"


def _tell(line: str) -> None:
    print(line, file=sys.__stderr__)
