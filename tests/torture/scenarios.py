"""What is done to an installation while its users go on."""

from __future__ import annotations

import json
import os
import shutil
import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple
from zlib import crc32

from confluent_kafka import Consumer, TopicPartition
from confluent_kafka.admin import AdminClient

from agents.kafka.client import base_config
from agents.kafka.topics import EVENTS, OUTCOMES
from tests.agents.delivery.receiver import Reply, Request, Rule
from tests.pipeline.stack import PARTITIONS, wait_until
from tests.torture.stage import Stage, well
from tests.torture.traffic import Traffic
from tests.torture.worker import GROUP, POINTS

LONGER_THAN_A_SESSION = 10.0


class Scenario(NamedTuple):
    """seconds: how long users go on, beside what `does`. rate: events a second."""

    does: Callable[[Stage], None]
    seconds: float
    rate: float


SCENARIOS: dict[str, Scenario] = {}


def scenario(
    seconds: float, rate: float = 150
) -> Callable[[Callable[[Stage], None]], Callable[[Stage], None]]:
    """Adds a scenario by the name of its function."""

    def add(does: Callable[[Stage], None]) -> Callable[[Stage], None]:
        SCENARIOS[does.__name__.replace("_", "-")] = Scenario(does, seconds, rate)
        return does

    return add


# ---- Workers that die


@scenario(60)
def kill_evaluate(stage: Stage) -> None:
    for _ in range(20):
        stage.some(0.2, 3)
        stage.kill("evaluate")


@scenario(60)
def kill_deliver(stage: Stage) -> None:
    for _ in range(20):
        stage.some(0.2, 3)
        stage.kill("deliver")


@scenario(60)
def kill_register(stage: Stage) -> None:
    """Documents are pushed all the while; each is accepted exactly once."""
    pushed = []
    for number in range(20):
        name = f"kind: Journey\nname: extra-{number}\n"
        pushed.append(stage.stack.push(name + "entry: {event: never}\nnodes: {n: {type: exit}}\n"))
        stage.some(0.2, 2)
        stage.kill("register")

    def verdicts() -> bool:
        told = [
            one["cause"]["offset"]
            for one in stage.stack.outcomes()
            if one["type"] == "config.accepted" and one["detail"]["name"].startswith("extra-")
        ]
        assert len(told) == len(set(told)), "a verdict was told twice"
        return sorted(told) == pushed

    wait_until(verdicts, 180)


@scenario(60)
def kill_all(stage: Stage) -> None:
    for _ in range(20):
        stage.some(0.2, 3)
        stage.kill(stage.chance.choice(["register", "evaluate", "evaluate", "deliver"]))


@scenario(80)
def die_at_instructions(stage: Stage) -> None:
    """Twice at each of the protocol's instructions, in both of the roles that work all the time."""
    for point in 2 * POINTS:
        for role in ("evaluate", "deliver"):
            stage.some(0, 0.5)
            stage.order(role, point)


def _fails_at_first(request: Request, before: int) -> Reply:
    return Reply(500) if before == 0 else well(request, before)


@scenario(20)
def a_bit_of_everything(stage: Stage) -> None:
    """What the tests' own run has time for."""
    for role in ("evaluate", "deliver", "register"):
        stage.some(0.5, 2)
        stage.kill(role)
    _while(stage, "500 at first", _fails_at_first, 2)
    stage.order("evaluate", "after commit, before RocksDB")
    stage.order("deliver", "after produce")
    stage.freeze("evaluate", LONGER_THAN_A_SESSION)


# ---- Owners that are none any more


@scenario(40)
def two_groups_own_everything(stage: Stage) -> None:
    for role in ("evaluate", "deliver"):
        own = str(stage.directory / "state-of-the-second")
        stage.start(f"{role}+", 1, **{GROUP: "second", "JOURNEYS_STATE_DIR": own})
        stage.fault(f"a second group of {role}")
    stage.pause(25)
    for role in ("evaluate+", "deliver+"):
        stage.stop(role)


@scenario(60)
def frozen_beyond_the_session(stage: Stage) -> None:
    """Others take over meanwhile; what wakes up must not do a thing."""
    for role in ("evaluate", "deliver", "evaluate", "deliver"):
        stage.some(0.5, 2)
        stage.freeze(role, LONGER_THAN_A_SESSION)


@scenario(60)
def joins_and_leaves(stage: Stage) -> None:
    for _ in range(3):
        for role in ("evaluate", "deliver"):
            stage.fault(f"{role} joins")
            stage.start(f"{role}+", stage.chance.choice([1, 2]))
            stage.some(2, 6)
            stage.fault(f"{role} leaves")
            stage.stop(f"{role}+")


@scenario(60)
def rolling_restart(stage: Stage) -> None:
    for role in ("register", "evaluate", "deliver"):
        for name in stage.roles[role].names:
            stage.restart(role, name)


# ---- The broker


@scenario(60)
def broker_killed(stage: Stage) -> None:
    for _ in range(3):
        stage.some(2, 6)
        stage.fault("broker kill -9")
        stage.kafka.restart()


@scenario(60)
def broker_down_30s(stage: Stage) -> None:
    stage.some(3, 6)
    stage.fault("broker down")
    stage.kafka.kill()
    stage.pause(30)
    stage.kafka.restart()


@scenario(60)
def broker_restarted_during_recovery(stage: Stage) -> None:
    for _ in range(3):
        stage.some(3, 6)
        stage.delete_state("evaluate")
        for name in stage.roles["evaluate"].names:
            stage.fault("kill -9 evaluate, without its state")
            stage.roles["evaluate"].kill(name)
        stage.some(0.5, 3)
        stage.fault("broker kill -9")
        stage.kafka.restart()


# ---- Local state


@scenario(45)
def state_deleted(stage: Stage) -> None:
    for role in ("evaluate", "deliver"):
        stage.some(1, 4)
        stage.delete_state(role)  # under running workers
        stage.some(1, 4)
        for name in stage.roles[role].names:
            stage.fault(f"kill -9 {role}, without its state")
            stage.roles[role].kill(name)


@scenario(60)
def state_corrupted(stage: Stage) -> None:
    for _ in range(3):
        for role in ("evaluate", "deliver"):
            stage.some(1, 4)
            for name in stage.roles[role].names:
                stage.fault(f"kill -9 {role}, its state corrupted")
                stage.roles[role].kill(name)
            for folder in stage.state(role):
                for path in folder.iterdir():
                    if path.is_file() and stage.chance.random() < 0.5:
                        _corrupt(stage, path)


def _corrupt(stage: Stage, path: Path) -> None:
    size = path.stat().st_size
    match stage.chance.choice(["cut", "flip", "delete"]):
        case "delete":
            path.unlink()
        case "cut":
            os.truncate(path, stage.chance.randint(0, size))
        case "flip" if size:
            with path.open("r+b") as file:
                file.seek(stage.chance.randrange(size))
                file.write(stage.chance.randbytes(16))


@scenario(60)
def disk_full(stage: Stage) -> None:
    """The state directory's file system is full, and has room again later."""
    pids = {name: stage.roles["evaluate"].pid(name) for name in stage.roles["evaluate"].names}
    folder = Path(stage.environment["JOURNEYS_STATE_DIR"])
    assert folder.stat().st_dev != folder.parent.stat().st_dev, "it has no file system of its own"
    stage.some(3, 5)
    stage.fault("disk full")
    free = shutil.disk_usage(folder).free
    with (folder / "filler").open("wb") as filler:
        os.posix_fallocate(filler.fileno(), 0, free)
    for name in pids:
        stage.roles["evaluate"].kill(name)
    stage.pause(15)
    assert not all(stage.roles["evaluate"].readiness().values()), "it was not full"
    stage.fault("room again")
    (folder / "filler").unlink()


# ---- The destination


def _while(stage: Stage, what: str, rule: Rule, seconds: float) -> None:
    stage.done[what] += 1
    stage.receiver.rule = rule
    stage.pause(seconds)
    stage.receiver.rule = well


@scenario(80)
def destination_down_60s(stage: Stage) -> None:
    stage.some(2, 4)
    stage.receiver.close_port()
    _while(stage, "down for 60 s", lambda request, before: Reply(reset=True), 60)
    stage.receiver.open_port()


@scenario(50)
def destination_slow(stage: Stage) -> None:
    """10 s for one call in five."""

    def slow(request: Request, before: int) -> Reply:
        reply = well(request, before)
        return replace(reply, delay=10) if crc32(request.key.encode()) % 5 == 0 else reply

    stage.some(2, 4)
    _while(stage, "10 s an answer", slow, 30)


@scenario(50)
def destination_fails(stage: Stage) -> None:
    """429, 500, resets before and after the answer was made, and half answers."""

    def fails(request: Request, before: int) -> Reply:
        reply = well(request, before)
        return stage.chance.choice(
            [
                reply,
                Reply(429, headers={"Retry-After": "1"}),
                Reply(429),
                Reply(500),
                Reply(503, headers={"Retry-After": "2"}),
                Reply(reset=True),
                Reply(reset=True, delay=1),
            ]
        )

    stage.some(2, 4)
    _while(stage, "429, 500 and resets", fails, 35)
    for _ in range(5):
        stage.some(0.5, 2)
        stage.kill("deliver")


# ---- Inputs


@scenario(30)
def poison_inputs(stage: Stage) -> None:
    """Records that are no events, in between; each is answered and stops nobody."""
    nobodys: list[bytes] = [
        b"",
        b"\xff\xfe",
        b"{",
        b"[" * 100_000,
        b'{"event": "tick"}',
        b'{"event": "tick", "userId": ""}',
        b"null",
        b'"tick"',
        b'{"event": "tick", "userId": "\\ud800"}',
        b"1e999",
    ]
    u1s = [
        b'{"event": 5, "userId": "u1"}',
        b'{"event": "tick", "userId": "u1", "properties": []}',
        b'{"event": "tick", "userId": "u1", "timestamp": "yesterday"}',
        json.dumps({"event": "tick", "userId": "u1", "properties": "x" * 200_000}).encode(),
    ]
    for _ in range(10):
        for value in stage.chance.sample(nobodys, 4):
            stage.traffic.send_raw(value, stage.chance.choice([None, b"u1", b"\xff"]))
        stage.traffic.send_raw(stage.chance.choice(u1s), b"u1")
        stage.some(0.5, 2)
        if stage.chance.random() < 0.3:
            stage.kill("evaluate")


@scenario(40, rate=100)
def burst(stage: Stage) -> None:
    """Twenty times the rate."""
    stage.pause(10)
    stage.done["burst"] += 1
    second = Traffic(stage.kafka.bootstrap, stage.chance.randrange(1 << 30), "burst-")
    second.play(5, 2_000)
    stage.kill("evaluate")


# ---- Time


@scenario(60)
def clock_stepped(stage: Stage) -> None:
    for by in (3_600, -3_600, 90, -90, 5, -5, 86_400, 0):
        stage.some(2, 5)
        stage.set_clocks(by)
        if stage.chance.random() < 0.5:
            stage.kill("evaluate")


@scenario(20)
def answers_wait_in_the_backlog(stage: Stage) -> None:
    """Evaluate is stopped past the deadlines of those whose answers come meanwhile."""
    for _ in range(3):
        stage.pause(3)
        stage.fault("evaluate stopped")
        stage.stop("evaluate")
        stage.pause(8)
        stage.start("evaluate", 2)
        stage.wait_ready()


# ---- Topics


@scenario(20)
def retention_passed_the_position(stage: Stage) -> None:
    """Records vanish before they are applied: the worker ends with a clear line, and goes on only
    when it is told to, and says what was lost."""
    stage.pause(5)
    stage.stop("deliver")  # no responses among what is lost: their journeys would wait for them
    stage.pause(2)
    stage.stop("evaluate")
    stage.pause(5)
    applied = stage.stack.positions()
    stage.before = [
        one for one in stage.stack.read(EVENTS) if one.offset() < applied[one.partition()]
    ]
    admin = AdminClient(base_config(stage.kafka.bootstrap))
    upto = {partition: offset + 50 for partition, offset in applied.items()}
    for future in admin.delete_records(
        [TopicPartition(EVENTS, partition, offset) for partition, offset in upto.items()]
    ).values():
        future.result(30)
    stage.fault("retention")
    stage.start("evaluate", 1)
    wait_until(lambda: any("--accept-loss" in line for line in stage.stack.lines), 60)
    stage.pause(3)
    assert not any(stage.roles["evaluate"].readiness().values())
    stage.stop("evaluate")
    stage.start("evaluate", 1, "--accept-loss")
    stage.start("deliver", 2)
    stage.wait_ready()
    for partition, first in applied.items():
        told = f"{EVENTS}/{partition}: {first} to {upto[partition] - 1}"
        assert any(told in line for line in stage.stack.lines), told


@scenario(40)
def slow_reader_of_outcomes(stage: Stage) -> None:
    """It reads a little every second, and misses nothing."""
    seen: list[tuple[int, int]] = []
    over = threading.Event()

    def read() -> None:
        consumer = Consumer(
            {
                **base_config(stage.kafka.bootstrap),
                "group.id": "slow",
                "isolation.level": "read_committed",
                "auto.offset.reset": "earliest",
            }
        )
        consumer.assign([TopicPartition(OUTCOMES, p, 0) for p in range(PARTITIONS)])
        while not over.is_set():
            for message in consumer.consume(200, 0.2):
                if message.error() is None:
                    seen.append((message.partition(), message.offset()))
            over.wait(1)
        consumer.close()

    reader = threading.Thread(target=read)
    reader.start()
    for _ in range(3):
        stage.some(3, 8)
        stage.kill("evaluate")
    over.set()
    reader.join()
    there = {(one.partition(), one.offset()) for one in stage.stack.read(OUTCOMES)}
    assert seen
    assert len(seen) == len(set(seen))
    assert set(seen) <= there, "it saw what was not committed"
