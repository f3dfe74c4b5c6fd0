"""The demo's workers: started one role after the other, watched, stopped together.

Law: they get the demo's settings, never the user's own.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from pathlib import Path

from agents.demo.receiver import HOST
from agents.demo.scene import Scene
from agents.processes.supervisor import Supervisor

_ENDED = "ended ("  # begins the supervisor's line about a worker that ended


class Workers:
    """The workers, and a thread that reads their readiness pages twice a second."""

    def __init__(
        self,
        scene: Scene,
        environment: Mapping[str, str],
        started: ExitStack,
        report: Callable[[str], None],
    ) -> None:
        """report: called, from several threads, when a worker has ended by itself."""
        self._scene = scene
        self._environment = environment
        self._started = started
        self._report = report
        self._supervisors: list[Supervisor] = []
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._read_pages, name="inspector", daemon=True)
        started.callback(self._stop)
        self._thread.start()

    def start(self, roles: Mapping[str, int]) -> Supervisor:
        """Starts some workers; returns at once."""
        supervisor = Supervisor(roles, environment=self._environment, report=self._add_line)
        self._scene.pages |= dict.fromkeys(supervisor.names)
        self._started.enter_context(supervisor)
        self._supervisors.append(supervisor)
        return supervisor

    def _add_line(self, worker: str, line: str) -> None:
        self._scene.add_line(worker, line)
        if line.startswith(_ENDED):
            self._scene.pages[worker] = None
            self._report(f"{worker} {line}")

    def _read_pages(self) -> None:
        while not self._over.wait(0.5):
            for supervisor in list(self._supervisors):
                for name, page in supervisor.pages().items():
                    # A worker that doesn't answer is busy: its last answer is kept.
                    self._scene.pages[name] = page or self._scene.pages[name]

    def _stop(self) -> None:
        self._over.set()
        self._thread.join(5.0)


def environment(broker: str, state: Path, port: int) -> dict[str, str]:
    """The workers' environment; the user's own settings are for other installations."""
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith("JOURNEYS_")
        or name.startswith(("JOURNEYS_KAFKA_", "JOURNEYS_PREFIX"))
    }
    return kept | {
        "JOURNEYS_BROKER": broker,
        "JOURNEYS_STATE_DIR": str(state),
        "JOURNEYS_CLOCK": "stream",
        "JOURNEYS_ALLOW_HOSTS": f"{HOST}:{port}",
    }
