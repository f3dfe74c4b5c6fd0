"""Workers of all roles for a test, each in a process of its own; one that ends is started again.

They are `journeys worker` as `journeys up` runs it, but forked (tests/forked.py). `journeys up` and
its supervisor have tests of their own.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Mapping, Sequence
from typing import IO

import httpx

from tests.forked import JOURNEYS, Forked
from tests.loopback import free_port

STOP_SECONDS = 15.0
"""Between SIGTERM and SIGKILL."""
PAUSE_SECONDS = 0.5
"""Between an end and the next start."""


class Workers:
    """`lines` is what they print, each with the name of its worker, `ROLE-N`."""

    def __init__(
        self, roles: Mapping[str, int], arguments: Sequence[str], environment: Mapping[str, str]
    ) -> None:
        self.lines: list[str] = []
        self._roles = roles
        self._arguments = arguments
        self._environment = environment
        self._workers: dict[str, _Worker] = {}

    def start(self) -> None:
        for role, count in self._roles.items():
            for number in range(count):
                name, words = f"{role}-{number}", ["worker", role, *self._arguments]
                worker = _Worker(name, words, self._environment, self.lines)
                worker.start()
                self._workers[name] = worker

    def kill(self, name: str) -> None:
        """Ends a worker with SIGKILL; it is started again."""
        self._workers[name].process.kill()

    def wait_ready(self, seconds: float) -> None:
        """Returns when all were ready at once."""
        limit = time.monotonic() + seconds
        with httpx.Client(timeout=1.0, trust_env=False, verify=False) as client:
            while waiting := [one.name for one in self._workers.values() if not one.ready(client)]:
                assert time.monotonic() < limit, f"not ready after {seconds:.0f} s: {waiting}"
                threading.Event().wait(0.1)

    def stop(self) -> None:
        for worker in self._workers.values():
            worker.terminate()
        limit = time.monotonic() + STOP_SECONDS
        for worker in self._workers.values():
            worker.join(limit - time.monotonic())


class _Worker:
    """One worker and its restarts."""

    def __init__(
        self, name: str, arguments: list[str], environment: Mapping[str, str], lines: list[str]
    ) -> None:
        self.name = name
        self.process: Forked
        self._arguments = arguments
        self._environment = {**environment, "PYTHONUNBUFFERED": "1"}
        self._lines = lines
        self._port = 0
        self._stopping = threading.Event()
        self._lock = threading.Lock()  # nothing is launched once it is to stop
        self._thread = threading.Thread(target=self._keep_running, daemon=True)

    def start(self) -> None:
        self._output = self._launch()
        self._thread.start()

    def _keep_running(self) -> None:
        while not self._stopping.is_set():
            with self._output as printed:
                for line in printed:
                    self._lines.append(f"{self.name} | {line.rstrip()}")
            self._lines.append(f"{self.name} | ended ({self.process.wait()})")
            self._stopping.wait(PAUSE_SECONDS)
            with self._lock:
                if not self._stopping.is_set():
                    self._output = self._launch()

    def _launch(self) -> IO[str]:
        """Starts the process; what it prints."""
        self._port = free_port()
        read, write = os.pipe()
        with os.fdopen(write, "wb") as output:
            self.process = Forked(
                JOURNEYS,
                self._arguments,
                environment=self._environment
                | {"JOURNEYS_HEALTH_HOST": "127.0.0.1", "JOURNEYS_HEALTH_PORT": str(self._port)},
                stdout=output,
                stderr=output,
            )
        return os.fdopen(read, errors="replace")

    def ready(self, client: httpx.Client) -> bool:
        try:
            page = client.get(f"http://127.0.0.1:{self._port}/ready").json()
        except (httpx.HTTPError, ValueError):
            return False
        return bool(page["ready"])

    def terminate(self) -> None:
        with self._lock:
            self._stopping.set()
            self.process.terminate()

    def join(self, seconds: float) -> None:
        self._thread.join(max(0.0, seconds))
        if self._thread.is_alive():
            self.process.kill()
            self._thread.join(10)
