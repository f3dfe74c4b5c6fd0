"""The benchmark measures what is there and finds what is not, on a real broker with few events."""

from __future__ import annotations

import os
import signal
import time
from collections import Counter
from collections.abc import Iterator

import pytest

from benchmarks import latency
from benchmarks.cluster import Cluster
from benchmarks.expected import Expected, of_toy
from benchmarks.input import Record, traffic
from benchmarks.outputs import Output, Progress
from benchmarks.processes import Usage
from benchmarks.results import Result
from benchmarks.throughput import (
    Load,
    Race,
    SharedInput,
    measure_journeys,
    measure_toy,
)
from benchmarks.toys import TOYS, Toy, ToyRun
from benchmarks.traffic import Traffic
from benchmarks.verify import verify_toy

pytestmark = pytest.mark.world  # the engine beside programs that do the same without it

EVENTS = 12_000
LOAD = Load(Traffic(users=300), EVENTS)
OURS, *_, BARE = TOYS


@pytest.fixture(scope="module")
def cluster() -> Iterator[Cluster]:
    with Cluster() as running:
        yield running


def assert_measured(result: Result) -> None:
    assert result.problems == []
    assert result.verified
    for figure in (result.events_per_s, result.events_per_s_warm, result.rss_mb):
        assert figure is not None
        assert figure > 0


@pytest.mark.parametrize("toy", [OURS, BARE], ids=lambda toy: toy.name)
def test_a_toy_is_measured_and_leaves_nothing(cluster: Cluster, toy: Toy) -> None:
    with SharedInput(cluster, LOAD) as source:
        assert source.expected.events == EVENTS
        assert_measured(measure_toy(cluster, toy, source, 1))
    assert cluster.topics(lambda name: not name.startswith("__")) == []


def test_the_real_journeys_do_exactly_what_the_pure_engine_says(cluster: Cluster) -> None:
    assert_measured(measure_journeys(cluster, LOAD, 1))
    assert cluster.topics(lambda name: not name.startswith("__")) == []


def test_latency_is_measured_at_every_rate(cluster: Cluster) -> None:
    begun = time.time()
    found = latency.measure_toy(cluster, BARE, latency.Plan((300, 600), 2.0), 1)
    assert [one.rate for one in found] == [300, 600]
    for one in found:
        assert one.problems == []
        assert one.events is not None
        assert one.rate is not None
        assert 0.5 < one.events / one.rate / 2.0 < 1.1
        assert one.outputs
        assert one.p50_ms is not None
        assert one.p99_9_ms is not None
        assert 0 < one.p50_ms <= one.p99_9_ms < (time.time() - begun) * 1_000


def test_what_is_missing_repeated_or_wrong_is_found(cluster: Cluster) -> None:
    names = "found-out", "found-changelog"
    for name in names:
        cluster.create(name, 1)
    log = b'{"count":%d,"last":"m","waits":[]}'
    cluster.load(names[0], [Record(0, b"u1", b'{"id":"%s"}' % one) for one in (b"a", b"b", b"a")])
    cluster.load(names[1], [Record(0, b'"u1"', log % 1), Record(0, b'"u1"', log % 2)])
    right = Expected({"a": (0, 0), "b": (0, 1)}, counts=Counter(u1=2))

    def problems(expected: Expected, once: bool = False) -> list[str]:
        return list(verify_toy(cluster, names[0], names[1:], expected, once).problems)

    assert problems(right) == []
    assert problems(right, once=True) == ["1 outputs came more than once"]
    more = Expected({**right.places, "c": (0, 2)}, counts=right.counts)
    assert problems(more) == ["1 of 3 outputs are missing"]
    assert problems(Expected({"a": (0, 0)}, counts=right.counts)) == ["1 outputs must not be there"]
    assert problems(Expected(right.places, counts=Counter(u1=3))) == [
        "1 of 1 records count wrong, 1 are in found-changelog"
    ]
    assert problems(Expected(right.places, counts=Counter(u1=2, u2=1))) == [
        "1 of 2 records count wrong, 1 are in found-changelog"
    ]
    cluster.delete(names.__contains__)


def test_one_that_ends_by_itself_is_reported(cluster: Cluster) -> None:
    with ToyRun(cluster, BARE, "no-such-topic", 1) as run:
        run.start()
        assert run.failed() is None
        os.kill(run.pids()[0], signal.SIGKILL)
        deadline = time.monotonic() + 10
        while (said := run.failed()) is None:
            assert time.monotonic() < deadline
        assert said.startswith("ended with code")


def test_what_counts_is_the_input_between_the_first_and_the_last_output() -> None:
    race = Race(Progress({}))
    race.marks = [
        (100, Usage(1.0, 0.5, 0.25)),
        (600, Usage(2.0, 1.0, 0.5)),
        (1_400, Usage(3.0, 1.5, 0.75)),
    ]
    assert race.figures() == {
        "events_per_s": 650.0,
        "events_per_s_warm": 800.0,
        "cpu_s_per_100k": 76.92,
        "broker_cpu_s_per_100k": 38.46,
    }


def test_an_output_shows_how_far_its_partition_is() -> None:
    progress = Progress({"a": (0, 99), "b": (0, 599), "c": (1, 299)})
    for ids, events in ((["b"], 600), (["a", "unknown"], 600), (["c", "b"], 900)):
        assert not progress.complete
        progress.add([Output(0.0, id, 0.0, 0) for id in ids])
        assert progress.events() == events
    assert progress.complete


def test_inputs_before_the_start_do_not_count() -> None:
    progress = Progress({"a": (0, 1_099)})
    progress.add([Output(0.0, "a", 0.0, 0)])
    assert progress.events({0: 1_000}) == 100
    assert progress.complete


def test_one_event_in_ten_has_an_output_and_all_get_the_same(cluster: Cluster) -> None:
    assert traffic(Traffic(), 5_000, 4) == traffic(Traffic(), 5_000, 4)
    cluster.create("share", 4)
    cluster.load("share", traffic(Traffic(), 5_000, 4))
    found = of_toy(cluster.read("share"))
    assert 0.08 < len(found.places) / found.events < 0.12
    cluster.delete("share".__eq__)
