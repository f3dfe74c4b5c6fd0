"""The latency from sending an event to reading its output, at several rates.

Law: every event carries the time at which it was sent; sender and reader use the same clock.
"""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import cycle

from confluent_kafka import Producer

from benchmarks.cluster import Cluster
from benchmarks.expected import Expected, of_toy
from benchmarks.input import Record, sent, traffic
from benchmarks.outputs import Output, SourceReader
from benchmarks.processes import Meter
from benchmarks.real import GUARANTEE, NAME, JourneysRun
from benchmarks.results import Result, rounded
from benchmarks.throughput import INPUT_SETTINGS, Load, described
from benchmarks.toys import Toy, ToyRun
from benchmarks.traffic import Traffic
from benchmarks.verify import Verdict

RATES = (500, 2_000, 10_000)
SECONDS = 11.0
"""How long each rate is measured."""
SETTLE_SECONDS = 2.0
"""How long each rate runs before it is measured."""
WARM_RATE, WARM_SECONDS = 2_000, 7.0
TICK_SECONDS = 0.005
_FIRST_SECONDS = 60.0
_QUIET_SECONDS = 1.0
_DRAIN_SECONDS = 90.0
_PARTITIONS = 4


@dataclass(frozen=True)
class Plan:
    """What is sent.

    Attributes:
        seconds: the duration of each rate.
    """

    rates: tuple[int, ...] = RATES
    seconds: float = SECONDS

    @property
    def events(self) -> int:
        """The number of events needed at most, including those sent until the first output."""
        rated = sum(self.rates) * (self.seconds + SETTLE_SECONDS)
        return int(rated + WARM_RATE * WARM_SECONDS + 100 * _FIRST_SECONDS)


class Sender:
    """Sends records at a steady rate; each tick sends the due records of one partition together.

    Sent one by one, 2,000 events per second would cost the broker and the benchmark more than half
    a core each, which would distort the measurement. For the broker, every partition is a request.
    """

    def __init__(self, cluster: Cluster, topic: str, records: Iterator[Record]) -> None:
        self._topic = topic
        self._records = records
        self._producer = Producer({**cluster.client, "linger.ms": 0.5, "acks": "all"})
        self.stopping = threading.Event()

    def run(self, rate: int, seconds: float) -> int:
        """Send for the given time or until stopped; returns the number of records sent."""
        begun, count, turns = time.monotonic(), 0, cycle(range(_PARTITIONS))
        waiting: list[list[Record]] = [[] for _ in range(_PARTITIONS)]
        while (elapsed := time.monotonic() - begun) < seconds and not self.stopping.is_set():
            while count < elapsed * rate:
                record = next(self._records)
                waiting[record.partition].append(record)
                count += 1
            self._send(waiting[next(turns)])
            time.sleep(TICK_SECONDS)
        for records in waiting:
            self._send(records)
        return count

    def _send(self, records: list[Record]) -> None:
        for record in records:
            value = sent(record, time.time() * 1_000)
            self._producer.produce(self._topic, value, record.key, record.partition)
        records.clear()
        self._producer.poll(0)

    def flush(self) -> None:
        if left := self._producer.flush(30):
            raise RuntimeError(f"{left} events were not sent")


@dataclass
class Window:
    """The outputs so far."""

    outputs: list[Output]
    last: float

    def took(self, outputs: list[Output]) -> None:
        self.outputs.extend(outputs)
        self.last = time.monotonic()

    def wait_first(self, sender: Sender, run: ToyRun | JourneysRun) -> None:
        """Send a few events until the first output arrives."""
        deadline = time.monotonic() + _FIRST_SECONDS
        while not self.outputs:
            if (said := run.failed()) is not None or time.monotonic() > deadline:
                raise RuntimeError(said or "there was no output")
            sender.run(100, 0.5)

    def wait_quiet(self) -> None:
        """Wait until no output has arrived for a while, so that all earlier events are done."""
        deadline = time.monotonic() + _DRAIN_SECONDS
        while time.monotonic() - self.last < _QUIET_SECONDS and time.monotonic() < deadline:
            time.sleep(0.05)


def measure_toy(cluster: Cluster, toy: Toy, plan: Plan, number: int) -> list[Result]:
    """Measure a contender on the toy step, at rates that it can reach, in the round `number`."""
    topic = f"latency-{toy.name}"
    cluster.create(topic, _PARTITIONS, INPUT_SETTINGS)
    rates = [rate for rate in plan.rates if rate <= toy.most_per_s]
    try:
        with ToyRun(cluster, toy, topic, _PARTITIONS) as run:
            # Else a slow contender would start with a backlog.
            found = _measure(cluster, run, plan, rates, min(WARM_RATE, toy.most_per_s // 4))
            run.stop()
            expected = of_toy(cluster.read(topic))
            verdict = run.verify(expected)
    finally:
        cluster.delete(topic.__eq__)
    return _results(toy.name, "toy", toy.guarantee, number, found, verdict)


def measure_journeys(cluster: Cluster, plan: Plan, number: int) -> list[Result]:
    """Measure the real journey set in the round `number`."""
    with JourneysRun(cluster, partitions=_PARTITIONS) as run:
        starts = run.mark()
        found = _measure(cluster, run, plan, plan.rates, WARM_RATE)
        run.stop()
        expected: Expected = run.expected(starts)
        verdict = run.verify(expected, starts)
    return _results(NAME, "journeys", GUARANTEE, number, found, verdict)


def _results(
    contender: str,
    work: str,
    guarantee: str,
    number: int,
    found: list[dict[str, float | int]],
    verdict: Verdict,
) -> list[Result]:
    about = described(Load(Traffic(), 0, _PARTITIONS), verdict, [])
    return [
        Result(
            part="latency",
            contender=contender,
            work=work,
            guarantee=guarantee,
            round=number,
            **(about | figures),
        )
        for figures in found
    ]


def _measure(
    cluster: Cluster,
    run: ToyRun | JourneysRun,
    plan: Plan,
    rates: Sequence[int],
    warm_rate: int,
) -> list[dict[str, float | int]]:
    """The figures of each rate, by the names of fields of Result."""
    records = iter(traffic(Traffic(), plan.events, _PARTITIONS))
    window, found = Window([], time.monotonic()), []
    with SourceReader(cluster, run.outputs, run.read, window.took) as reader, _quick_switches():
        run.start()
        sender = Sender(cluster, run.input, records)
        window.wait_first(sender, run)
        meter = Meter(run.pids(), cluster.pid)
        sender.run(warm_rate, WARM_SECONDS)
        window.wait_quiet()
        for rate in rates:
            sender.run(rate, SETTLE_SECONDS)
            begun, since = meter.read(), time.time() * 1_000
            count = sender.run(rate, plan.seconds)
            ended, until = meter.read(), time.time() * 1_000
            sender.flush()
            window.wait_quiet()
            if reader.error is not None:
                raise reader.error
            took = ended.at - begun.at
            times = sorted(
                one.at - one.sent for one in list(window.outputs) if since <= one.sent <= until
            )
            found.append(
                {
                    "rate": rate,
                    "events": count,
                    "outputs": len(times),
                    "p50_ms": _quantile(times, 0.5),
                    "p99_ms": _quantile(times, 0.99),
                    "p99_9_ms": _quantile(times, 0.999),
                    "worker_cpu_percent": rounded(
                        100 * (ended.contender - begun.contender) / took, 3
                    ),
                    "broker_cpu_percent": rounded(100 * (ended.broker - begun.broker) / took, 3),
                    "rss_mb": rounded(meter.peak_mb()),
                }
            )
    return found


def _quantile(times: list[float], share: float) -> float:
    """The given quantile of the latencies."""
    return rounded(times[min(len(times) - 1, int(len(times) * share))])


@contextmanager
def _quick_switches() -> Iterator[None]:
    """Set a short switch interval, as sender and reader are threads of one process."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(0.0005)
    try:
        yield
    finally:
        sys.setswitchinterval(before)
