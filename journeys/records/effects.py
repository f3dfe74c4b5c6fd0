"""What a batch of steps brings about: actions, outcomes, dead letters and rerouted events.

Law: effects are values; nothing here sends anything.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import NamedTuple

import msgspec

from journeys.records.action import Action
from journeys.records.dead_letter import DeadLetter
from journeys.records.outcome import Outcome


class Reroute(NamedTuple):
    """An event that belongs to another partition, on its way there."""

    key: bytes
    value: bytes
    headers: list[tuple[str, bytes]]


class Mark(msgspec.Struct, frozen=True):
    """How far the effects had come."""

    actions: int
    outcomes: int


@dataclass(slots=True)
class Effects:
    """The effects of a run of steps, each list in order.

    An outcome without a user is keyed by its input. `counts` are of what is not told one by one.
    """

    actions: list[Action] = field(default_factory=list)
    outcomes: list[Outcome] = field(default_factory=list)
    dead: list[DeadLetter] = field(default_factory=list)
    reroutes: list[Reroute] = field(default_factory=list)
    counts: Counter[str] = field(default_factory=Counter)

    def __len__(self) -> int:
        return len(self.actions) + len(self.outcomes) + len(self.dead) + len(self.reroutes)

    def mark(self) -> Mark:
        """Where to roll back to, should the step that comes now be refused."""
        return Mark(len(self.actions), len(self.outcomes))

    def roll_back(self, to: Mark) -> None:
        """Forget the actions and outcomes since `to`."""
        del self.actions[to.actions :]
        del self.outcomes[to.outcomes :]
