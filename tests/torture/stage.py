"""Where a scenario plays: a Kafka, workers of every role, a destination, and users."""

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
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from confluent_kafka import Message

from agents.kafka.embedded.broker import EmbeddedKafka
from agents.kafka.topics import OUTCOMES, actions
from agents.processes.supervisor import Supervisor
from tests.agents.delivery.receiver import Receiver, Reply, Request, Rule
from tests.pipeline.stack import Stack, stack, wait_until
from tests.torture.account import DESTINATIONS, answer_to
from tests.torture.cluster import Cluster
from tests.torture.documents import DOCUMENTS
from tests.torture.network import Network, Proxy
from tests.torture.quiet import Fault
from tests.torture.strangers import is_strangers
from tests.torture.traffic import USERS, Traffic
from tests.torture.worker import CLOCK, ORDERS

ROLES = {"register": 1, "evaluate": 2, "deliver": 2}
COMMAND = (sys.executable, "-m", "tests.torture.worker")
SETTLE_SECONDS = 240.0
_PAUSE = threading.Event()

Place = Literal["broker", "network", "cluster"]
"""`broker`: one Kafka and nothing in between. `network`: proxies before it and before the
destination. `cluster`: the same before three brokers, which keep three copies."""


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
        bootstrap: the Kafka, undisturbed by the network's faults.
        chance: whatever is random comes from here.
        users: those whose traffic goes on beside the faults.
        scale: 1 for a whole scenario, less for a short one.
        faults: what was done, and when.
        before: by topic, records that were applied and that the topic has forgotten.
        done: how often what was done.
    """

    broker: EmbeddedKafka | Cluster
    to_destination: Proxy | None
    stack: Stack
    receiver: Receiver
    traffic: Traffic
    chance: random.Random
    scale: float
    directory: Path
    environment: dict[str, str]
    users: threading.Thread = field(default_factory=threading.Thread)
    roles: dict[str, Supervisor] = field(default_factory=dict)
    faults: list[Fault] = field(default_factory=list)
    done: Counter[str] = field(default_factory=Counter)
    before: dict[str, list[Message]] = field(default_factory=dict)

    @property
    def bootstrap(self) -> str:
        return self.broker.bootstrap

    @property
    def kafka(self) -> EmbeddedKafka:
        """The one broker of a scenario that has one."""
        assert isinstance(self.broker, EmbeddedKafka)
        return self.broker

    @property
    def cluster(self) -> Cluster:
        """The brokers of a scenario that has a network."""
        assert isinstance(self.broker, Cluster)
        return self.broker

    @property
    def way(self) -> Proxy:
        """The workers' way to the destination, where there is a network."""
        assert self.to_destination is not None
        return self.to_destination

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
        """Stops all workers of a role gracefully."""
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
        """Suspends a worker for some time."""
        with self.stopped(role):
            self.pause(seconds)

    @contextmanager
    def stopped(self, role: str) -> Iterator[None]:
        """Suspends a worker for the duration of the block."""
        supervisor, name = self.worker(role)
        pid = supervisor.pid(name)
        if pid is None:
            yield
            return
        with self.during(f"freeze {role}"):
            os.kill(pid, signal.SIGSTOP)
            try:
                yield
            finally:
                with suppress(ProcessLookupError):
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
        """Makes all workers' clocks wrong by this many seconds."""
        self.fault(f"clocks {by:+.0f} s")
        Path(self.environment[CLOCK]).write_text(str(by))

    def state(self, role: str) -> list[Path]:
        """The local copies of a role's partitions."""
        folder = Path(self.environment["JOURNEYS_STATE_DIR"])
        return sorted(path.parent for path in folder.glob(f"{role}-*/**/CURRENT"))

    def delete_state(self, role: str) -> None:
        for path in self.state(role):
            shutil.rmtree(path, ignore_errors=True)

    # ---- the destination
    def answer(self, what: str, rule: Rule, seconds: float) -> None:
        """The destination answers so for so long."""
        with self.during(what):
            self.receiver.rule = rule
            self.pause(seconds)
            self.receiver.rule = well

    # ---- time
    def fault(self, what: str) -> None:
        self.done[what] += 1
        self.faults.append(Fault(_now(), _now()))

    @contextmanager
    def during(self, what: str) -> Iterator[None]:
        """A fault that lasts as long as the block."""
        self.done[what] += 1
        began = _now()
        try:
            yield
        finally:
            self.faults.append(Fault(began, _now()))

    def rounds(self, count: int) -> range:
        """That many rounds of a whole scenario."""
        return range(max(1, round(count * self.scale)))

    def length(self, seconds: float, least: float = 5) -> float:
        """How long something lasts that may be shorter in a short scenario."""
        return max(min(seconds, least), seconds * self.scale)

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

    def states(self) -> Iterator[str]:
        """The state of each worker, without those that don't answer."""
        folder = Path(self.environment[ORDERS])
        for supervisor in self.roles.values():
            for name in supervisor.names:
                pid = supervisor.pid(name)
                told = folder / f"told {pid}"
                (folder / f"tell {pid}").touch()
                with suppress(AssertionError):
                    wait_until(told.exists, 10)
                    yield f"{name}, process {pid}:\n{told.read_text()}"

    # ---- what came of it
    def read(self, topic: str) -> list[Message]:
        """All committed records, and before them those that the topic has forgotten."""
        return [*self.before.get(topic, []), *self.stack.read(topic)]

    def _left(self) -> str:
        if not self.stack.applied():
            return "events are not applied"
        outcomes = map(json.loads, map(Message.value, self.read(OUTCOMES)))
        told = Counter(one["type"] for one in outcomes if not is_strangers(one))
        if told["journey.entered"] != told["journey.exited"]:
            return f"{told['journey.entered'] - told['journey.exited']} instances are live"
        made = sum(len(self.read(actions(name))) for name in DESTINATIONS)
        done = told["action.delivered"] + told["action.failed"]
        return f"{made - done} actions are not delivered" if done != made else ""


def _now() -> int:
    return time.time_ns() // 1_000_000


def _clock() -> str:
    return time.strftime("%H:%M:%S")


@contextmanager
def stage(
    directory: Path,
    seed: int,
    *,
    place: Place = "broker",
    time_out: str = "15s",
    scale: float = 1,
    users: int = USERS,
    roles: Mapping[str, int] = ROLES,
    environment: Mapping[str, str] | None = None,
) -> Iterator[Stage]:
    """An installation whose journeys are active and whose workers are ready."""
    orders = directory / "orders"
    orders.mkdir(parents=True)
    with ExitStack() as within:
        receiver = within.enter_context(Receiver(well))
        broker: EmbeddedKafka | Cluster
        if place == "broker":
            way, port = None, receiver.port
            broker = within.enter_context(EmbeddedKafka())
            for_workers = broker.bootstrap
        else:
            network = within.enter_context(Network())
            way = network.proxy(receiver.port)
            port, count = way.port, 3 if place == "cluster" else 1
            broker = within.enter_context(Cluster(network, directory / "kafka", count))
            for_workers = broker.for_workers
        installation = within.enter_context(stack(broker, {}, ready=False))
        variables = {
            **os.environ,
            "JOURNEYS_BROKER": for_workers,
            "JOURNEYS_STATE_DIR": str(directory / "state"),
            "JOURNEYS_ALLOW_HOSTS": f"127.0.0.1:{port}",
            ORDERS: str(orders),
            CLOCK: str(directory / "clock"),
            **(environment or {}),
        }
        made = Stage(
            broker,
            way,
            installation,
            receiver,
            Traffic(broker.bootstrap, seed, users=users),
            random.Random(seed),
            scale,
            directory,
            variables,
        )
        try:
            for role in ("register", "evaluate"):
                made.start(role, roles[role])
            url = f"http://127.0.0.1:{port}"
            verdicts = installation.apply(DOCUMENTS.format(url=url, time_out=time_out))
            assert {one["type"] for one in verdicts} == {"config.accepted"}, verdicts
            made.start("deliver", roles["deliver"])
            made.wait_ready()
            yield made
        finally:
            for supervisor in made.roles.values():
                supervisor.stop()
