"""Where a scenario plays: a broker, workers of every role, a destination, and users."""

from __future__ import annotations

import json
import os
import random
import shutil
import signal
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from confluent_kafka import Message

from agents.kafka.embedded.broker import EmbeddedKafka
from agents.kafka.topics import OUTCOMES
from agents.processes.supervisor import Supervisor
from tests.agents.delivery.receiver import Receiver, Reply, Request
from tests.pipeline.stack import Stack, stack, wait_until
from tests.torture.account import DESTINATIONS, answer_to
from tests.torture.documents import DOCUMENTS
from tests.torture.traffic import Traffic
from tests.torture.worker import CLOCK, ORDERS

ROLES = {"register": 1, "evaluate": 2, "deliver": 2}
COMMAND = (sys.executable, "-m", "tests.torture.worker")
SETTLE_SECONDS = 240.0
_PAUSE = threading.Event()


def well(request: Request, before: int) -> Reply:
    """The destination's answer when nothing is wrong with it."""
    if request.path == "/answers":
        answer = {"answer": answer_to(json.loads(request.body)["of"])}
        return Reply(200, json.dumps(answer).encode())
    return Reply()


@dataclass
class Stage:
    """One installation under a scenario.

    Attributes:
        chance: whatever is random comes from here.
        faults: when each fault began, ms.
        done: how often what was done.
        before: events that were applied and that the log has forgotten.
    """

    kafka: EmbeddedKafka
    stack: Stack
    receiver: Receiver
    traffic: Traffic
    chance: random.Random
    directory: Path
    environment: dict[str, str]
    roles: dict[str, Supervisor] = field(default_factory=dict)
    faults: list[int] = field(default_factory=list)
    done: Counter[str] = field(default_factory=Counter)
    before: list[Message] = field(default_factory=list)

    # ---- workers
    def start(self, role: str, count: int, *arguments: str, **more: str) -> None:
        """More workers of a role; the name of a second set is `role+`."""
        name = role.removesuffix("+")
        self.roles[role] = Supervisor(
            {name: count},
            arguments=arguments,
            environment={**self.environment, **more},
            report=lambda worker, line: self.stack.lines.append(f"{_clock()} {worker} | {line}"),
            command=COMMAND,
        ).start()

    def stop(self, role: str) -> None:
        """Ends all workers of a role in good order."""
        self.roles.pop(role).stop()

    def wait_ready(self) -> None:
        for supervisor in self.roles.values():
            supervisor.wait_ready(SETTLE_SECONDS)

    def worker(self, role: str) -> tuple[Supervisor, str]:
        """One of the workers of a role."""
        supervisor = self.roles[role]
        return supervisor, self.chance.choice(supervisor.names)

    def kill(self, role: str) -> None:
        """kill -9 of one worker."""
        supervisor, name = self.worker(role)
        self.fault(f"kill -9 {role}")
        supervisor.kill(name)

    def restart(self, role: str, name: str) -> None:
        """SIGTERM of one worker, which is started again."""
        self.fault(f"restart {role}")
        supervisor = self.roles[role]
        before = supervisor.pid(name)
        supervisor.restart(name)
        wait_until(lambda: supervisor.pid(name) not in (None, before))
        supervisor.wait_ready(SETTLE_SECONDS)

    def freeze(self, role: str, seconds: float) -> None:
        """The worker's machine stands still for so long."""
        supervisor, name = self.worker(role)
        pid = supervisor.pid(name)
        if pid is None:
            return
        self.fault(f"freeze {role}")
        os.kill(pid, signal.SIGSTOP)
        self.pause(seconds)
        os.kill(pid, signal.SIGCONT)

    def order(self, role: str, point: str) -> None:
        """The next worker of the role that comes to this point of the protocol dies there."""
        order = Path(self.environment[ORDERS], f"{role} {point}")
        order.touch()
        try:
            wait_until(lambda: not order.exists(), 60)
        except AssertionError:
            order.unlink(missing_ok=True)
            return
        self.fault(f"{role}: {point}")

    def set_clocks(self, by: float) -> None:
        """All workers' clocks are wrong by so many seconds."""
        self.fault(f"clocks {by:+.0f} s")
        Path(self.environment[CLOCK]).write_text(str(by))

    def state(self, role: str) -> list[Path]:
        """The local copies of a role's partitions."""
        folder = Path(self.environment["JOURNEYS_STATE_DIR"])
        return sorted(path.parent for path in folder.glob(f"{role}-*/**/CURRENT"))

    def delete_state(self, role: str) -> None:
        for path in self.state(role):
            shutil.rmtree(path, ignore_errors=True)

    # ---- time
    def fault(self, what: str) -> None:
        self.done[what] += 1
        self.faults.append(time.time_ns() // 1_000_000)

    def pause(self, seconds: float) -> None:
        _PAUSE.wait(seconds)

    def some(self, least: float, most: float) -> None:
        """A pause of a random length."""
        self.pause(self.chance.uniform(least, most))

    def settle(self) -> str | None:
        """Waits until everything that was begun has ended; what has not, when it takes too long."""
        self.traffic.flush()
        limit = time.monotonic() + SETTLE_SECONDS
        left = "not looked at"
        while time.monotonic() < limit:
            left = self._left()
            if not left:
                return None
            self.pause(1)
        return left

    def _left(self) -> str:
        if not self.stack.applied():
            return "events are not applied"
        told = Counter(json.loads(one.value())["type"] for one in self.stack.read(OUTCOMES))
        if told["journey.entered"] != told["journey.exited"]:
            return f"{told['journey.entered'] - told['journey.exited']} instances are live"
        actions = sum(len(self.stack.actions(name)) for name in DESTINATIONS)
        done = told["action.delivered"] + told["action.failed"]
        return f"{actions - done} actions are not delivered" if done != actions else ""


def _clock() -> str:
    return time.strftime("%H:%M:%S")


@contextmanager
def stage(
    directory: Path, seed: int, roles: Mapping[str, int] = ROLES, **environment: Any
) -> Iterator[Stage]:
    """An installation whose journeys are in force and whose workers are ready."""
    orders = directory / "orders"
    orders.mkdir(parents=True)
    with (
        EmbeddedKafka() as kafka,
        Receiver(well) as receiver,
        stack(kafka, {}, ready=False) as installation,
    ):
        variables = {
            **os.environ,
            "JOURNEYS_BROKER": kafka.bootstrap,
            "JOURNEYS_STATE_DIR": str(directory / "state"),
            "JOURNEYS_ALLOW_HOSTS": receiver.host,
            ORDERS: str(orders),
            CLOCK: str(directory / "clock"),
            **environment,
        }
        made = Stage(
            kafka,
            installation,
            receiver,
            Traffic(kafka.bootstrap, seed),
            random.Random(seed),
            directory,
            variables,
        )
        try:
            made.start("register", roles["register"])
            verdicts = installation.apply(DOCUMENTS.format(url=receiver.url))
            assert {one["type"] for one in verdicts} == {"config.accepted"}, verdicts
            for role in ("evaluate", "deliver"):
                made.start(role, roles[role])
            made.wait_ready()
            yield made
        finally:
            for supervisor in made.roles.values():
                supervisor.stop()
