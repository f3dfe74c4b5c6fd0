"""The throughput of a contender that processes an existing input to its end.

Law: the start-up is not measured. The time runs from the first readable output to the last one, and
the inputs between the two are counted.
"""

from __future__ import annotations

import threading
import time
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from benchmarks.cluster import Cluster
from benchmarks.expected import Expected, of_toy
from benchmarks.input import traffic
from benchmarks.outputs import Output, Progress, SourceReader
from benchmarks.processes import Meter, Usage
from benchmarks.real import GUARANTEE, NAME, JourneysRun
from benchmarks.results import Result, rounded
from benchmarks.toys import Toy, ToyRun
from benchmarks.traffic import Traffic
from benchmarks.verify import Verdict

STUCK_SECONDS = 60.0
"""A contender that shows no new output for so long is given up."""
INPUT_SETTINGS = {"message.timestamp.type": "LogAppendTime"}


@dataclass
class Race:
    """The marks of one run: the progress and the used resources at several times."""

    progress: Progress
    starts: Mapping[int, int] | None = None
    marks: list[tuple[int, Usage]] = field(default_factory=list)
    ended: threading.Event = field(default_factory=threading.Event)
    last: float = field(default_factory=time.monotonic)
    meter: Meter | None = None

    def took(self, outputs: list[Output]) -> None:
        """Mark the first output, the first after half of the input, and the last."""
        self.progress.add(outputs)
        self.last = time.monotonic()
        if self.meter is None or self.ended.is_set():
            return
        events, wanted = self.progress.events(self.starts), len(self.progress.places)
        halfway = len(self.marks) == 1 and 2 * len(self.progress.seen) >= wanted
        if not self.marks or halfway or self.progress.complete:
            self.marks.append((events, self.meter.read()))
        if self.progress.complete:
            self.ended.set()

    def figures(self) -> dict[str, float]:
        """Events per second and CPU per event between the marks."""
        (first, begun), *between, (last, ended) = self.marks
        # A small input may be done in two batches; then there is no second half.
        half, then = between[0] if between else (first, begun)
        events = last - first
        per_100k = 100_000 / events
        return {
            "events_per_s": rounded(events / (ended.at - begun.at)),
            "events_per_s_warm": rounded((last - half) / max(ended.at - then.at, 1e-9)),
            "cpu_s_per_100k": rounded((ended.contender - begun.contender) * per_100k),
            "broker_cpu_s_per_100k": rounded((ended.broker - begun.broker) * per_100k),
        }


def race(
    cluster: Cluster,
    run: ToyRun | JourneysRun,
    expected: Expected,
    starts: Mapping[int, int] | None = None,
    load: Callable[[], object] | None = None,
) -> tuple[dict[str, float], list[str]]:
    """Start the contender on its input and wait for the last output.

    Args:
        cluster: the broker.
        run: the contender.
        expected: the expected results.
        starts: the offset at which the input begins, by partition.
        load: writes the input once the contender is ready; None: it exists already.

    Returns:
        the figures, by the names of fields of Result, and the problems.
    """
    course = Race(Progress(expected.places), starts)
    with SourceReader(cluster, run.outputs, run.read, course.took) as reader:
        run.start()
        meter = course.meter = Meter(run.pids(), cluster.pid)
        if load is not None:
            load()
        course.last = time.monotonic()
        while not course.ended.wait(0.5):
            said = run.failed() or (reader.error and repr(reader.error))
            if said:
                return {}, [said]
            if time.monotonic() - course.last > STUCK_SECONDS:
                seen, wanted = len(course.progress.seen), len(expected.places)
                return {}, [f"{seen} of {wanted} outputs were there after {STUCK_SECONDS:.0f} s"]
        peak = meter.peak_mb()
    return {**course.figures(), "rss_mb": rounded(peak)}, []


@dataclass(frozen=True)
class Load:
    """The input of one measurement."""

    traffic: Traffic
    events: int
    partitions: int = 4


class SharedInput:
    """An input topic that several contenders read one after the other; a context manager."""

    def __init__(self, cluster: Cluster, load: Load) -> None:
        self._cluster = cluster
        self.load = load
        self.topic = f"input-{uuid.uuid4().hex[:8]}"

    def __enter__(self) -> SharedInput:
        load = self.load
        self._cluster.create(self.topic, load.partitions, INPUT_SETTINGS)
        self._cluster.load(self.topic, traffic(load.traffic, load.events, load.partitions))
        self.expected = of_toy(self._cluster.read(self.topic))
        return self

    def __exit__(self, *exc: object) -> None:
        self._cluster.delete(self.topic.__eq__)


def measure_toy(cluster: Cluster, toy: Toy, source: SharedInput, number: int) -> Result:
    """Measure one contender on the toy step in the round `number`."""
    load = source.load
    with ToyRun(cluster, toy, source.topic, load.partitions) as run:
        figures, problems = race(cluster, run, source.expected)
        run.stop()
        verdict = run.verify(source.expected)
    return Result(
        part="throughput",
        contender=toy.name,
        work="toy",
        guarantee=toy.guarantee,
        round=number,
        **described(load, verdict, problems),
        **figures,
    )


def measure_journeys(cluster: Cluster, load: Load, number: int) -> Result:
    """Measure the real journey set in the round `number`."""
    with JourneysRun(cluster, partitions=load.partitions) as run:
        starts = run.mark()
        cluster.load(run.input, traffic(load.traffic, load.events, load.partitions))
        expected = run.expected(starts)
        figures, problems = race(cluster, run, expected, starts[run.input])
        run.stop()
        verdict = run.verify(expected, starts)
    return Result(
        part="throughput",
        contender=NAME,
        work="journeys",
        guarantee=GUARANTEE,
        round=number,
        journeys=run.journeys,
        workers=run.workers,
        **described(load, verdict, problems),
        **figures,
    )


def described(load: Load, verdict: Verdict, problems: list[str]) -> dict[str, object]:
    """The fields of a result that describe its input and its verification."""
    wrong = [*problems, *verdict.problems]
    return {
        "users": load.traffic.users,
        "events": load.events,
        "event_bytes": load.traffic.size,
        "partitions": load.partitions,
        "verified": not wrong,
        "duplicates": verdict.duplicates,
        "problems": wrong,
    }
