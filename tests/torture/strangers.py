"""What others than the users wrote to the events: records of the engine's own, real and forged, and
users of whom nothing is expected but that they harm nobody.

Law: a record of the engine's own may be refused, once, and be kept for replay; an event of a
stranger's may do anything to the stranger.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from agents.kafka.topics import EVENTS

STRANGER = "stranger-"
"""How the ids of such users begin."""


class Written(NamedTuple):
    """A record of the events. place: partition and offset; engines: it has headers."""

    place: tuple[int, int]
    key: bytes | None
    engines: bool

    @property
    def is_strangers(self) -> bool:
        """Whether it is none of the users'."""
        return self.engines or (self.key or b"").startswith(STRANGER.encode())


class Strangers:
    """Attributes:

    faults: how many answers their records got that they must not get.
    """

    def __init__(self, written: Iterable[Written]) -> None:
        """written: all records of the events."""
        self._engines: set[tuple[int, int]] = set()
        self._users: set[tuple[int, int]] = set()
        self.faults = 0
        self.shown: list[str] = []
        for one in written:
            if one.engines:
                self._engines.add(one.place)
            elif one.is_strangers:
                self._users.add(one.place)

    def without_theirs(self, outcomes: Iterable[Any]) -> list[Any]:
        """The outcomes that are not about strangers."""
        kept, rejected = [], Counter[tuple[int, int]]()
        for one in outcomes:
            place = _place(one["cause"])
            if is_strangers(one) or (place in self._users and "timer" not in one["cause"]):
                continue
            if one["type"] == "event.rejected" and place in self._engines:
                rejected[place] += 1
                continue
            kept.append(one)
        for place, count in rejected.items():
            if count > 1:
                self.faults += 1
                self.shown.append(f"rejected {count} times: {EVENTS}/{place[0]} at {place[1]}")
        return kept

    def others(self, dead: Iterable[Mapping[str, Any]]) -> int:
        """How many dead letters are neither about strangers nor refused records of the engine's; on
        none of those an exception may have been raised."""
        places = [(_place(one["cause"]), one["detail"].startswith("Traceback")) for one in dead]
        return sum(
            place not in self._users and (raised or place not in self._engines)
            for place, raised in places
        )


def is_strangers(outcome: Mapping[str, Any]) -> bool:
    """Whether an outcome is about one of these users."""
    return (outcome["user_id"] or "").startswith(STRANGER)


def _place(cause: Mapping[str, Any]) -> tuple[int, int]:
    if cause.get("topic") != EVENTS:
        return -1, -1
    return cause.get("partition", -1), cause.get("offset", -1)
