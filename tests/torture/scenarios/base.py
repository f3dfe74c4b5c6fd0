"""What a scenario is: what is done to an installation while its users go on, and where it plays."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from tests.torture.stage import ROLES, Place, Stage

LONGER_THAN_A_SESSION = 8.0
"""Seconds; a session is six."""
SHORTER_THAN_A_SESSION = 3.0


@dataclass(frozen=True)
class Scenario:
    """Attributes:

    does: the faults, beside the traffic.
    seconds: how long users go on; in short runs less.
    rate: events a second.
    time_out: of a call.
    own_disk: the state directory has a small file system of its own.
    environment: more variables of the workers.
    roles: how many workers of each.
    """

    does: Callable[[Stage], None]
    seconds: float
    rate: float = 150
    place: Place = "broker"
    time_out: str = "15s"
    own_disk: bool = False
    environment: Mapping[str, str] = field(default_factory=dict)
    roles: Mapping[str, int] = field(default_factory=lambda: ROLES)

    @property
    def name(self) -> str:
        return self.does.__name__.replace("_", "-")


def scenario(seconds: float, **more: Any) -> Callable[[Callable[[Stage], None]], Scenario]:
    """Makes a Scenario, of which these are fields, of the function that does the faults."""
    return lambda does: Scenario(does, seconds, **more)
