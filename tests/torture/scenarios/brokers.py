"""One broker that dies or is away."""

from __future__ import annotations

from tests.torture.scenarios.base import scenario
from tests.torture.stage import Stage


@scenario(60)
def broker_killed(stage: Stage) -> None:
    for _ in stage.rounds(3):
        stage.some(2, 6)
        with stage.during("broker kill -9"):
            stage.kafka.restart()


@scenario(60)
def broker_down_30s(stage: Stage) -> None:
    stage.some(3, 6)
    with stage.during("broker down"):
        stage.kafka.kill()
        stage.pause(stage.length(30))
        stage.kafka.restart()


@scenario(60)
def broker_restarted_during_recovery(stage: Stage) -> None:
    for _ in stage.rounds(3):
        stage.some(3, 6)
        stage.delete_state("evaluate")
        for name in stage.roles["evaluate"].names:
            stage.fault("kill -9 evaluate, without its state")
            stage.roles["evaluate"].kill(name)
        stage.some(0.5, 3)
        with stage.during("broker kill -9"):
            stage.kafka.restart()
