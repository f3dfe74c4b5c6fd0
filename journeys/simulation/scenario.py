"""Runs one user's events on a virtual clock and collects the timeline: what each event, timer and
response caused.

Law: a backtest decides what happens and when; the timeline only shows its effects.
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
from journeys.time import check_time, format_time, ms_of_number, parse_duration, parse_time

MOST_TIMERS = 1_000
"""Timers fired by `finish` at most; a journey with a cycle would never run out of them."""

MOMENT = "a time such as 2026-01-18T12:00:00Z, or +10m, +1d12h from the start"

_OFFSET = re.compile(r"\+(?:\d{1,15}(?:ms|s|m|h|d|w))+|\+P\w+")
_PART = re.compile(r"P\w+|\d+[a-z]+")


def parse_moment(text: str, start: int) -> int:
    """Parse an ISO 8601 time, or an offset such as `+10m` or `+1d12h` from `start` (ms), to ms.

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
    """What one event, timer or response caused.

    Attributes:
        at: logical time, ms.
        event: the event as it was sent; None for a timer or a response.
        outcomes: the outcomes in order; each action has an `action.requested` with its id.
        dead: the dead letters, if the engine failed on the event.
    """

    at: int
    event: Mapping[str, Any] | None
    outcomes: tuple[Outcome, ...]
    actions: tuple[Action, ...]
    dead: tuple[DeadLetter, ...] = ()

    @property
    def is_response(self) -> bool:
        """Whether the cause is a response."""
        return bool(self.outcomes) and self.outcomes[0].cause.topic == TOPIC


class Scenario:
    """A user, a catalog and a virtual clock, which events and `finish` advance.

    Args:
        start: the initial time of the clock, ms; offsets such as `+10m` count from it.
        canned: the responses to the requests of trigger nodes.
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
        """The user's current record."""
        return self._backtest.records.get(self.user) or EMPTY

    @property
    def waiting(self) -> tuple[Instance, ...]:
        """The live instances, oldest first."""
        return self.record.instances

    def profile(self, traits: Mapping[str, Any], at: int | None = None) -> list[TimelineEntry]:
        """Set traits of the user before the scenario; no journey starts.

        Args:
            at: the event time, ms; None: now.
        """
        at = self.now if at is None else at
        wire = {"type": "identify", "messageId": "profile", "backfill": "overwrite"}
        return self._send({**wire, "traits": traits, "userId": self.user, "timestamp": at}, at)

    def event(self, fields: Mapping[str, Any]) -> list[TimelineEntry]:
        """Apply one event, after the timers that are due before it.

        Args:
            fields: the event's JSON fields. `at` is another name for `timestamp` and may be an
                offset; without a time the event happens now. `userId` is set here.

        Raises:
            ValueError: the time is not valid.
        """
        wire = dict(fields)
        given = wire.pop("at", wire.get("timestamp"))
        if given is None:
            at = self.now
        elif isinstance(given, str):
            at = parse_moment(given, self.start)
        elif isinstance(given, int | float) and not isinstance(given, bool):
            at = ms_of_number(given)
        else:
            raise ValueError(f"{given!r} is not {MOMENT}")
        return self._send({**wire, "userId": self.user, "timestamp": at}, at)

    def finish(self, until: int | None = None) -> Iterator[TimelineEntry]:
        """Advance the clock.

        Args:
            until: the time to advance to, ms. None: until no timer is left, MOST_TIMERS have fired
                or ten years have passed.

        Yields:
            the entries of the timeline that this causes.
        """
        if until is not None:
            yield from self._entries(self._backtest.advance(until), None)
            self.now = max(self.now, until)
            return
        limit = self.now + DRAIN
        for _ in range(MOST_TIMERS):
            due = self._backtest.next_due()
            if due is None or due > limit:
                return
            self.now = max(self.now, due)
            yield from self._entries(self._backtest.advance(due), None)

    def _send(self, wire: dict[str, Any], at: int) -> list[TimelineEntry]:
        self.now = max(self.now, at)
        line = msgspec.json.encode({**wire, "timestamp": format_time(at)})
        slices = self._backtest.run([line])
        return self._entries(slices, wire)

    def _entries(
        self, slices: Iterable[Effects], event: Mapping[str, Any] | None
    ) -> list[TimelineEntry]:
        """Group effects by cause; the event has an entry even if it caused nothing."""
        parts = list(slices)
        outcomes = [one for part in parts for one in part.outcomes]
        actions = {one.action_id: one for part in parts for one in part.actions}
        dead = tuple(one for part in parts for one in part.dead)
        found = []
        for (timer, is_response, _), some in groupby(outcomes, _cause):
            caused = tuple(some)
            details = [one.detail or {} for one in caused if one.type == "action.requested"]
            sent = tuple(actions[detail["action_id"]] for detail in details)
            entry_event = None if is_response or timer is not None else event
            found.append(TimelineEntry(parse_time(caused[0].at), entry_event, caused, sent))
        if event is not None and (dead or all(one.event is None for one in found)):
            found.append(TimelineEntry(event["timestamp"], event, (), (), dead))
        return found


def _cause(outcome: Outcome) -> tuple[str | None, bool, str]:
    cause = outcome.cause
    return cause.timer, cause.topic == TOPIC, outcome.at


def with_drafts(catalog: Catalog) -> Catalog:
    """The catalog with every draft running, so that drafts can be tried out."""
    running = {
        name: one._replace(status="running") if one.status == "draft" else one
        for name, one in catalog.journeys.items()
    }
    return replace(catalog, journeys=MappingProxyType(running))
