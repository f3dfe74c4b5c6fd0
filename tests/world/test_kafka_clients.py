"""Kafka clients that are not ours write events and read what came of them.

What they do by themselves is what producers and readers of any language rely on: the Java client's
own partitioner puts each user where the engine expects the user, and `read_committed` shows nothing
of a transaction that was aborted.
"""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from confluent_kafka import Producer

from agents.kafka.embedded.broker import EmbeddedKafka
from agents.kafka.embedded.jars import KAFKA_VERSION, JarError, Lock, classpath
from agents.kafka.embedded.java import find_java
from agents.kafka.partitioner import partition_for
from agents.kafka.topics import EVENTS, OUTCOMES
from tests.pipeline.stack import PARTITIONS, Stack, stack

pytestmark = pytest.mark.world

TOOLS = Lock(Path(__file__).with_name("kafka-tools.lock"), f"Kafka's tools {KAFKA_VERSION}", 1, ())
JOURNEY = """\
kind: Journey
name: greeted
entry: {event: Signed Up, key: event.properties.order}
nodes:
  once: {type: exit, reason: '${entry.properties.order}'}
"""
USERS = [*(f"user-{number}" for number in range(200)), "Zoë Müller", "日本", "💶", "o'neil"]

Tool = Callable[..., list[str]]


@pytest.fixture(scope="module")
def tool() -> Tool:
    """Runs one of Kafka's tools to its end; what it printed, in lines."""
    try:
        jars = [*classpath(), *classpath(lock=TOOLS)]
    except JarError as error:
        pytest.skip(str(error))
    java = [str(find_java()), "-cp", os.pathsep.join(map(str, jars))]

    def run(name: str, *arguments: str, stdin: str | None = None) -> list[str]:
        command = [*java, f"org.apache.kafka.tools.{name}", *arguments]
        done = subprocess.run(command, input=stdin, capture_output=True, text=True, timeout=120)
        assert done.returncode == 0, done.stderr
        return done.stdout.splitlines()

    return run


@pytest.fixture(scope="module")
def installation(kafka: EmbeddedKafka) -> Iterator[Stack]:
    with stack(kafka, {"register": 1, "evaluate": 2}) as made:
        assert {one["type"] for one in made.apply(JOURNEY)} == {"config.accepted"}
        yield made


def read(tool: Tool, installation: Stack, topic: str, count: int) -> list[tuple[int, str, str]]:
    """Partition, key and value of a topic's first records that a reader of what is committed sees;
    fewer than `count` where no more have come for ten seconds."""
    lines = tool(
        "consumer.ConsoleConsumer",
        *("--bootstrap-server", installation.kafka.bootstrap, "--topic", topic),
        *("--isolation-level", "read_committed", "--from-beginning"),
        *("--max-messages", str(count), "--timeout-ms", "10000"),
        *("--property", "print.partition=true"),
        *("--property", "print.key=true"),
    )
    records = [line.split("\t", 2) for line in lines if line.startswith("Partition:")]
    return [(int(place.removeprefix("Partition:")), key, value) for place, key, value in records]


def test_java_writes_events_and_reads_each_outcome_once(tool: Tool, installation: Stack) -> None:
    events = [
        {"event": "Signed Up", "userId": user, "messageId": f"{user}-{order}",
         "properties": {"order": order}}
        for order in ("first", "second") for user in USERS
    ]  # fmt: skip
    tool(
        "ConsoleProducer",
        *("--bootstrap-server", installation.kafka.bootstrap, "--topic", EVENTS),
        *("--property", "parse.key=true", "--property", "key.separator=\t"),
        stdin="".join(f"{one['userId']}\t{json.dumps(one)}\n" for one in events),
    )
    installation.wait_applied()
    abort_an_outcome(installation)
    barriers = PARTITIONS  # of the journey that was applied
    written = read(tool, installation, EVENTS, len(events) + barriers)
    places = {key: place for place, key, value in written if '"event"' in value}
    assert places == {user: partition_for(user.encode(), PARTITIONS) for user in USERS}

    told = read(tool, installation, OUTCOMES, 10_000)
    outcomes = [json.loads(value) for _, _, value in told]
    assert not [one for one in outcomes if one["type"] in ("event.rerouted", "aborted")]
    entered = [(one["user_id"], one["key"]) for one in outcomes if one["type"] == "journey.entered"]
    assert sorted(entered) == sorted(
        (user, order) for user in USERS for order in ("first", "second")
    )
    assert all(key == one["user_id"] for (_, key, _), one in zip(told, outcomes, strict=True)
               if one["user_id"] is not None)  # fmt: skip


def abort_an_outcome(installation: Stack) -> None:
    """Writes an outcome that a reader of what is committed must not see."""
    producer = Producer(
        {"bootstrap.servers": installation.kafka.bootstrap, "transactional.id": "aborts"}
    )
    producer.init_transactions(30)
    producer.begin_transaction()
    producer.produce(OUTCOMES, b'{"type": "aborted", "user_id": null}', b"nobody", partition=0)
    assert producer.flush(30) == 0
    producer.abort_transaction(30)
