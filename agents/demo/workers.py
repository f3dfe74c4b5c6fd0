"""The demo's workers: started in turn, asked how they are, ended together.

Law: they see the demo's settings and none of the user's own.
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

_ENDED = "ended ("  # as the supervisor says it


class Workers:
    """The workers, and a thread that asks them twice a second how they are."""

    def __init__(
        self,
        scene: Scene,
        environment: Mapping[str, str],
        started: ExitStack,
        tell: Callable[[str], None],
    ) -> None:
        """tell: called, from several threads, when a worker ended that should not have."""
        self._scene = scene
        self._environment = environment
        self._started = started
        self._tell = tell
        self._supervisors: list[Supervisor] = []
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._ask, name="inspector", daemon=True)
        started.callback(self._stop)
        self._thread.start()

    def start(self, roles: Mapping[str, int]) -> Supervisor:
        """Starts some workers; returns at once."""
        supervisor = Supervisor(roles, environment=self._environment, report=self._hear)
        self._scene.pages |= dict.fromkeys(supervisor.names)
        self._started.enter_context(supervisor)
        self._supervisors.append(supervisor)
        return supervisor

    def _hear(self, worker: str, line: str) -> None:
        self._scene.hear(worker, line)
        if line.startswith(_ENDED):
            self._scene.pages[worker] = None
            self._tell(f"{worker} {line}")

    def _ask(self) -> None:
        while not self._over.wait(0.5):
            for supervisor in list(self._supervisors):
                for name, page in supervisor.pages().items():
                    # One that answered before and doesn't now is busy: the last answer stays.
                    self._scene.pages[name] = page or self._scene.pages[name]

    def _stop(self) -> None:
        self._over.set()
        self._thread.join(5.0)


def environment(broker: str, state: Path, port: int) -> dict[str, str]:
    """Of the workers: the user's own settings are for other installations than this one."""
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith("JOURNEYS_") or name.startswith("JOURNEYS_KAFKA_")
    }
    return kept | {
        "JOURNEYS_BROKER": broker,
        "JOURNEYS_STATE_DIR": str(state),
        "JOURNEYS_CLOCK": "stream",
        "JOURNEYS_ALLOW_HOSTS": f"{HOST}:{port}",
    }
