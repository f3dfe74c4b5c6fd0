"""The CPU time and memory of processes, measured from outside."""

from __future__ import annotations

import time
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import psutil


@dataclass(frozen=True)
class Usage:
    """CPU seconds (user and system) used until a time, in s of the monotonic clock."""

    at: float
    contender: float
    broker: float


class Meter:
    """Reads the resource usage of the contender's and the broker's processes."""

    def __init__(self, contender: Iterable[int], broker: int) -> None:
        """Takes process ids; the contender's children are included."""
        self._contender = [psutil.Process(pid) for pid in contender]
        self._broker = psutil.Process(broker)

    def read(self) -> Usage:
        return Usage(time.monotonic(), sum(map(_cpu, self._contender)), _own_cpu(self._broker))

    def peak_mb(self) -> float:
        """The contender's peak memory, MB (10^6 bytes): VmHWM of its processes."""
        return sum(_peak(one.pid) for root in self._contender for one in _tree(root)) / 1e6

    def memory_mb(self) -> float:
        """The contender's current memory, MB."""
        return sum(one.memory_info().rss for root in self._contender for one in _tree(root)) / 1e6


def _tree(root: psutil.Process) -> list[psutil.Process]:
    return [root, *root.children(recursive=True)]


def _cpu(root: psutil.Process) -> float:
    seconds = 0.0
    for one in _tree(root):
        with suppress(psutil.NoSuchProcess):  # a child process that has just ended
            seconds += _own_cpu(one)
    return seconds


def _own_cpu(process: psutil.Process) -> float:
    times = process.cpu_times()
    return times.user + times.system


def _peak(pid: int) -> int:
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) * 1024
    return 0
