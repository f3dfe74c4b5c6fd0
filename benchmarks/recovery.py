"""The time to recover from the kill of a worker, and the speed of restoring its state."""

from __future__ import annotations

import statistics
import threading
import time
import uuid

from agents.kafka.client import base_config
from benchmarks.cluster import Cluster
from benchmarks.input import everybody, records, traffic
from benchmarks.latency import Sender, Window
from benchmarks.outputs import SourceReader
from benchmarks.real import GUARANTEE, NAME, JourneysRun
from benchmarks.restore import PARTITIONS, fill, restore_all, timed
from benchmarks.results import Result, rounded
from benchmarks.throughput import Load, described
from benchmarks.traffic import USERS, Traffic

RATE = 500
_BEFORE_SECONDS = 4.0
_LIMIT_SECONDS = 60.0
_RESTORED_RECORDS = 400_000
_RESTORED_USERS = 20_000


def measure(cluster: Cluster, workers: int, number: int) -> Result:
    """Kill one worker under traffic, in the round `number`.

    The recovery ends with the first action, from a partition of the killed worker, of an event that
    was sent after the kill.
    """
    events = traffic(Traffic(), int(RATE * (_LIMIT_SECONDS + 30)), PARTITIONS)
    window, recovered = Window([], time.monotonic()), None
    with JourneysRun(cluster, partitions=PARTITIONS, workers=workers) as run:
        cluster.load(run.input, records(everybody(USERS), PARTITIONS))
        run.start()
        run.wait_applied()
        run.wait_ready()
        assert run.supervisor is not None
        starts = run.mark()
        with SourceReader(cluster, run.outputs, run.read, window.took):
            sender = Sender(cluster, run.input, iter(events))
            sending = threading.Thread(target=sender.run, args=(RATE, _LIMIT_SECONDS + 20))
            sending.start()
            try:
                time.sleep(_BEFORE_SECONDS)
                worker, page = next(iter(run.pages().items()))
                assert page is not None
                lost = {one["partition"] for one in page["partitions"]}
                killed = time.time() * 1_000
                run.supervisor.kill(worker)
                recovered = _first(window, lost, killed)
                time.sleep(2.0)
            finally:
                sender.stopping.set()
                sending.join()
            sender.flush()
            window.wait_quiet()
        run.stop()
        verdict = run.verify(run.expected(starts), starts)
    problems = [] if recovered is not None else [f"no action within {_LIMIT_SECONDS:.0f} s"]
    about = described(Load(Traffic(), 0, PARTITIONS), verdict, problems)
    return Result(
        part="recovery",
        contender=NAME,
        work="journeys",
        guarantee=GUARANTEE,
        round=number,
        rate=RATE,
        workers=workers,
        journeys=run.journeys,
        recovery_s=None if recovered is None else rounded(recovered, 3),
        **(about | {"events": None}),
    )


def _first(window: Window, lost: set[int], killed: float) -> float | None:
    """Seconds from `killed` (ms) to the first action of a later event on these partitions."""
    deadline, looked = time.monotonic() + _LIMIT_SECONDS, 0
    while time.monotonic() < deadline:
        outputs = window.outputs[looked:]
        looked += len(outputs)
        for one in outputs:
            if one.sent > killed and one.partition in lost:
                return (one.at - killed) / 1_000
        time.sleep(0.01)
    return None


def restore(cluster: Cluster, number: int, count: int = _RESTORED_RECORDS) -> Result:
    """Restore a worker's state from its changelog into an empty folder."""
    client = dict(base_config(cluster.bootstrap))
    topic = f"restored-{uuid.uuid4().hex[:8]}"
    config = {"cleanup.policy": "compact", "message.timestamp.type": "LogAppendTime"}
    cluster.create(topic, PARTITIONS, config)
    try:
        fill(client, topic, count, _RESTORED_USERS)
        seconds = statistics.median(timed(restore_all, client, topic) for _ in range(3))
    finally:
        cluster.delete(topic.__eq__)
    return Result(
        part="restore",
        contender=NAME,
        work="restore",
        guarantee=GUARANTEE,
        round=number,
        partitions=PARTITIONS,
        events=count,
        records_per_s=rounded(count / seconds),
    )
