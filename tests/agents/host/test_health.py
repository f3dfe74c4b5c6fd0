"""Readiness tells the truth: while starting, at work, rebalancing, stopping and after a failure."""

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.agents.host.asked import Asked
from tests.agents.runtime.cluster import Cluster


async def test_ready_means_that_the_owned_partitions_are_read(asked: Asked) -> None:
    app = asked.app
    assert (await asked.ready())[0] == 503
    await app.own({(asked.source, 0), (asked.source, 1)}, 1)
    assert (await asked.ready())[0] == 503, "owned, and not yet at work"
    app.start_reading()
    status, page = await asked.ready()
    assert status == 200
    assert page["ready"] is True
    assert [(p["partition"], p["position"], p["lag"]) for p in page["partitions"]] == [
        (0, 0, 0),
        (1, 0, 0),
    ]
    app.on_rebalance_start()
    status, page = await asked.ready()
    assert (status, page["rebalancing"]) == (503, True)
    app.on_rebalance_end()
    assert (await asked.ready())[0] == 200
    app.exit.failed = ValueError("said by nobody else")
    status, page = await asked.ready()
    assert (status, page["failed"]) == (503, "ValueError")
    app.exit.failed = None
    for _ in range(2):  # the first batch of each partition, so that the loops can end
        async with await asked.batches.get():
            pass
    await app.quiesce()
    assert (await asked.ready())[0] == 503
    await app.ownership.release()


@pytest.fixture
def cluster(broker: str, tmp_path: Path) -> Iterator[Cluster]:
    cluster = Cluster(broker, tmp_path, partitions=2)
    yield cluster
    cluster.close()


def page_of(cluster: Cluster, number: int) -> dict[str, Any] | None:
    """What the worker's page says now; None when it doesn't answer."""
    told = [line for line in cluster.log(number).splitlines() if "readiness at" in line]
    if not told:
        return None
    try:
        answer = httpx.get(told[-1].split()[-1], timeout=2, trust_env=False)
    except httpx.TransportError:
        return None
    page: dict[str, Any] = answer.json()
    assert page["ready"] == (answer.status_code == 200)
    return page


def pages_until(cluster: Cluster, number: int, reached: Any, seconds: float = 120) -> list[Any]:
    limit = time.monotonic() + seconds
    pages = []
    while True:
        pages.append(page_of(cluster, number))
        if reached(pages[-1]):
            return pages
        assert time.monotonic() < limit, pages[-1]


def ready_with(partitions: int) -> Any:
    return lambda page: page and page["ready"] and len(page["partitions"]) == partitions


@pytest.mark.fault
def test_a_worker_says_so_when_it_starts_shares_and_fails(cluster: Cluster, tmp_path: Path) -> None:
    hold, fail = tmp_path / "hold", tmp_path / "fail"
    cluster.start(1, HOLD=str(hold))
    starting = pages_until(cluster, 1, ready_with(2))
    assert any(page is None or not page["ready"] for page in starting)
    hold.touch()  # a rebalance waits for the batch that is in flight
    cluster.produce(100)
    pages_until(cluster, 1, lambda page: page and any(one["lag"] for one in page["partitions"]))
    cluster.start(2, END_BATCH="error:1", END_FROM=str(fail))
    pages_until(cluster, 1, lambda page: page and page["rebalancing"] and not page["ready"])
    hold.unlink()
    pages_until(cluster, 1, ready_with(1))
    pages_until(cluster, 2, ready_with(1))
    fail.touch()
    cluster.produce_beside(2_000, rate=500)
    failing = pages_until(cluster, 2, lambda page: page is None or page["failed"])
    assert failing[-1] is None or not failing[-1]["ready"]
    assert cluster.wait_for_exit(2) != 0
    pages_until(cluster, 1, ready_with(2))
    cluster.drained()
    assert cluster.account().faults() == {}
