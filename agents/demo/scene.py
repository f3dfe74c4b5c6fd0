"""The state of the demo, as it is shown.

Law: the code that runs the demo writes it; the code that shows it only reads.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from agents.demo.account import Tally
from agents.demo.log import Player
from agents.demo.receiver import Receiver
from agents.demo.tree import Place
from journeys.records.outcome import Outcome

_RATE_SECONDS = 2.0
_LATEST_SECONDS = 0.7


@dataclass
class Step:
    """One step of the demo. seconds: how long it took; None while it runs."""

    name: str
    began: float
    seconds: float | None = None
    note: str = ""


@dataclass
class Scene:
    """The demo so far.

    Attributes:
        title, tree: of the journey.
        total: events to be played.
        bases: the offset of the first event that is played, by partition of the events.
        pages: the last content of each worker's readiness page; None before its first answer.
        latest: outcomes for display, oldest first; they stay long enough to be read.
        applied_after: seconds from the first event sent until all were applied.
        lines: the last lines that workers printed, with their names.
    """

    title: str
    tree: tuple[Place, ...]
    total: int
    began: float = field(default_factory=time.monotonic)
    steps: list[Step] = field(default_factory=list)
    tally: Tally = field(default_factory=Tally)
    receiver: Receiver | None = None
    player: Player | None = None
    bases: Mapping[int, int] = field(default_factory=dict)
    pages: dict[str, Mapping[str, Any] | None] = field(default_factory=dict)
    lines: deque[tuple[str, str]] = field(default_factory=lambda: deque(maxlen=200))
    applied_after: float | None = None
    latest: list[Outcome] = field(default_factory=list)
    _samples: deque[tuple[float, int]] = field(default_factory=deque)
    _latest_at: float = 0.0

    @contextmanager
    def step(self, name: str) -> Iterator[Step]:
        step = Step(name, time.monotonic())
        self.steps.append(step)
        try:
            yield step
        finally:
            step.seconds = time.monotonic() - step.began

    def add_line(self, worker: str, line: str) -> None:
        self.lines.append((worker, line))

    @property
    def elapsed(self) -> float:
        return time.monotonic() - self.began

    @property
    def acknowledged(self) -> int:
        return 0 if self.player is None else self.player.acknowledged

    @property
    def applied(self) -> int:
        """Events that evaluate has committed."""
        positions = self.tally.positions
        done = sum(max(0, positions.get(one, 0) - base) for one, base in self.bases.items())
        return min(done, self.acknowledged)  # clock records are not events

    def sample(self) -> None:
        """Takes the measurements that need several points in time; must be called a few times a
        second."""
        now, applied = time.monotonic(), self.applied
        if applied == self.total and self.applied_after is None and self.player is not None:
            self.applied_after = now - self.player.began
        self._samples.append((now, applied))
        if now - self._latest_at > _LATEST_SECONDS:
            self.latest, self._latest_at = self.tally.recent(), now
        while now - self._samples[0][0] > _RATE_SECONDS:
            self._samples.popleft()

    @property
    def rate(self) -> float:
        """Events applied per second, over the last two."""
        if len(self._samples) < 2:
            return 0.0
        (first, before), (last, after) = self._samples[0], self._samples[-1]
        return (after - before) / max(last - first, 0.001)

    @property
    def lag(self) -> int:
        """Events that Kafka has and evaluate has not committed."""
        return self.acknowledged - self.applied
