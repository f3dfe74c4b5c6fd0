"""Owners of partitions that come, go, or are none any more."""

from __future__ import annotations

from tests.torture.scenarios.base import LONGER_THAN_A_SESSION, scenario
from tests.torture.stage import Stage
from tests.torture.worker import GROUP


@scenario(40)
def two_groups_own_everything(stage: Stage) -> None:
    for role in ("evaluate", "deliver"):
        own = str(stage.directory / "state-of-the-second")
        stage.start(f"{role}+", 1, **{GROUP: "second", "JOURNEYS_STATE_DIR": own})
        stage.fault(f"a second group of {role}")
    stage.pause(stage.length(25, 8))
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
    for _ in stage.rounds(3):
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
