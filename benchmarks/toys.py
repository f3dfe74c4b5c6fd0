"""The contenders that run the toy step, each started and stopped as its documentation says."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Self

from agents.processes import guard
from benchmarks.cluster import Cluster
from benchmarks.expected import Expected
from benchmarks.outputs import toy_output
from benchmarks.verify import Verdict, verify_toy

ROOT = Path(__file__).parents[1]
PEERS = ROOT / ".venv-peers" / "bin" / "python"
"""The environment of the peers in Python, made by `make bench` from benchmarks/peers."""
COMPACTED = {"cleanup.policy": "compact", "message.timestamp.type": "LogAppendTime"}
_STOP_SECONDS = guard.STOP_SECONDS + 5
_LINES_SHOWN = 15


@dataclass(frozen=True)
class Toy:
    """One contender.

    Attributes:
        name: the contender's name.
        guarantee: its delivery guarantee.
        command: the command that runs it; `java`: the compiled class.
        settings: further environment variables.
        share: the share of the events that it gets in the throughput part; 1 unless it is slow.
        most_per_s: the highest rate at which its latency is measured.
        changelog: the changelog topic, if it must be created; NAME is the name of the run.
    """

    name: str
    guarantee: str
    command: tuple[str, ...]
    settings: Mapping[str, str] = field(default_factory=dict)
    share: float = 1.0
    most_per_s: int = 1_000_000
    changelog: str | None = None

    @property
    def once(self) -> bool:
        return self.guarantee.startswith("exactly once")


def _module(name: str) -> tuple[str, ...]:
    return "-m", f"benchmarks.contenders.{name}"


TOYS = (
    Toy(
        "journeys-loop",
        "exactly once",
        (sys.executable, *_module("our_loop")),
        changelog="NAME-changelog",
    ),
    Toy("quix", "at least once", (str(PEERS), *_module("quix_app"))),
    Toy(
        "kafka-streams-eos",
        "exactly once (v2)",
        ("java",),
        {"GUARANTEE": "exactly_once_v2"},
    ),
    Toy("kafka-streams", "at least once", ("java",), {"GUARANTEE": "at_least_once"}),
    Toy(
        "faust",
        "at least once",
        (str(PEERS), *_module("faust_agent"), "worker", "-l", "warn"),
        share=0.1,
        most_per_s=2_000,
    ),
    Toy(
        "librdkafka",
        "at least once",
        (sys.executable, *_module("bare_loop")),
        changelog="NAME-changelog",
    ),
)


@cache
def _java() -> tuple[str, ...]:
    from benchmarks.java import compiled

    return tuple(compiled(Path(tempfile.mkdtemp(prefix="journeys-toystep-"))))


class ToyRun:
    """One run of a contender on an input topic; a context manager that cleans up at the end."""

    read = staticmethod(toy_output)

    def __init__(self, cluster: Cluster, toy: Toy, source: str, partitions: int) -> None:
        self._cluster = cluster
        self._toy = toy
        self._partitions = partitions
        self.input = source
        self._name = f"{toy.name}-{uuid.uuid4().hex[:8]}"
        self.outputs: Sequence[str] = (f"out-{self._name}",)
        self._guard: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        self._state = Path(tempfile.mkdtemp(prefix=f"{self._name}-"))
        self._log = self._state / "contender.log"
        self._cluster.create(self.outputs[0], self._partitions)
        if self._toy.changelog is not None:
            changelog = self._toy.changelog.replace("NAME", self._name)
            self._cluster.create(changelog, self._partitions, COMPACTED)
        return self

    def __exit__(self, *exc: object) -> None:
        self.stop()
        self._cluster.delete(self._is_ours, [self._name])
        shutil.rmtree(self._state, ignore_errors=True)

    def _is_ours(self, topic: str) -> bool:
        return self._name in topic

    def start(self) -> None:
        command = self._toy.command
        if command == ("java",):
            command = _java()
        settings = {
            "BROKER": self._cluster.bootstrap,
            "NAME": self._name,
            "INPUT": self.input,
            "OUTPUT": self.outputs[0],
            "STATE": str(self._state / "state"),
            "PARTITIONS": str(self._partitions),
        }
        (self._state / "state").mkdir(exist_ok=True)
        self._guard = subprocess.Popen(
            [sys.executable, "-I", "-S", guard.__file__, str(self._log), "", *command],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            bufsize=0,
            cwd=ROOT,
            env={**os.environ, **settings, **self._toy.settings},
            start_new_session=True,
        )
        assert self._guard.stdout is not None
        with self._guard.stdout as pid:
            self._pid = int(pid.readline())

    def pids(self) -> list[int]:
        return [self._pid]

    def failed(self) -> str | None:
        """The last lines that it printed, if it has ended by itself."""
        if self._guard is None or self._guard.poll() is None:
            return None
        lines = self._log.read_text("utf-8", "replace").splitlines()
        return "\n".join([f"ended with code {self._guard.returncode}", *lines[-_LINES_SHOWN:]])

    def stop(self) -> None:
        """Stop it orderly, so that it flushes its caches."""
        if self._guard is None:
            return
        assert self._guard.stdin is not None
        if self._guard.poll() is None:
            self._guard.stdin.write(b"T")
            self._guard.wait(_STOP_SECONDS)
        self._guard.stdin.close()
        self._guard = None

    def verify(self, expected: Expected) -> Verdict:
        logs = self._cluster.topics(lambda name: self._is_ours(name) and "changelog" in name)
        return verify_toy(self._cluster, self.outputs[0], logs, expected, self._toy.once)
