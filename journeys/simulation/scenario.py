"""One user's history on a virtual clock, event by event, and what each moment brought about.

Law: nothing here decides what happens or when. Events and time go through a backtest, and what is
told is read from its effects.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import groupby
from types import MappingProxyType
from typing import Any

import msgspec

from journeys.catalog.catalog import Catalog
from journeys.catalog.running import RunningCatalog
from journeys.engine.processor import DRAIN
from journeys.records.action import Action
from journeys.records.dead_letter import DeadLetter
from journeys.records.effects import Effects
from journeys.records.outcome import Outcome
from journeys.records.user_record import EMPTY, Instance, UserRecord
from journeys.simulation.backtest import Backtest
from journeys.simulation.canned_responses import TOPIC, Canned
from journeys.time import check_time, parse_duration, parse_time

MOST_TIMERS = 1_000
"""Moments that time is let go on for at the end; a journey that goes round would have more."""

MOMENT = "a time such as 2026-01-18T12:00:00Z, or +10m, +1d12h from the start"

_OFFSET = re.compile(r"\+(?:\d{1,15}(?:ms|s|m|h|d|w))+|\+P\w+")
_PART = re.compile(r"P\w+|\d+[a-z]+")


def parse_moment(text: str, start: int) -> int:
    """ms of an ISO 8601 time, or of an offset such as `+10m` or `+1d12h` from `start`.

    Raises:
        ValueError: it is neither, or outside the years 1970 to 9999.
    """
    if not text.startswith("+"):
        return parse_time(text)
    if not _OFFSET.fullmatch(text):
        raise ValueError(f"{text!r} is not {MOMENT}")
    return check_time(start + sum(parse_duration(part) for part in _PART.findall(text)))


@dataclass(frozen=True, slots=True)
class TimelineEntry:
    """What one event, or the timers of one moment, brought about.

    Attributes:
        at: logical time, ms.
        event: as it was sent; None where a timer fired or a response came.
        outcomes: each action is told by an `action.requested` among them that names its id.
    """

    at: int
    event: Mapping[str, Any] | None
    outcomes: tuple[Outcome, ...]
    actions: tuple[Action, ...]
    dead: tuple[DeadLetter, ...] = ()

    @property
    def answered(self) -> bool:
        """Whether a response came."""
        return bool(self.outcomes) and self.outcomes[0].cause.topic == TOPIC


class Scenario:
    """A user, a catalog and a clock that goes on by events and by `finish`.

    Args:
        start: where the clock stands, and what offsets count from, ms.
        canned: what the requests of triggers are answered with.
    """

    def __init__(
        self, catalog: RunningCatalog, user: str, start: int, canned: Iterable[Canned] = ()
    ) -> None:
        self.user = user
        self.start = start
        self.now = start
        self._backtest = Backtest(catalog, "events", canned)

    @property
    def record(self) -> UserRecord:
        return self._backtest.records.get(self.user) or EMPTY

    @property
    def waiting(self) -> tuple[Instance, ...]:
        """Instances that are still live."""
        return self.record.instances

    def profile(self, traits: Mapping[str, Any], at: int | None = None) -> list[TimelineEntry]:
        """What is known of the user beforehand: it starts nothing."""
        at = self.now if at is None else at
        wire = {"type": "identify", "messageId": "profile", "backfill": True, "traits": traits}
        return self._send({**wire, "userId": self.user, "timestamp": at}, at)

    def event(self, fields: Mapping[str, Any]) -> list[TimelineEntry]:
        """Apply one event under the wire's names, and before it the timers that were due.

        Args:
            fields: `at` may stand for `timestamp` and may be an offset; without a time it happens
                now. The user is the scenario's.

        Raises:
            ValueError: the time is none.
        """
        wire = dict(fields)
        given = wire.pop("at", wire.get("timestamp"))
        at = parse_moment(given, self.start) if isinstance(given, str) else given
        if at is None:
            at = self.now
        if not isinstance(at, int) or isinstance(at, bool):
            raise ValueError(f"{given!r} is not {MOMENT}")
        check_time(at)
        return self._send({**wire, "userId": self.user, "timestamp": at}, at)

    def finish(self, until: int | None = None) -> Iterator[TimelineEntry]:
        """Let time go on until `until`, ms, or until nothing waits.

        Without `until` it ends after MOST_TIMERS moments, or ten years.
        """
        if until is not None:
            yield from self._told(self._backtest.advance(until), None)
            self.now = max(self.now, until)
            return
        limit = self.now + DRAIN
        for _ in range(MOST_TIMERS):
            due = self._backtest.next_due()
            if due is None or due > limit:
                return
            self.now = max(self.now, due)
            yield from self._told(self._backtest.advance(due), None)

    def _send(self, wire: dict[str, Any], at: int) -> list[TimelineEntry]:
        self.now = max(self.now, at)
        slices = self._backtest.run([msgspec.json.encode(wire)])
        return self._told(slices, wire)

    def _told(
        self, slices: Iterable[Effects], event: Mapping[str, Any] | None
    ) -> list[TimelineEntry]:
        """The effects cut where the cause changes; the event is among them, whatever it did."""
        parts = list(slices)
        outcomes = [one for part in parts for one in part.outcomes]
        actions = {one.action_id: one for part in parts for one in part.actions}
        dead = tuple(one for part in parts for one in part.dead)
        found = []
        for (timer, answered, _), some in groupby(outcomes, _moment):
            told = tuple(some)
            details = [one.detail or {} for one in told if one.type == "action.requested"]
            sent = tuple(actions[detail["action_id"]] for detail in details)
            moment = None if answered or timer is not None else event
            found.append(TimelineEntry(parse_time(told[0].at), moment, told, sent))
        if event is not None and (dead or all(one.event is None for one in found)):
            found.append(TimelineEntry(event["timestamp"], event, (), (), dead))
        return found


def _moment(outcome: Outcome) -> tuple[str | None, bool, str]:
    cause = outcome.cause
    return cause.timer, cause.topic == TOPIC, outcome.at


def with_drafts(catalog: Catalog) -> Catalog:
    """The catalog as it would be if its drafts were running: to try them is what they are for."""
    running = {
        name: one._replace(status="running") if one.status == "draft" else one
        for name, one in catalog.journeys.items()
    }
    return replace(catalog, journeys=MappingProxyType(running))
