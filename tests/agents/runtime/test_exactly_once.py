"""Every acknowledged input takes effect exactly once, whatever happens to the workers."""

import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.agents.runtime.cluster import Cluster


@pytest.fixture
def cluster(broker: str, tmp_path: Path) -> Iterator[Cluster]:
    cluster = Cluster(broker, tmp_path)
    yield cluster
    cluster.close()


def test_two_workers_share_the_load(cluster: Cluster) -> None:
    cluster.start(1)
    cluster.start(2)
    cluster.produce(1_000, rate=200)
    cluster.drained()
    account = cluster.account()
    assert account.faults() == {}
    assert account.inputs == 1_000
    assert account.fired > 0
    assert cluster.stop(1) == 0
    assert cluster.stop(2) == 0


def test_batches_that_send_nothing_share_a_transaction(cluster: Cluster) -> None:
    cluster.start(1)
    cluster.wait_until_owned()
    cluster.produce(600, rate=300, values=lambda _: b"q")
    cluster.drained()
    assert cluster.account().faults() == {}
    assert cluster.transactions() < 600 / 3


@pytest.mark.world
@pytest.mark.slow
@pytest.mark.fault
def test_kill_9_of_workers_in_turn_loses_and_repeats_nothing(cluster: Cluster) -> None:
    cluster.start(1)
    cluster.start(2)
    traffic = cluster.produce_beside(2_400, rate=100)
    pause = threading.Event()
    for number in (1, 2, 1):
        pause.wait(6)
        cluster.kill(number)
        pause.wait(1)
        cluster.start(number)
    traffic.join()
    cluster.drained()
    assert cluster.account().faults() == {}


@pytest.mark.fault
@pytest.mark.parametrize(
    "point",
    [
        "after begin",
        "after produce",
        "inside commit",
        "after commit, before RocksDB",
        "after acknowledge",
    ],
)
def test_a_worker_that_dies_at_any_point_of_the_protocol(cluster: Cluster, point: str) -> None:
    cluster.start(1, KILL_AT=f"{point}:20")
    cluster.wait_until_owned()  # else a machine that is busy commits all of it at once
    cluster.produce(800, rate=160)
    cluster.wait_for_exit(1)
    cluster.start(1)
    cluster.drained()
    assert cluster.account().faults() == {}


@pytest.mark.fault
@pytest.mark.parametrize("end", ["error", "cancelled"])
def test_a_batch_that_fails_is_not_acknowledged_by_the_next_one(cluster: Cluster, end: str) -> None:
    """The process lives on for seconds after an error, and its other agents could go on."""
    cluster.produce(12_000)
    cluster.start(1, END_BATCH=f"{end}:6")
    assert cluster.wait_for_exit(1) != 0
    cluster.start(1)
    cluster.drained()
    assert cluster.account().faults() == {}


@pytest.mark.world
@pytest.mark.slow
@pytest.mark.fault
def test_a_paused_worker_that_wakes_up_writes_nothing(cluster: Cluster) -> None:
    cluster.start(1)
    cluster.start(2)
    traffic = cluster.produce_beside(2_400, rate=100)
    pause = threading.Event()
    pause.wait(7)
    cluster.freeze(1)
    pause.wait(12)  # beyond the session timeout: the other worker takes over
    cluster.thaw(1)
    traffic.join()
    cluster.drained()
    assert cluster.account().faults() == {}


@pytest.mark.fault
def test_a_worker_that_joins_waits_for_the_last_batches_of_one_that_stops(
    cluster: Cluster, tmp_path: Path
) -> None:
    hold = tmp_path / "hold"
    cluster.start(1, HOLD=str(hold))
    cluster.wait_until_owned()
    hold.touch()
    cluster.produce(300)
    limit = time.monotonic() + 60
    while not Path(f"{hold}.holds").exists():
        assert time.monotonic() < limit
        threading.Event().wait(0.05)
    cluster.workers[1].terminate()
    cluster.start(2)
    cluster.wait_for_members(2)
    threading.Event().wait(3)  # the group must not rebalance meanwhile, which nothing reports
    hold.unlink()
    assert cluster.wait_for_exit(1) == 0, cluster.log(1)
    cluster.drained()
    assert cluster.account().faults() == {}


@pytest.mark.fault
def test_two_groups_that_both_own_everything(cluster: Cluster) -> None:
    cluster.start(1)
    cluster.produce(300, rate=150)
    cluster.wait_until_owned()  # else each would fence the other in the middle of its start
    cluster.start(2, GROUP=f"{cluster.name}-other")
    cluster.produce(900, rate=150, seed=2)
    # The newer owner fenced the older one, which ends with a clear line.
    assert cluster.wait_for_exit(1) != 0
    assert "fenced" in cluster.log(1).lower()
    cluster.drained()
    assert cluster.account().faults() == {}
