"""A program that uses the consumer group of a role is named, instead of a worker that just ends."""

import time
import uuid
from pathlib import Path

from confluent_kafka import Consumer

from agents.errors import EXIT_FAILED
from tests.agents.runtime.cluster import Cluster


def test_a_worker_that_finds_another_program_in_its_group_says_which_and_ends(
    broker: str, tmp_path: Path
) -> None:
    cluster = Cluster(broker, tmp_path, partitions=1)
    stranger = Consumer(
        {
            "bootstrap.servers": broker,
            "group.id": cluster.name,
            "client.id": f"stranger-{uuid.uuid4().hex[:6]}",
            "auto.offset.reset": "earliest",
        }
    )
    try:
        assigned: list[int] = []
        stranger.subscribe(
            [f"in-{cluster.name}"],
            on_assign=lambda _, partitions: assigned.extend(p.partition for p in partitions),
        )
        limit = time.monotonic() + 60
        while not assigned:
            assert time.monotonic() < limit, "the stranger did not join"
            stranger.poll(0.2)
        cluster.start(1)
        deadline = time.monotonic() + 120
        while cluster.workers[1].poll() is None:
            assert time.monotonic() < deadline, "the worker lives on"
            stranger.poll(0.2)
        assert cluster.workers[1].returncode == EXIT_FAILED
        told = cluster.log(1)
        assert f"the consumer group {cluster.name} has members that are not workers" in told
        assert "stranger-" in told
    finally:
        stranger.close()
        cluster.close()
