"""Applies the inputs of one partition in log order, and fires its timers in due order.

Law: the division of the log into batches never changes a result. This is the only scheduler:
workers and backtests differ only in where their records are kept and which clock they follow.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Literal

import msgspec
from msgspec.structs import replace

from journeys.catalog.running import RunningCatalog
from journeys.engine import sweep
from journeys.engine.interfaces import Records, ResponseQueue
from journeys.engine.rejections import refuse, reject, report
from journeys.engine.step import apply_event, apply_response, fire_timer, touch
from journeys.engine.timers import FATAL, Place
from journeys.records import headers
from journeys.records import response as response_record
from journeys.records.admission import admit
from journeys.records.barrier import barrier_offset
from journeys.records.dead_letter import dead_input
from journeys.records.effects import Effects, Reroute, Sampler
from journeys.records.event import Arrived, Event, Rejection
from journeys.records.event import Clock as UserClock
from journeys.records.input import ClockRecord, Input
from journeys.records.response import Response
from journeys.records.user_record import EMPTY, UserRecord
from journeys.time import LAST, YEAR, ms_of_number, parse_time
from journeys.work import MAX_WORK

MAX_EFFECTS = 5_000
"""Effects after which a call returns, so that one transaction stays small."""

MAX_BYTES = 32 * 1024 * 1024
"""Bytes of payloads, dead letters and changed records after which a call returns, for the same
reason."""

_LARGE = 4 * 1024
"""Records above this, bytes, are counted for MAX_BYTES."""

MAX_CONTROL = 1024
"""Largest barrier or clock record, bytes."""
ENOUGH_WORK = 2 * MAX_WORK
"""Units of expression work after which a call returns, so that no batch takes long."""

DRAIN = 10 * YEAR
"""How far `end` advances a stream's clock, ms: bounded, as journeys with cycles never run out of
timers."""

Clock = Literal["wall", "stream"]


_decode_clock = msgspec.json.Decoder(ClockRecord).decode


class PartitionProcessor:
    """Applies the log of one partition.

    Args:
        records: of this partition alone.
        catalog: the programs that run; `follow` replaces it.
        clock: `wall`: the caller fires timers by `fire`; `stream`: event time fires them.
        partition_time: the largest event time seen so far, ms; read it back after each call.
        role: the role's name in dead letters.
        partition_of: the home partition of a user id; None: every user belongs here.
        at_barrier: called at a barrier record; returns the catalog for the records after it.
        responses: canned responses to the requests of triggers, under the stream clock.
        samples: what was reported in the current minute; read it back after each call.
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
        responses: ResponseQueue | None = None,
        samples: str = "",
    ) -> None:
        self.records = records
        self.catalog = catalog
        self._wall = clock == "wall"
        self.partition_time = partition_time
        self.role = role
        self._partition_of = None if partition_of is None else lru_cache(1_024)(partition_of)
        self._at_barrier = at_barrier
        self._responses = responses
        self._asked = 0
        self._applied: Place | None = None
        self._sweep = sweep.Sweep(catalog)
        self._sampler = Sampler(samples)
        self._timers_left = 0
        self._last_due = partition_time
        self._drained_at: int | None = None
        self._full = 0
        self._full_size = MAX_BYTES
        self._large: set[str] = set()
        self._unswept: list[str] = []
        self._full_work = ENOUGH_WORK

    def follow(self, catalog: RunningCatalog) -> None:
        """Use another catalog from here on."""
        self.catalog = catalog
        self._sweep.follow(catalog)

    def apply(self, inputs: Sequence[Input], effects: Effects, *, timers: int = 1_000) -> int:
        """Apply inputs in order.

        Returns:
            How many were consumed: fewer than given after `timers` timers or MAX_EFFECTS effects.
            The caller passes the rest, from the first one not consumed, with the next call.
        """
        consumed = self._apply(inputs, effects, timers)
        if consumed:
            self._applied = _place(inputs[consumed - 1])
        return consumed

    def _apply(self, inputs: Sequence[Input], effects: Effects, timers: int) -> int:
        self._begin(effects, timers)
        outcomes, dead = effects.outcomes, effects.dead
        full = len(outcomes) + len(dead) + MAX_EFFECTS
        meter = effects.meter
        for count, one in enumerate(inputs):
            if (
                len(outcomes) + len(dead) >= full
                or effects.size >= self._full_size
                or meter.spent >= self._full_work
            ):
                return count
            if one.kind is None:
                done = self._event(one, effects)
            elif one.kind == "mark":
                continue
            else:
                done = self._own(one, effects)
            if not done:
                return count
            if self._responses is not None:
                while self._take_response(self.partition_time, effects):
                    pass
        return len(inputs)

    def fire(self, until: int, now: int, effects: Effects, *, timers: int = 1_000) -> bool:
        """Fire the timers due at or before `until`, ms; `now` is the wall clock, ms. They fire
        right after the last record that `apply` consumed.

        Returns:
            Whether more timers are due.
        """
        self._begin(effects, timers)
        return not self._fire(until, now, effects, self._applied)

    def sweep(self, effects: Effects, *, records: int = 2_000) -> bool:
        """Apply changes of the catalog to some of the users that have not observed them yet.

        Returns:
            Whether more users are left.
        """
        effects.sampler = self._sampler
        users = self._unswept or self._sweep.next(self.records, records)
        self._unswept = []
        clock = UserClock(self._wall, self.partition_time)
        for number, user in enumerate(users):
            if effects.size >= self._full_size:
                self._unswept = users[number:]
                return True
            record = self.records.get(user)
            if record is not None:
                changed = touch(self.catalog, effects, user, record, clock)
                if changed is not record:
                    self._keep(user, record, changed, effects)
        return self._sweep.more

    @property
    def samples(self) -> str:
        """What was reported in the current minute, as a short text without blanks."""
        return self._sampler.samples.pack(self.partition_time)

    def _begin(self, effects: Effects, timers: int) -> None:
        effects.sampler = self._sampler
        self._timers_left = timers
        self._full = len(effects) + MAX_EFFECTS
        self._full_size = effects.size + MAX_BYTES
        self._large.clear()
        self._full_work = effects.meter.spent + ENOUGH_WORK
        self._asked = len(effects.actions)

    def _is_full(self, effects: Effects) -> bool:
        return (
            len(effects) >= self._full
            or effects.size >= self._full_size
            or effects.meter.spent >= self._full_work
        )

    def _keep(
        self, user: str, before: UserRecord | None, changed: UserRecord, effects: Effects
    ) -> None:
        """Stores a changed record. A large one adds its size to that of the batch once, as a
        transaction writes it once. A change of the messageIds alone adds nothing: they are stored
        apart and are small."""
        self.records.put(user, changed)
        if changed.size > _LARGE:
            self._count_large(user, before, changed, effects)

    def _count_large(
        self, user: str, before: UserRecord | None, changed: UserRecord, effects: Effects
    ) -> None:
        if user in self._large:
            return
        if before is None or not changed.same_but_message_ids(before):
            self._large.add(user)
            effects.size += changed.size

    def _set_aside(self, one: Input, error: Exception, time: int, effects: Effects) -> None:
        effects.dead.append(dead_input(one, error, time, self.role))
        effects.size += len(one.value)

    def _now(self, one: Input) -> int:
        return one.arrival if one.arrival is not None else self.partition_time

    def _own(self, one: Input, effects: Effects) -> bool:
        """A record with a kind. Anyone who may write events can write one, so it is validated as
        strictly as an event: a bad one affects nothing but itself."""
        if one.refusal is not None:
            refuse(one, effects, one.refusal, self.role, self._now(one))
            return True
        match one.kind:
            case "event":
                return self._event(one, effects)
            case "response":
                return self._response(one, effects)
            case "clock" | "barrier" if len(one.value) > MAX_CONTROL:
                detail = f"found {len(one.value)} bytes, expected at most {MAX_CONTROL}"
                reject(one, effects, None, "too_large", detail, self._now(one))
                return True
            case "clock":
                return self._clock(one, effects)
            case "barrier":
                return self._barrier(one, effects)
        shown = f"header `{headers.RECORD}`: found {(one.kind or '')[:40]!r}"
        expected = "expected event, response, clock, barrier or mark"
        reject(one, effects, None, "unknown_record", f"{shown}, {expected}", self._now(one))
        return True

    def _event(self, one: Input, effects: Effects) -> bool:
        if one.origin is not None and len(one.origin) > headers.MAX_ORIGIN:
            found = f"header `{headers.ORIGIN}`: found {len(one.origin)} characters"
            expected = f"expected at most {headers.MAX_ORIGIN}"
            reject(one, effects, None, "malformed", f"{found}, {expected}", self._now(one))
            return True
        event = admit(one.value, one.origin or "")
        if isinstance(event, Rejection):
            reject(one, effects, event.user_id, event.reason, event.detail, self._now(one))
            return True
        if not event.message_id:
            event = replace(event, message_id=_origin(one))
        record = self.records.get(event.user_id)
        if record is None and self._partition_of is not None:
            home = self._home(event.user_id, one)
            if home is not None:
                if one.kind is None:
                    self._reroute(one, event, home, effects)
                else:
                    self._reject_foreign(one, event.user_id, home, effects)
                return True
        wall = self._wall
        arrival = one.arrival if wall else event.received_at
        time = event.timestamp
        if time is None:
            time = arrival if arrival is not None else self.partition_time
        elif arrival is not None and arrival < time:
            time = arrival
        latest = self.partition_time
        if time > latest:
            latest = time
        if not wall and self._is_due(latest):
            if not self._fire(latest, None, effects, _place(one)):
                return False
            record = self.records.get(event.user_id)  # a timer may have changed it
        self.partition_time = latest
        came = latest if arrival is None else arrival
        arrived = Arrived(one.topic, one.partition, one.offset, time, came, latest, wall)
        if effects.meter.left != MAX_WORK:
            effects.meter.begin()
        try:
            changed = apply_event(self.catalog, effects, record, event, arrived)
        except FATAL:
            raise
        except Exception as error:  # noqa: BLE001 - one bad input must not stop the log
            self._set_aside(one, error, time, effects)
            return True
        if changed is not record:  # `_keep`, without a call for each event
            self.records.put(event.user_id, changed)
            if changed.size > _LARGE:
                self._count_large(event.user_id, record, changed, effects)
        return True

    def _response(self, one: Input, effects: Effects) -> bool:
        try:
            response = response_record.decode(one.value)
        except ValueError as error:
            reject(one, effects, None, "malformed", f"a response: {error}", self._now(one))
            return True
        if (home := self._home(response.user_id, one)) is not None:
            self._reject_foreign(one, response.user_id, home, effects)
            return True
        time = self._now(one)
        if not self._wall:
            if not self._fire(time, None, effects, _place(one)):
                return False
            self.partition_time = max(self.partition_time, time)
        self._apply_response(one, response, time, effects)
        return True

    def _apply_response(self, one: Input, response: Response, time: int, effects: Effects) -> None:
        latest, wall = self.partition_time, self._wall
        arrived = Arrived(one.topic, one.partition, one.offset, time, time, latest, wall)
        record = self.records.get(response.user_id) or EMPTY
        effects.meter.begin()
        try:
            changed = apply_response(self.catalog, effects, record, response, arrived)
        except FATAL:
            raise
        except Exception as error:  # noqa: BLE001 - one bad input must not stop the log
            self._set_aside(one, error, time, effects)
            return
        if changed is not record:
            self._keep(response.user_id, record, changed, effects)

    def _take_response(self, until: int, effects: Effects) -> bool:
        """Apply the next canned response that is due up to `until`, ms, if there is one."""
        responses = self._responses
        if responses is None:
            return False
        if len(effects.actions) > self._asked:
            responses.ask(effects.actions[self._asked :])
            self._asked = len(effects.actions)
        due = responses.next_due()
        if due is None or due > until:
            return False
        one = responses.pop()
        self.partition_time = max(self.partition_time, due)
        self._apply_response(one, response_record.decode(one.value), due, effects)
        return True

    def _barrier(self, one: Input, effects: Effects) -> bool:
        """The catalog changes. Under the stream clock the change is applied to all users at once;
        under the wall clock sweeps apply it between the records of the log."""
        try:
            barrier_offset(one.value)
        except ValueError as error:
            reject(one, effects, None, "malformed", f"a barrier: {error}", self._now(one))
            return True
        if self._at_barrier is not None:
            self.follow(self._at_barrier(one))
        if self._wall:
            return True
        while self.sweep(effects):
            if self._is_full(effects):
                return False
        return True

    def _is_due(self, until: int) -> bool:
        """Whether anything may be due up to `until`, ms; for most events nothing is."""
        if self._responses is not None:
            return True
        due = self.records.next_due()
        return due is not None and due[0] <= until

    def _fire(self, until: int, now: int | None, effects: Effects, place: Place | None) -> bool:
        """Fire timers in order until none is left; False when the call's limit was reached."""
        while True:
            due = self.records.next_due()
            if self._take_response(until if due is None else min(until, due[0] - 1), effects):
                continue
            if due is None or due[0] > until:
                return True
            if self._timers_left <= 0 or self._is_full(effects):
                return False
            effects.meter.begin()
            user = due[1]
            record = self.records.get(user)
            if record is None:
                raise LookupError(f"the due index names {user!r}, who has no record")
            self._timers_left -= 1
            self._last_due = max(self._last_due, due[0])
            changed = fire_timer(
                self.catalog,
                effects,
                user,
                record,
                until,
                now,
                self.partition_time,
                place,
            )
            self._keep(user, record, changed, effects)

    def _clock(self, one: Input, effects: Effects) -> bool:
        try:
            time = _decode_clock(one.value).time
            if time == "end":
                until = self._drained_at or min(self.partition_time + DRAIN, LAST)
            else:
                until = parse_time(time) if isinstance(time, str) else ms_of_number(time)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError, ValueError) as error:
            reject(one, effects, None, "malformed", f"a clock record: {error}", self._now(one))
            return True
        if self._wall:
            return True
        latest = max(self.partition_time, until)
        self._last_due = self.partition_time
        if time == "end":  # a call that was cut short continues to the same time
            self._drained_at = until
        if not self._fire(latest, None, effects, _place(one)):
            return False
        self._drained_at = None
        # After `end` the clock stays at the last timer that fired, so the next events are not late.
        # A call that was cut short left a timer to fire, so the last one fired in this call.
        self.partition_time = max(self.partition_time, self._last_due if time == "end" else latest)
        return True

    def _home(self, user_id: str, one: Input) -> int | None:
        """The home partition of the user, or None if the record is in it."""
        if self._partition_of is None:
            return None
        home = self._partition_of(user_id)
        return None if home == one.partition else home

    def _reject_foreign(self, one: Input, user_id: str, home: int, effects: Effects) -> None:
        """The engine writes its own records only to the user's home partition; applied anywhere
        else, one would create a second record of the user."""
        detail = f"found a record of partition {home}'s user, expected one of {one.partition}'s"
        reject(one, effects, user_id, "wrong_partition", detail, self._now(one))

    def _reroute(self, one: Input, event: Event, home: int, effects: Effects) -> None:
        moved = headers.build("event", one.origin or _origin(one))
        effects.size += len(one.value)
        effects.reroutes.append(Reroute(event.user_id.encode(), one.value, moved))
        # A producer with another partitioner misplaces most of its events.
        if self._sampler.is_sample("event.rerouted", str(one.partition), "", self.partition_time):
            detail = {"from": one.partition, "to": home}
            report(one, effects, "event.rerouted", event.user_id, detail, self._now(one))
        else:
            effects.counts["event.rerouted"] += 1


def _place(one: Input) -> Place | None:
    """The record's position in its log; None if it is not in one."""
    return None if one.offset < 0 else (one.topic, one.partition, one.offset)


def _origin(one: Input) -> str:
    """The event's position in the log, used as the messageId of an event without one."""
    return f"{one.topic}-{one.partition}-{one.offset}"
