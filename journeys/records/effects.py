"""The effects of a batch of steps: actions, outcomes, dead letters and rerouted events.

Law: effects are values; nothing here sends anything. A rollback leaves no trace.
"""

from __future__ import annotations

from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections import Counter
from dataclasses import dataclass, field
from typing import NamedTuple

import msgspec

from journeys.ids import message_hash
from journeys.records.action import Action
from journeys.records.dead_letter import DeadLetter
from journeys.records.outcome import Outcome
from journeys.time import MINUTE
from journeys.work import Meter


class Reroute(NamedTuple):
    """An event to forward to the partition that its user belongs to."""

    key: bytes
    value: bytes
    headers: list[tuple[str, bytes]]


class Samples(msgspec.Struct, frozen=True, array_like=True):
    """What has been reported in the current minute of a partition's time, and is not repeated in
    it.

    It is part of the partition's state, so what is reported depends on the log alone.

    Attributes:
        minute: since 1970; the time of a partition never goes back.
        reported: 8-byte hashes of what was reported, at most MOST_SAMPLES.
    """

    minute: int = -1
    reported: frozenset[bytes] = frozenset()

    def pack(self, partition_time: int) -> str:
        """The samples as a short text without blanks; empty if nothing was reported in the minute
        of `partition_time`, ms."""
        if not self.reported or self.minute != partition_time // MINUTE:
            return ""
        return urlsafe_b64encode(_pack_samples((self.minute, sorted(self.reported)))).decode()

    @classmethod
    def unpack(cls, text: str) -> Samples:
        """The samples from the text of `pack`. Raises ValueError if it is damaged."""
        return _unpack_samples(urlsafe_b64decode(text)) if text else cls()


MOST_SAMPLES = 100
"""Per minute and partition; further ones are only counted."""

_pack_samples = msgspec.msgpack.Encoder().encode
_unpack_samples = msgspec.msgpack.Decoder(Samples).decode


class Sampler:
    """Decides what is reported once a minute.

    Attributes:
        samples: what has been reported; part of the partition's state.
    """

    __slots__ = ("samples",)

    def __init__(self, samples: str = "") -> None:
        """samples: the text of `Samples.pack`; empty: nothing has been reported."""
        self.samples = Samples.unpack(samples)

    def is_sample(self, kind: str, journey: str, version: str, partition_time: int) -> bool:
        """Whether this is the first of its kind for a journey's version in this minute.

        Args:
            kind: a word for what is reported once a minute.
            partition_time: the largest event time seen on the partition, ms.
        """
        minute = partition_time // MINUTE
        known = self.samples.reported if self.samples.minute == minute else frozenset()
        one = message_hash(f"{kind}/{journey}/{version}")
        if one in known or len(known) >= MOST_SAMPLES:
            return False
        self.samples = Samples(minute, known | {one})
        return True


class Mark(msgspec.Struct, frozen=True):
    """A position in the effects, to roll back to."""

    actions: int
    outcomes: int
    size: int
    samples: Samples


@dataclass(slots=True)
class Effects:
    """The effects of a batch of steps, each list in order.

    Attributes:
        counts: how often something happened that is not reported as an outcome, by name.
        size: about how many bytes they and the changed records add to a transaction; only what may
            be large is counted.
        sampler: what is reported once a minute; it continues from one batch to the next.
        meter: of the work of expressions, per input.
    """

    actions: list[Action] = field(default_factory=list)
    outcomes: list[Outcome] = field(default_factory=list)
    dead: list[DeadLetter] = field(default_factory=list)
    reroutes: list[Reroute] = field(default_factory=list)
    counts: Counter[str] = field(default_factory=Counter)
    size: int = 0
    sampler: Sampler = field(default_factory=lambda: Sampler())
    meter: Meter = field(default_factory=Meter)

    def __len__(self) -> int:
        return len(self.actions) + len(self.outcomes) + len(self.dead) + len(self.reroutes)

    def mark(self) -> Mark:
        """The current position, to roll back to if the next step is refused."""
        return Mark(len(self.actions), len(self.outcomes), self.size, self.sampler.samples)

    def roll_back(self, to: Mark) -> None:
        """Drop the actions and outcomes recorded since `to`."""
        del self.actions[to.actions :]
        del self.outcomes[to.outcomes :]
        self.size = to.size
        self.sampler.samples = to.samples
