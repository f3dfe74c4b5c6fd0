"""Processes that are suspended repeatedly, for less time than a session: no partition moves, and
work continues afterwards."""

from __future__ import annotations

import os
import signal

from tests.torture.scenarios.base import SHORTER_THAN_A_SESSION, scenario
from tests.torture.stage import Stage


def _pause_each_time(stage: Stage, role: str) -> None:
    for _ in stage.rounds(10):
        stage.some(0.3, 2)
        stage.freeze(role, SHORTER_THAN_A_SESSION)


@scenario(50, time_out="2s")
def evaluate_paused(stage: Stage) -> None:
    _pause_each_time(stage, "evaluate")


@scenario(50, time_out="2s")
def deliver_paused(stage: Stage) -> None:
    """Every call that is out meanwhile has timed out when the worker wakes."""
    _pause_each_time(stage, "deliver")


@scenario(50, time_out="2s")
def register_paused(stage: Stage) -> None:
    """Documents are pushed meanwhile."""
    for number in stage.rounds(10):
        with stage.stopped("register"):
            name = f"kind: Journey\nname: extra-{number}\n"
            stage.stack.push(name + "entry: {event: never}\nnodes: {n: {type: exit}}\n")
            stage.pause(SHORTER_THAN_A_SESSION)
        stage.some(0.3, 2)


@scenario(50, time_out="2s")
def destination_paused(stage: Stage) -> None:
    """It accepts connections and requests, and answers nothing until it is resumed."""
    for _ in stage.rounds(10):
        stage.some(0.3, 2)
        with stage.during("destination paused"):
            stage.receiver.stand_still(SHORTER_THAN_A_SESSION)
            stage.pause(SHORTER_THAN_A_SESSION)


@scenario(50, time_out="2s")
def broker_paused(stage: Stage) -> None:
    for _ in stage.rounds(10):
        stage.some(0.3, 2)
        with stage.during("broker paused"):
            os.kill(stage.kafka.pid, signal.SIGSTOP)
            stage.pause(SHORTER_THAN_A_SESSION)
            os.kill(stage.kafka.pid, signal.SIGCONT)


@scenario(60, time_out="2s")
def workers_and_destination_paused(stage: Stage) -> None:
    """One of any role, and at once or right after it the destination."""
    for _ in stage.rounds(10):
        stage.some(0.1, 1)
        with stage.during("destination paused"):
            stage.receiver.stand_still(stage.chance.uniform(1, 4))
            stage.some(0, 1)
            stage.freeze(stage.chance.choice([*stage.roles]), stage.chance.uniform(1, 4))
