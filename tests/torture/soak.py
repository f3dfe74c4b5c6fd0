"""`python -m tests.torture.soak [--minutes N]`: does a worker that lives long grow?

Steady traffic through all roles, and every few seconds what each worker holds: memory, descriptors,
threads. After a warm-up, the slope of each is given with its interval; the exit code is 0 only when
no interval lies above its bound. The users' account must be all zeros as well.

Law: a slope comes from the means of blocks of time, since neighbouring samples say the same; so the
interval holds although a sample depends on the one before.
"""

from __future__ import annotations

import argparse
import math
import os
import statistics
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import psutil

from tests.torture.account import draw_up
from tests.torture.stage import Stage, stage
from tests.torture.worker import MEMORY

USERS = 50
"""Few, so that what is kept of each (the newest 1,000 ids of messages) is full after minutes."""
RATE = 50.0
SAMPLE_SECONDS = 5.0
BLOCKS = 12
WARM_UP = 0.3
"""This share is not measured: buffers fill, code is loaded, allocators find their size."""
MB = 1024 * 1024


class Measure(NamedTuple):
    """What is measured. unit: what a slope is given in, an hour; bound: the greatest slope that is
    taken for none."""

    name: str
    unit: str
    bound: float


MEASURES = (
    Measure("rss", "MB", 6.0),
    Measure("pss", "MB", 6.0),
    Measure("heap", "MB", 6.0),
    # It follows how full the write buffers are, up and down over hours. Its limit is a store's own:
    # tests/tables/test_store.py.
    Measure("rocksdb", "MB", math.inf),
    Measure("descriptors", "", 4.0),
    Measure("threads", "", 1.0),
)


@dataclass(frozen=True)
class Slope:
    """Change of a measure an hour: the estimate and the ends of its 95 % interval."""

    estimate: float
    low: float
    high: float


def slope(samples: Sequence[tuple[float, float]], blocks: int = BLOCKS) -> Slope:
    """The slope of what was measured.

    Args:
        samples: (seconds, value) in order of time, without the warm-up; at least one a block.
        blocks: how many stretches of equal length their means are taken of; at least three.
    """
    begin, end = samples[0][0], samples[-1][0]
    parts: list[list[tuple[float, float]]] = [[] for _ in range(blocks)]
    for at, value in samples:
        number = min(blocks - 1, int((at - begin) / (end - begin) * blocks))
        parts[number].append((at / 3_600, value))
    x = [statistics.fmean(at for at, _ in part) for part in parts if part]
    y = [statistics.fmean(value for _, value in part) for part in parts if part]
    estimate, start = statistics.linear_regression(x, y)
    left = sum((b - start - estimate * a) ** 2 for a, b in zip(x, y, strict=True))
    mean, degrees = statistics.fmean(x), len(x) - 2
    error = math.sqrt(left / degrees / sum((a - mean) ** 2 for a in x))
    half = _t_quantile(degrees) * error
    return Slope(estimate, estimate - half, estimate + half)


def _t_quantile(degrees: int) -> float:
    """Student's 97.5 % quantile: the expansion of Cornish and Fisher, right to 2 % from 3 on."""
    z, n = statistics.NormalDist().inv_cdf(0.975), degrees
    return (
        z
        + (z**3 + z) / (4 * n)
        + (5 * z**5 + 16 * z**3 + 3 * z) / (96 * n**2)
        + (3 * z**7 + 19 * z**5 + 17 * z**3 - 15 * z) / (384 * n**3)
    )


Samples = dict[tuple[str, str], list[tuple[float, float]]]
"""(seconds, value) by worker and measure."""


def samples_of(play: Stage, seconds: float) -> Samples:
    """Looks at every worker, again and again for so long."""
    found: Samples = defaultdict(list)
    began = time.monotonic()
    pids = dict(_workers(play))
    while (now := time.monotonic() - began) < seconds:
        for name, pid in _workers(play):
            assert pids[name] == pid, f"{name} was started again"
            for measure, value in _look(play, pid).items():
                found[name, measure].append((now, value))
        play.pause(SAMPLE_SECONDS - (time.monotonic() - began - now))
    return found


def _workers(play: Stage) -> Iterator[tuple[str, int]]:
    for supervisor in play.roles.values():
        for name in supervisor.names:
            pid = supervisor.pid(name)
            assert pid is not None, f"{name} has ended"
            yield name, pid


def _look(play: Stage, pid: int) -> dict[str, float]:
    process = psutil.Process(pid)
    maps = process.memory_maps(grouped=True)
    found = {
        "rss": sum(one.rss for one in maps) / MB,
        "pss": sum(one.pss for one in maps) / MB,
        "heap": sum(one.anonymous for one in maps) / MB,
        "descriptors": float(_descriptors(pid)),
        "threads": float(process.num_threads()),
    }
    report = Path(play.environment[MEMORY], str(pid))
    if report.exists():
        found["rocksdb"] = int(report.read_text()) / MB
    return found


def _descriptors(pid: int) -> int:
    """Open descriptors without RocksDB's sorted files: a store gets one more at each flush, every
    few minutes here, until the first compaction hours later. That their number levels off is shown
    in tests/tables/test_store.py."""
    count = 0
    for one in os.scandir(f"/proc/{pid}/fd"):
        with suppress(OSError):  # closed meanwhile
            count += not os.readlink(one.path).endswith(".sst")
    return count


class Finding(NamedTuple):
    """The slope of one measure of one worker."""

    worker: str
    measure: Measure
    begin: float
    end: float
    slope: Slope

    @property
    def grows(self) -> bool:
        """Whether the whole interval lies above the bound."""
        return self.slope.low > self.measure.bound

    def line(self) -> str:
        measure, found = self.measure, self.slope
        unit = f"{measure.unit}/h" if measure.unit else "/h"
        values = f"{self.begin:9.1f} {self.end:9.1f} {found.estimate:+9.1f}"
        interval = f"[{found.low:+.1f}, {found.high:+.1f}]"
        says = "grows" if self.grows else "too short to tell" if found.high > measure.bound else ""
        return f"{self.worker:<12}{measure.name:<12}{values} {unit:<5}{interval:<20}{says}"


def findings(samples: Samples, warm_up: float) -> list[Finding]:
    """warm_up: seconds that are left out."""
    found = []
    for worker in dict.fromkeys(worker for worker, _ in samples):
        for measure in MEASURES:
            kept = [one for one in samples.get((worker, measure.name), []) if one[0] >= warm_up]
            if len(kept) >= BLOCKS:
                values = [value for _, value in kept]
                few = max(1, len(values) // BLOCKS)
                begin, end = statistics.fmean(values[:few]), statistics.fmean(values[-few:])
                found.append(Finding(worker, measure, begin, end, slope(kept)))
    return found


def soak(directory: Path, seconds: float, seed: int) -> tuple[list[Finding], dict[str, object]]:
    """Returns the slopes, and what the account of the users must not have."""
    memory = directory / "memory"
    memory.mkdir()
    environment = {MEMORY: str(memory)}
    with stage(directory, seed, users=USERS, environment=environment) as play:
        traffic = play.traffic.beside(seconds, RATE)
        samples = samples_of(play, seconds)
        traffic.join()
        left = play.settle()
        account = draw_up(play.read, play.stack.dead(), play.receiver.requests, play.faults)
        print(f"{account.inputs} inputs, {account.actions} actions, {account.timers} timers")
    faults = account.faults()
    return findings(samples, WARM_UP * seconds), faults | ({"not_settled": left} if left else {})


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=60.0, help="how long (default 60)")
    parser.add_argument("--seed", type=int, default=1)
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="soak-") as directory:
        found, faults = soak(Path(directory), chosen.minutes * 60, chosen.seed)
    print(f"{'worker':<12}{'measure':<12}{'first':>9} {'last':>9} {'slope':>9}       95 % interval")
    for one in found:
        print(one.line())
    bounds = ", ".join(f"{one.name} {one.bound:g}" for one in MEASURES if one.bound < math.inf)
    print(f"bounds an hour: {bounds}")
    growing = [f"{one.worker} {one.measure.name}" for one in found if one.grows]
    if growing or faults or not found:
        sys.exit(f"growing: {', '.join(growing) or 'nothing'}; account: {faults or 'all zeros'}")


if __name__ == "__main__":
    main()
