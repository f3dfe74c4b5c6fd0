"""Topics that lose what they held, or are read slowly."""

from __future__ import annotations

import threading

from confluent_kafka import Consumer, TopicPartition
from confluent_kafka.admin import AdminClient

from agents.kafka.client import base_config
from agents.kafka.topics import EVENTS, OUTCOMES
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
