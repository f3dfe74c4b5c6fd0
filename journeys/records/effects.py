"""The effects of a batch of steps: actions, outcomes, dead letters and rerouted events.

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
    """An event to forward to the partition that its user belongs to."""

    key: bytes
    value: bytes
    headers: list[tuple[str, bytes]]


class Mark(msgspec.Struct, frozen=True):
    """A position in the effects, to roll back to."""

    actions: int
    outcomes: int
    size: int


@dataclass(slots=True)
class Effects:
    """The effects of a batch of steps, each list in order.

    Attributes:
        counts: how often something happened that is not reported as an outcome, by name.
        size: about how many bytes a transaction gets by them, and by the changed records: what can
            be large of it.
    """

    actions: list[Action] = field(default_factory=list)
    outcomes: list[Outcome] = field(default_factory=list)
    dead: list[DeadLetter] = field(default_factory=list)
    reroutes: list[Reroute] = field(default_factory=list)
    counts: Counter[str] = field(default_factory=Counter)
    size: int = 0

    def __len__(self) -> int:
        return len(self.actions) + len(self.outcomes) + len(self.dead) + len(self.reroutes)

    def mark(self) -> Mark:
        """The current position, to roll back to if the next step is refused."""
        return Mark(len(self.actions), len(self.outcomes), self.size)

    def roll_back(self, to: Mark) -> None:
        """Drop the actions and outcomes recorded since `to`."""
        del self.actions[to.actions :]
        del self.outcomes[to.outcomes :]
        self.size = to.size
