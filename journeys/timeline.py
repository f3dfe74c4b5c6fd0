"""The inputs of one partition in log order, and its timers in the order they are due.

Law: how the log is cut into batches never changes a result. This is the only scheduler: workers
and backtests differ in nothing but the records they bring and the clock they follow.
"""

from __future__ import annotations

import base64
import traceback
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Literal, Protocol

import msgspec

from journeys.effects import Cause, DeadLetter, Effects, Outcome, Reroute
from journeys.events import Event, Rejection, admit
from journeys.ids import dead_id, outcome_id_of_input
from journeys.program import RunningCatalog
from journeys.state import UserRecord
from journeys.step import apply_event, fire_timer
from journeys.time import LAST, MINUTE, YEAR, check_time, format_time, parse_time
from journeys.user import FATAL, Arrived

ENOUGH = 5_000
"""Effects after which a call returns, so that one transaction stays small."""

DRAIN = 10 * YEAR
"""How far `end` moves a stream's clock on, ms, so that journeys that go round end too."""

Clock = Literal["wall", "stream"]


class Records(Protocol):
    """The users' records of one partition."""

    def get(self, user: str) -> UserRecord | None: ...

    def put(self, user: str, record: UserRecord) -> None:
        """Replace the record; what is due follows from `record.next_due()`."""

    def next_due(self) -> tuple[int, str] | None:
        """The earliest (time ms, user) at which a clock may fire a timer, over all records."""


@dataclass(slots=True, frozen=True)
class Input:
    """One record of the events' log.

    Attributes:
        arrival: when it arrived, ms, where the log says so.
        kind: the header `journeys-record`; None for a plain event.
        origin: the header `journeys-origin`: where a rerouted event stood first.
    """

    topic: str
    partition: int
    offset: int
    key: bytes | None
    value: bytes
    arrival: int | None = None
    kind: str | None = None
    origin: str | None = None


class ClockRecord(msgspec.Struct):
    """Moves a stream's clock on: to a time, or to its `end`."""

    time: str | int


_decode_clock = msgspec.json.Decoder(ClockRecord).decode


class Timeline:
    """One partition's way through its log.

    Args:
        records: of this partition alone.
        catalog: what runs; replace the attribute when it changes.
        clock: `wall`: the caller fires timers by `fire`; `stream`: the events' times do.
        partition_time: the largest event time seen so far, ms; read it back after each call.
        role: the name that dead letters carry.
        partition_of: the partition where a user belongs; None: every user belongs here.
        at_barrier: called at a barrier record, gives the catalog from there on.
    """

    def __init__(
        self,
        records: Records,
        catalog: RunningCatalog,
        clock: Clock,
        partition_time: int = 0,
        *,
        role: str = "evaluate",
        partition_of: Callable[[str], int] | None = None,
        at_barrier: Callable[[Input], RunningCatalog] | None = None,
    ) -> None:
        self.records = records
        self.catalog = catalog
        self.clock: Clock = clock
        self.partition_time = partition_time
        self.role = role
        self._partition_of = None if partition_of is None else lru_cache(65_536)(partition_of)
        self._at_barrier = at_barrier
        self._told: dict[tuple[str, str], int] = {}
        self._timers_left = 0
        self._full = 0

    def apply(self, inputs: Sequence[Input], effects: Effects, *, timers: int = 1_000) -> int:
        """Apply inputs in order.

        Returns:
            How many were consumed. It is fewer than were given when `timers` timers had fired or
            the effects are many; the rest, from the first one not consumed, comes with the next
            call.
        """
        self._timers_left = timers
        self._full = len(effects) + ENOUGH
        for count, one in enumerate(inputs):
            if len(effects) >= self._full:
                return count
            kind = one.kind
            if kind is None or kind == "event":
                done = self._event(one, effects)
            elif kind == "clock":
                done = self._clock(one, effects)
            elif kind == "barrier":
                if self._at_barrier is not None:
                    self.catalog = self._at_barrier(one)
                continue
            else:
                shown = f"header `journeys-record`: found {kind[:40]!r}"
                expected = "expected event, clock or barrier"
                _reject(
                    one, effects, None, "unknown_record", f"{shown}, {expected}", self._now(one)
                )
                continue
            if not done:
                return count
        return len(inputs)

    def fire(self, until: int, now: int, effects: Effects, *, timers: int = 1_000) -> bool:
        """Fire what the wall clock may fire at or before `until`, ms; `now` is what it shows, ms.

        Returns:
            Whether more is left.
        """
        self._timers_left = timers
        self._full = len(effects) + ENOUGH
        return not self._fire(until, now, effects)

    def _now(self, one: Input) -> int:
        return one.arrival if one.arrival is not None else self.partition_time

    def _event(self, one: Input, effects: Effects) -> bool:
        origin = one.origin or f"{one.topic}-{one.partition}-{one.offset}"
        event = admit(one.value, origin)
        if isinstance(event, Rejection):
            _reject(one, effects, event.user_id, event.reason, event.detail, self._now(one))
            return True
        if self._partition_of is not None and one.kind is None:
            home = self._partition_of(event.user_id)
            if home != one.partition:
                self._reroute(one, event, home, origin, effects)
                return True
        arrival = one.arrival if self.clock == "wall" else event.received_at
        time = event.timestamp
        if time is None:
            time = arrival if arrival is not None else self.partition_time
        elif arrival is not None and arrival < time:
            time = arrival
        latest = max(self.partition_time, time)
        if self.clock == "stream" and not self._fire(latest, None, effects):
            return False
        self.partition_time = latest
        arrived = Arrived(
            one.topic,
            one.partition,
            one.offset,
            time,
            latest if arrival is None else arrival,
            latest,
            self.clock == "wall",
        )
        record = self.records.get(event.user_id)
        try:
            changed = apply_event(self.catalog, effects, record, event, arrived, self._tell_now)
        except FATAL:
            raise
        except Exception as error:  # noqa: BLE001 - one bad input must not stop the log
            effects.dead.append(_dead(one, error, time, self.role))
            return True
        if changed is not record:
            self.records.put(event.user_id, changed)
        return True

    def _fire(self, until: int, now: int | None, effects: Effects) -> bool:
        """Fire timers in order until none is left; False when there were too many."""
        while True:
            due = self.records.next_due()
            if due is None or due[0] > until:
                return True
            if self._timers_left <= 0 or len(effects) >= self._full:
                return False
            user = due[1]
            record = self.records.get(user)
            if record is None:
                raise LookupError(f"the due index names {user!r}, who has no record")
            self._timers_left -= 1
            changed = fire_timer(
                self.catalog,
                effects,
                user,
                record,
                until,
                now,
                self.partition_time,
                self._tell_now,
            )
            self.records.put(user, changed)

    def _clock(self, one: Input, effects: Effects) -> bool:
        if self.clock == "wall":
            return True
        try:
            time = _decode_clock(one.value).time
            if time == "end":
                until = min(self.partition_time + DRAIN, LAST)
            else:
                until = parse_time(time) if isinstance(time, str) else check_time(time)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError, ValueError) as error:
            _reject(one, effects, None, "malformed", f"a clock record: {error}", self._now(one))
            return True
        latest = max(self.partition_time, until)
        if not self._fire(latest, None, effects):
            return False
        self.partition_time = latest
        return True

    def _reroute(self, one: Input, event: Event, home: int, origin: str, effects: Effects) -> None:
        headers = [("journeys-record", b"event"), ("journeys-origin", origin.encode())]
        effects.reroutes.append(Reroute(event.user_id.encode(), one.value, headers))
        detail = {"from": one.partition, "to": home}
        _tell(one, effects, "event.rerouted", event.user_id, detail, self._now(one))

    def _tell_now(self, journey: str, version: str, partition_time: int) -> bool:
        """A failing entry condition is told once per journey's version and minute."""
        minute = partition_time // MINUTE
        if self._told.get((journey, version)) == minute:
            return False
        self._told[journey, version] = minute
        return True


def _reject(
    one: Input, effects: Effects, user_id: str | None, reason: str, detail: str, at: int
) -> None:
    told = {"reason": reason, "error": detail}
    _tell(one, effects, "event.rejected", user_id, told, at)


def _tell(
    one: Input, effects: Effects, type: str, user_id: str | None, detail: dict[str, Any], at: int
) -> None:
    place = (one.topic, one.partition, one.offset)
    id = outcome_id_of_input(*place, type, 0)
    effects.outcomes.append(
        Outcome(
            id, type, format_time(at), user_id, None, None, None, None, None, Cause(*place), detail
        )
    )


def _dead(one: Input, error: Exception, at: int, role: str) -> DeadLetter:
    """The whole input with the traceback; text where it is text, else base64."""
    place = (one.topic, one.partition, one.offset)
    key, key_encoding = _text(one.key) if one.key is not None else (None, None)
    value, value_encoding = _text(one.value)
    headers = {"journeys-record": one.kind, "journeys-origin": one.origin}
    return DeadLetter(
        dead_id=dead_id(*place),
        at=format_time(at),
        role=role,
        reason=type(error).__name__,
        detail="".join(traceback.format_exception(error)),
        cause=Cause(*place),
        key=key,
        value=value,
        key_encoding=key_encoding,
        value_encoding=value_encoding,
        headers={name: text for name, text in headers.items() if text is not None} or None,
    )


def _text(data: bytes) -> tuple[str, str | None]:
    try:
        return data.decode(), None
    except UnicodeDecodeError:
        return base64.b64encode(data).decode(), "base64"
