"""Clocks that are wrong, and times that have passed."""

from __future__ import annotations

from tests.torture.scenarios.base import scenario
from tests.torture.stage import Stage


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
    for _ in stage.rounds(3):
        stage.pause(3)
        with stage.during("evaluate stopped"):
            stage.stop("evaluate")
            stage.pause(8)
            stage.start("evaluate", 2)
            stage.wait_ready()
