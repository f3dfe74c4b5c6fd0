"""The main contender: `journeys worker evaluate` with the real journey set."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Self

from agents.kafka.creating import create_topics
from agents.kafka.topics import EVENTS, OUTCOMES, actions, application
from agents.processes.program import JOURNEYS
from agents.processes.supervisor import Supervisor
from agents.roles.evaluate import APPLICATION
from benchmarks.cluster import Cluster
from benchmarks.expected import Expected, foreseen, input_of, of_journeys
from benchmarks.input import Record
from benchmarks.journey_set import journey_set
from benchmarks.outputs import action
from benchmarks.verify import Verdict, verify_journeys

ROOT = Path(__file__).parents[1]
NAME = "journeys"
GUARANTEE = "exactly once"
_READY_SECONDS = 120
_APPLIED_SECONDS = 600
_PREFIX = "journeys."


class JourneysRun:
    """Evaluate workers with new topics; a context manager that removes everything at the end."""

    read = staticmethod(action)

    def __init__(
        self, cluster: Cluster, journeys: int = 10, partitions: int = 4, workers: int = 1
    ) -> None:
        self._cluster = cluster
        self._partitions = partitions
        self.journeys = journeys
        self.workers = workers
        self.documents = journey_set(journeys)
        self.input = EVENTS
        self.outputs = (actions("mailer"), actions("chat"))
        self.supervisor: Supervisor | None = None
        self._lines: list[str] = []

    def __enter__(self) -> Self:
        self._folder = Path(tempfile.mkdtemp(prefix="journeys-bench-"))
        self._environment = {
            **os.environ,
            "JOURNEYS_BROKER": self._cluster.bootstrap,
            "JOURNEYS_STATE_DIR": str(self._folder / "state"),
        }
        create_topics(self._cluster.bootstrap, self._partitions)
        path = self._folder / "journeys.yaml"
        path.write_text(self.documents, "utf-8")
        with Supervisor({"register": 1}, environment=self._environment) as register:
            register.wait_ready(_READY_SECONDS)
            applied = subprocess.run(
                [*JOURNEYS, "apply", str(path)],
                cwd=ROOT,
                env=self._environment,
                capture_output=True,
                text=True,
            )
            if applied.returncode:
                raise RuntimeError(applied.stderr)
        return self

    def __exit__(self, *exc: object) -> None:
        self.stop()
        groups = [APPLICATION, application("register")]
        self._cluster.delete(lambda name: name.startswith(_PREFIX), groups)
        shutil.rmtree(self._folder, ignore_errors=True)

    def start(self) -> None:
        self.supervisor = Supervisor(
            {"evaluate": self.workers},
            environment=self._environment,
            report=lambda name, line: self._lines.append(f"{name}: {line}"),
        ).start()
        while len(self.pids()) < self.workers:
            assert self.failed() is None

    def pids(self) -> list[int]:
        assert self.supervisor is not None
        found = map(self.supervisor.pid, self.supervisor.names)
        return [pid for pid in found if pid is not None]

    def pages(self) -> Mapping[str, dict[str, Any] | None]:
        """The readiness page of each worker."""
        assert self.supervisor is not None
        return self.supervisor.pages()

    def failed(self) -> str | None:
        """The last output of the workers, if one has ended by itself."""
        if any(": ended (" in line for line in self._lines):
            return "\n".join(self._lines[-15:])
        return None

    def stop(self) -> None:
        """Stop the workers orderly; their local state is kept until the context ends."""
        if self.supervisor is not None:
            self.supervisor.stop()
            self.supervisor = None

    def mark(self) -> dict[str, dict[int, int]]:
        """The current end of its topics; later records belong to the measurement."""
        return {topic: self._cluster.ends(topic) for topic in (EVENTS, OUTCOMES, *self.outputs)}

    def expected(self, starts: Mapping[str, Mapping[int, int]]) -> Expected:
        """The expected results of the input from `starts`, given the earlier input."""
        begun = starts[EVENTS]
        users = {message.key() for message in self._cluster.read(EVENTS, begun)}
        return of_journeys(
            (
                input_of(message)
                for message in self._cluster.read(EVENTS)
                if message.key() is None or message.key() in users
            ),
            self.documents,
            begun,
        )

    def foreseen(
        self, records: Iterable[Record], starts: Mapping[str, Mapping[int, int]]
    ) -> Expected:
        """The same for records that are not in the log yet; the log must be empty."""
        return of_journeys(foreseen(records, EVENTS, starts[EVENTS]), self.documents)

    def wait_ready(self) -> None:
        """Wait until every worker owns partitions."""
        assert self.supervisor is not None
        deadline = time.monotonic() + _READY_SECONDS
        while True:
            self.supervisor.wait_ready(_READY_SECONDS)
            if all(page is not None and page["partitions"] for page in self.pages().values()):
                return
            if time.monotonic() > deadline:
                raise RuntimeError("a worker was given no partition")
            time.sleep(0.2)

    def wait_applied(self) -> None:
        """Wait until all current input is applied."""
        ends = self._cluster.ends(EVENTS)
        deadline = time.monotonic() + _APPLIED_SECONDS
        positions: dict[int, int] = {}
        while any(positions.get(one, 0) < end for one, end in ends.items()):
            said = self.failed()
            if said is not None or time.monotonic() > deadline:
                raise RuntimeError(said or f"applied {positions} of {ends}")
            time.sleep(0.2)
            for page in self.pages().values():
                for one in [] if page is None else page["partitions"]:
                    positions[one["partition"]] = one["position"]

    def verify(self, expected: Expected, starts: Mapping[str, Mapping[int, int]]) -> Verdict:
        return verify_journeys(self._cluster, self.outputs, OUTCOMES, expected, starts)
