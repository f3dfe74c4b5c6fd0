"""Workers that die."""

from __future__ import annotations

import time

from tests.agents.delivery.receiver import Reply, Request
from tests.pipeline.stack import wait_until
from tests.torture.scenarios.base import LONGER_THAN_A_SESSION, scenario
from tests.torture.stage import Stage, well
from tests.torture.worker import POINTS


@scenario(60)
def kill_evaluate(stage: Stage) -> None:
    for _ in stage.rounds(20):
        stage.some(0.2, 3)
        stage.kill("evaluate")


@scenario(60)
def kill_deliver(stage: Stage) -> None:
    for _ in stage.rounds(20):
        stage.some(0.2, 3)
        stage.kill("deliver")


@scenario(60)
def kill_register(stage: Stage) -> None:
    """Documents are pushed all the while; each is accepted exactly once."""
    pushed = []
    for number in stage.rounds(20):
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
    for _ in stage.rounds(20):
        stage.some(0.2, 3)
        stage.kill(stage.chance.choice(["register", "evaluate", "evaluate", "deliver"]))


@scenario(80)
def die_at_instructions(stage: Stage) -> None:
    """Twice at each of the protocol's instructions, in both of the roles that work all the time."""
    for point in [point for _ in stage.rounds(2) for point in POINTS]:
        for role in ("evaluate", "deliver"):
            stage.some(0, 0.5)
            stage.order(role, point)


def _fails_at_first(request: Request, before: int) -> Reply:
    return Reply(500) if before == 0 else well(request, before)


@scenario(10, roles={"register": 1, "evaluate": 2, "deliver": 1})
def a_bit_of_everything(stage: Stage) -> None:
    """As much as fits into the usual test run, most of it while another worker is suspended. Every
    start of a worker takes seconds of CPU, so nothing is killed twice."""
    with stage.stopped("evaluate"):
        until = time.monotonic() + LONGER_THAN_A_SESSION
        stage.kill("register")
        stage.answer("500 at first", _fails_at_first, 2)
        stage.order("deliver", "after produce")
        stage.pause(until - time.monotonic())
    stage.order("evaluate", "after commit, before RocksDB")
