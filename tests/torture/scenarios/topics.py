"""Topics that lose what they held, are recreated under running workers, or are read slowly."""

from __future__ import annotations

import re
import threading

from confluent_kafka import Consumer, TopicPartition
from confluent_kafka.admin import AdminClient, ConfigResource, ConfigSource, NewTopic

from agents.kafka.client import base_config
from agents.kafka.topics import EVENTS, OUTCOMES, USERS, actions
from tests.loopback import delete_topics
from tests.pipeline.stack import PARTITIONS, wait_until
from tests.torture.scenarios.base import scenario
from tests.torture.stage import Stage


@scenario(20)
def retention_passed_the_position(stage: Stage) -> None:
    """Records vanish before they are applied: the worker ends with a clear line, and goes on only
    when it is told to, and says what was lost."""
    stage.pause(5)
    stage.stop("deliver")  # no responses among what is lost: their journeys would wait for them
    stage.pause(2)
    stage.stop("evaluate")
    stage.pause(5)
    applied = stage.stack.positions()
    stage.before[EVENTS] = [
        one for one in stage.stack.read(EVENTS) if one.offset() < applied[one.partition()]
    ]
    admin = AdminClient(base_config(stage.bootstrap))
    upto = {partition: offset + 50 for partition, offset in applied.items()}
    for future in admin.delete_records(
        [TopicPartition(EVENTS, partition, offset) for partition, offset in upto.items()]
    ).values():
        future.result(30)
    stage.fault("retention")
    stage.start("evaluate", 1)
    wait_until(lambda: any("--accept-loss" in line for line in stage.stack.lines), 60)
    stage.pause(3)
    assert not any(stage.roles["evaluate"].readiness().values())
    stage.stop("evaluate")
    stage.start("evaluate", 1, "--accept-loss")
    stage.start("deliver", 2)
    stage.wait_ready()
    for partition, first in applied.items():
        told = f"{EVENTS}/{partition}: {first} to {upto[partition] - 1}"
        assert any(told in line for line in stage.stack.lines), told


@scenario(40)
def slow_reader_of_outcomes(stage: Stage) -> None:
    """It reads a little every second, and misses nothing."""
    seen: list[tuple[int, int]] = []
    over = threading.Event()

    def read() -> None:
        consumer = Consumer(
            {
                **base_config(stage.bootstrap),
                "group.id": "slow",
                "isolation.level": "read_committed",
                "auto.offset.reset": "earliest",
            }
        )
        consumer.assign([TopicPartition(OUTCOMES, p, 0) for p in range(PARTITIONS)])
        while not over.is_set():
            for message in consumer.consume(200, 0.2):
                if message.error() is None:
                    seen.append((message.partition(), message.offset()))
            over.wait(1)
        consumer.close()

    reader = threading.Thread(target=read)
    reader.start()
    for _ in stage.rounds(3):
        stage.some(3, 8)
        stage.kill("evaluate")
    over.set()
    reader.join()
    there = {(one.partition(), one.offset()) for one in stage.stack.read(OUTCOMES)}
    assert seen
    assert len(seen) == len(set(seen))
    assert set(seen) <= there, "it saw what was not committed"


def _make_again(stage: Stage, topic: str) -> None:
    """Lets the users come to an end, then deletes the topic and makes it again as it was: a worker
    that does not look stands there with a position, a copy or a client of the former one."""
    stage.users.join()
    left = stage.settle()
    assert left is None, left
    stage.before[topic] = stage.read(topic)
    admin = AdminClient(base_config(stage.bootstrap))
    (described,) = admin.describe_configs(
        [ConfigResource(ConfigResource.Type.TOPIC, topic)]
    ).values()
    own = {
        name: one.value
        for name, one in described.result(10).items()
        if one.source == ConfigSource.DYNAMIC_TOPIC_CONFIG.value
    }
    stage.stack.forget(topic)
    stage.fault(f"{topic} recreated")
    delete_topics(admin, topic)
    (made,) = admin.create_topics([NewTopic(topic, PARTITIONS, config=own)]).values()
    made.result(10)


def _ends_and_says_why(stage: Stage, role: str, topic: str) -> None:
    """All workers of the role end with a line that names the topic and the remedy, also those that
    are restarted."""
    since = len(stage.stack.lines)

    def told() -> bool:
        lines = stage.stack.lines[since:]
        return all(
            any(name in line and topic in line and _WAY_OUT.search(line) for line in lines)
            for name in stage.roles[role].names
        )

    wait_until(told, 90)
    assert not any(stage.roles[role].readiness().values())


_WAY_OUT = re.compile(r"--accept-loss|topics adopt")


def _go_on(stage: Stage, role: str) -> None:
    """The role continues with --accept-loss; then the others find nothing wrong any more."""
    others = {name: len(one.names) for name, one in stage.roles.items() if name != role}
    for name in [*stage.roles]:
        stage.stop(name)
    stage.start(role, 1, "--accept-loss")
    stage.wait_ready()
    for name, count in others.items():
        stage.start(name, count)
    stage.wait_ready()
    stage.traffic.play(8, 100)


@scenario(10)
def events_made_again(stage: Stage) -> None:
    _make_again(stage, EVENTS)
    _ends_and_says_why(stage, "evaluate", EVENTS)
    _go_on(stage, "evaluate")


@scenario(10)
def actions_made_again(stage: Stage) -> None:
    _make_again(stage, actions("letters"))
    _ends_and_says_why(stage, "deliver", actions("letters"))
    _go_on(stage, "deliver")


@scenario(10)
def users_made_again(stage: Stage) -> None:
    """Nobody starts from zero by himself: nothing is recreated."""
    _make_again(stage, USERS)
    _ends_and_says_why(stage, "evaluate", USERS)


@scenario(10)
def outcomes_made_again(stage: Stage) -> None:
    """The outcomes are lost; the workers report that before they write more."""
    _make_again(stage, OUTCOMES)
    _ends_and_says_why(stage, "evaluate", OUTCOMES)
