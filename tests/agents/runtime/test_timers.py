"""Timers never overtake the log: what reached the source before a deadline is applied before it."""

import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from confluent_kafka import Producer

from tests.agents.runtime.cluster import Cluster

PAUSE = threading.Event()


@pytest.fixture
def cluster(broker: str, tmp_path: Path) -> Iterator[Cluster]:
    cluster = Cluster(broker, tmp_path, partitions=1)
    yield cluster
    cluster.close()


def write(cluster: Cluster, *values: bytes) -> None:
    producer = Producer({"bootstrap.servers": cluster.broker})
    for value in values:
        producer.produce(f"in-{cluster.name}", key=b"u", value=value, partition=0)
    assert producer.flush(30) == 0


def wait_for_output(cluster: Cluster, prefix: str, count: int = 1, seconds: float = 120) -> None:
    limit = time.monotonic() + seconds
    while sum(prefix in m.value().decode() for m in cluster.read(f"out-{cluster.name}")) < count:
        assert time.monotonic() < limit, f"no {prefix} output"
        PAUSE.wait(0.1)


def fired(cluster: Cluster) -> int:
    return sum(m.value().startswith(b'["t-') for m in cluster.read(f"out-{cluster.name}"))


def test_a_timer_of_an_idle_partition_fires_at_or_just_after_its_time(cluster: Cluster) -> None:
    cluster.start(1)
    write(cluster, b"w:2000")
    wait_for_output(cluster, "t-0-0")
    account = cluster.account()
    assert account.faults() == {}
    assert account.fired == 1


@pytest.mark.slow
def test_an_answer_in_the_backlog_beats_a_deadline_that_passed_in_an_outage(
    cluster: Cluster,
) -> None:
    cluster.start(1)
    cluster.wait_until_owned()
    write(cluster, b"w:7000")
    wait_for_output(cluster, "e-0-0")
    cluster.kill(1)
    write(cluster, b"c")
    PAUSE.wait(8)  # the deadline passes while no worker checks
    cluster.start(1)
    wait_for_output(cluster, "e-0-1")
    cluster.drained()
    account = cluster.account()
    assert account.faults() == {}
    assert account.fired == 0, "the answer arrived before the deadline"


@pytest.mark.slow
def test_an_answer_behind_a_long_backlog_still_beats_the_deadline(cluster: Cluster) -> None:
    cluster.start(1)
    cluster.wait_until_owned()
    write(cluster, b"w:15000")
    deadline = time.monotonic() + 15
    wait_for_output(cluster, "e-0-0")
    cluster.kill(1)
    cluster.produce(20_000, users=50)
    write(cluster, b"c")
    assert time.monotonic() < deadline, "too slow a machine for this deadline"
    PAUSE.wait(deadline - time.monotonic())
    cluster.start(1)
    cluster.drained()
    account = cluster.account()
    assert account.faults() == {}
    assert 0 not in cluster.states()[b"u"].fired


def answer_in_an_open_transaction(cluster: Cluster) -> Producer:
    """A worker with a timer of 5 s, whose answer is in the source but not yet committed."""
    cluster.start(1)
    cluster.wait_until_owned()
    writer = Producer(
        {"bootstrap.servers": cluster.broker, "transactional.id": f"other-{cluster.name}"}
    )
    writer.init_transactions(30)
    write(cluster, b"w:5000")
    wait_for_output(cluster, "e-0-0")
    writer.begin_transaction()
    writer.produce(f"in-{cluster.name}", key=b"u", value=b"c", partition=0)
    assert writer.flush(10) == 0
    return writer


def test_a_deadline_waits_for_a_transaction_that_is_open_in_the_source(cluster: Cluster) -> None:
    """The last stable offset ends before the answer; only the high watermark shows it is there."""
    writer = answer_in_an_open_transaction(cluster)
    PAUSE.wait(8)  # well past the deadline
    assert fired(cluster) == 0
    writer.commit_transaction(30)
    wait_for_output(cluster, "e-0-1")
    cluster.drained()
    account = cluster.account()
    assert account.faults() == {}
    assert account.fired == 0


def test_an_aborted_transaction_in_the_source_holds_no_timer_up(cluster: Cluster) -> None:
    writer = answer_in_an_open_transaction(cluster)
    writer.abort_transaction(30)
    wait_for_output(cluster, "t-0-0")
    assert fired(cluster) == 1
