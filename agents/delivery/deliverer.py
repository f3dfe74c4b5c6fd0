"""The deliver role: takes actions from the log, starts their calls, and keeps them until their
deliveries have ended.

Law: an action is an outstanding record before it is called, and until the transaction that reports
its end. So after a crash the calls that were in flight are made again, with the same idempotency
key; every action ends in exactly one outcome, and every trigger's request in exactly one response.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import msgspec
from confluent_kafka import Message
from msgspec import UNSET

from agents.delivery import outcomes
from agents.delivery.calls import Call, Calls, FinishedCall
from agents.delivery.rate import Pace
from agents.delivery.retry import next_attempt, next_attempt_until
from agents.delivery.warnings import Warnings
from agents.destinations.call_result import CallResult, our_error
from agents.destinations.callers import Callers
from agents.kafka.topics import DEAD, EVENTS, OUTCOMES, logical
from agents.metrics import (
    CALL_RESULTS,
    CALL_SECONDS,
    CALLS_IN_FLIGHT,
    CIRCUIT_OPEN,
    DEAD_LETTERS,
    DELIVERIES_OUTSTANDING,
    Gauge,
)
from agents.runtime.partition import Batch
from agents.runtime.signatures import Signatures
from journeys.documents.destination import Destination, Retry
from journeys.records.outcome import Cause
from tables.deliveries import Delivery, Malformed, key_of, last_start, read_action

MAX_OUTSTANDING = 1_000
"""Deliveries of a partition that are in flight or wait; beyond it the partition waits."""
MAX_OUTSTANDING_BYTES = 32 << 20
"""The same in bytes: a batch of the largest payloads must fit into a transaction and memory."""

_encode = msgspec.json.Encoder().encode
Destinations = Callable[[], Mapping[str, Destination]]


@dataclass(slots=True)
class _Outstanding:
    """The outstanding deliveries of one partition."""

    deliveries: int = 0
    size: int = 0

    def add(self, delivery: Delivery, sign: int = 1) -> None:
        self.deliveries += sign
        self.size += sign * len(delivery.action)


class Deliverer:
    """One destination: the batches of its partitions, and its calls."""

    def __init__(
        self,
        name: str,
        destinations: Destinations,
        callers: Callers,
        partitions: int,
        now: Callable[[], int],
        signatures: Signatures,
    ) -> None:
        """partitions: how many the destination has, over all workers. now: ms, by the broker's
        clock. signatures: for responses."""
        self.name = name
        self._destinations = destinations
        self._callers = callers
        self._partitions = partitions
        self._now = now
        self._signatures = signatures
        self._outstanding: dict[int, _Outstanding] = {}
        self._pace = Pace()
        self._warnings = Warnings(name)
        self._looked_at: Destination | None = None
        self.calls = Calls(
            self._attempt,
            lambda: self._destination_or_default()[1],
            self._wait_for_turn,
            self._overdue,
            self._warnings.circuit,
        )

    # ---- called by the loops
    def capacity(self, partition: int) -> int:
        """How many actions the partition takes now; none before its first batch."""
        capacity = self._outstanding.get(partition)
        if capacity is None or capacity.size >= MAX_OUTSTANDING_BYTES:
            return 0
        return max(0, MAX_OUTSTANDING - capacity.deliveries)

    def gauges(self) -> list[Gauge]:
        """The current values for the metrics page."""
        outstanding = sum(one.deliveries for one in self._outstanding.values())
        return [
            (DELIVERIES_OUTSTANDING, (self.name,), outstanding),
            (CALLS_IN_FLIGHT, (self.name,), self.calls.in_flight),
            (CIRCUIT_OPEN, (self.name,), self.calls.circuit_open),
        ]

    def warn_of_missing_variables(self) -> None:
        """Warns about variables that a new version of the document needs and the worker doesn't
        have."""
        destination, _ = self._destination_or_default()
        if destination is not None and destination is not self._looked_at:
            self._looked_at = destination
            self._warnings.lacking(self._callers.secrets.lacking(destination.model_dump()))

    # ---- called by the watchdog
    @property
    def ended(self) -> int:
        return self.calls.ended

    @property
    def has_work(self) -> bool:
        return self.calls.has_work

    @property
    def longest(self) -> float:
        """Seconds after which any call in flight has ended."""
        destination = self._destinations().get(self.name)
        return 0.0 if destination is None else destination.timeout / 1_000

    # ---- called by the app
    def released(self, partition: int) -> None:
        """The partition is given up."""
        self.calls.release(partition)
        self._outstanding.pop(partition, None)

    def stop(self) -> None:
        """Gives up everything, as the process ends."""
        for partition in list(self._outstanding):
            self.released(partition)

    async def work(self, batch: Batch) -> None:
        """Commits the batch, and only then starts the calls that follow from it."""
        async with batch:
            settled, calls = self.compute(batch)
        for delivery, done in settled:
            self.calls.settled(delivery.partition, delivery.action.user_id, delivery.key, done)
        for call in calls:
            self.calls.add(call)

    def compute(self, batch: Batch) -> tuple[list[tuple[Call, bool]], list[Call]]:
        """Applies results, due retries and new actions to the records.

        Returns the deliveries whose call is settled, each with whether it has ended, and those to
        be called.
        """
        calls: list[Call] = []
        if batch.first:
            calls += self._resume(batch)
        settled = [one for result in batch.results for one in self._settle(batch, result)]
        while (due := batch.view.next_due()) is not None and due[0] <= batch.now:
            delivery = batch.view.get(due[1])
            assert delivery is not None, "a due-time entry without its record"
            delivery = msgspec.structs.replace(delivery, next_attempt_at=None)
            batch.view.put(due[1], delivery)
            calls.append(_call(batch, due[1], delivery))
        capacity = self._outstanding[batch.partition]
        for number, message in enumerate(batch.inputs):
            if capacity.size >= MAX_OUTSTANDING_BYTES:
                batch.consumed = number
                break
            calls += self._take(batch, message, capacity)
        return settled, calls

    # ---- one by one
    def _resume(self, batch: Batch) -> list[Call]:
        """After a takeover: the calls that were in flight, or waited for their turn, when the last
        owner stopped. Deliveries that wait for a retry are called when it is due."""
        self.released(batch.partition)
        capacity = self._outstanding[batch.partition] = _Outstanding()
        calls = []
        found = sorted(batch.view.items(), key=lambda item: item[1].offset)
        for key, delivery in found:
            capacity.add(delivery)
            call = _call(batch, key, delivery)
            if delivery.next_attempt_at is None:
                calls.append(call)
        for key, delivery in found:
            # The user's first delivery, in flight or waiting, comes before the others.
            self.calls.hold(batch.partition, read_action(delivery.action).user_id, key)
        return calls

    def _take(self, batch: Batch, message: Message, capacity: _Outstanding) -> list[Call]:
        """Takes a new action. If it is already outstanding, it was written twice and is ignored."""
        value = message.value()
        try:
            action = read_action(value)
        except Malformed as error:
            cause = Cause(batch.log, batch.partition, message.offset())
            dead = outcomes.dead_letter(
                "malformed", str(error), cause, message.key(), value or b"", batch.now
            )
            batch.send(DEAD, None, _encode(dead), batch.partition)
            batch.count(DEAD_LETTERS, dead.role, dead.reason)
            return []
        key = key_of(action)
        if batch.view.get(key) is not None:
            return []
        written_at = message.timestamp()[1]
        delivery = Delivery(message.offset(), value, written_at=written_at, log=batch.log)
        batch.view.put(key, delivery)
        capacity.add(delivery)
        return [Call(batch.partition, key, delivery, action, batch.loop)]

    def _settle(self, batch: Batch, result: FinishedCall) -> list[tuple[Call, bool]]:
        """Applies the result of a call to its delivery."""
        before = batch.view.get(result.key)
        if before is None:
            return []
        answer = result.answer
        if answer.attempted:
            batch.count(CALL_RESULTS, self.name, answer.meaning)
            batch.count(CALL_SECONDS, self.name, by=answer.took / 1_000)
        first_attempt_at = before.first_attempt_at
        if first_attempt_at is None and answer.attempted:
            first_attempt_at = answer.started_at
        delivery = msgspec.structs.replace(
            before,
            attempts=before.attempts + answer.attempted,
            first_attempt_at=first_attempt_at,
            error=answer.error,
        )
        call = _call(batch, result.key, delivery)
        at = self._next_attempt(call, answer) if answer.meaning == "retriable" else None
        if before.attempts == 0 and answer.meaning != "delivered":
            self._warnings.failed(call.action.action_id, answer, again=at is not None)
        if at is not None:
            batch.view.put(result.key, msgspec.structs.replace(delivery, next_attempt_at=at))
            return [(call, False)]
        self._send_end(batch, call, answer)
        batch.view.delete(result.key)
        self._outstanding[batch.partition].add(delivery, -1)
        return [(call, True)]

    def _next_attempt(self, call: Call, answer: CallResult) -> int | None:
        """When (ms) to retry after a retriable answer; None if the delivery's time is over."""
        id, delivery = call.action.action_id, call.delivery
        end = last_start(delivery, call.action)
        if end is not None:
            return next_attempt_until(self._retry(), id, delivery.attempts, end, answer)
        assert delivery.first_attempt_at is not None, "an attempt without its time"
        return next_attempt(self._retry(), id, delivery.attempts, delivery.first_attempt_at, answer)

    def _send_end(self, batch: Batch, call: Call, answer: CallResult) -> None:
        """Sends the records of a delivery that has ended: the outcome, and a response or dead
        letter."""
        action, delivery, partition = call.action, call.delivery, batch.partition
        cause = Cause(delivery.log or logical(batch.topic), partition, delivery.offset)
        user = action.user_id.encode()
        if answer.meaning == "delivered":
            outcome = outcomes.delivered(action, cause, delivery.attempts, answer)
        else:
            outcome = outcomes.failed(action, cause, delivery.attempts, answer)
        batch.send(OUTCOMES, user, _encode(outcome), partition)
        if action.trigger is not UNSET:
            # An action is in the same partition as its user's record and events.
            response = outcomes.response(action, answer)
            signed = self._signatures.sign(partition, user, response, outcomes.RESPONSE, batch.now)
            batch.send(EVENTS, user, response, partition, signed)
        elif answer.meaning != "delivered":
            dead = outcomes.given_up(action, cause, delivery, answer)
            batch.send(DEAD, user, _encode(dead), partition)
            batch.count(DEAD_LETTERS, dead.role, dead.reason)

    def _wait_for_turn(self) -> float:
        """How long (s) the next call has to wait; 0: it starts now."""
        destination = self._destinations().get(self.name)
        limit = None if destination is None else destination.rate_limit
        share = max(len(self._outstanding), 1) / self._partitions
        return self._pace.take(limit, share, time.monotonic())

    def _overdue(self, call: Call, held_up: float) -> CallResult | None:
        """The result of a delivery that the circuit holds up, if its time is over; else None. The
        time is the same as if its calls had failed. If it was never called, the time counts from
        when it was held up."""
        delivery, now = call.delivery, self._now()
        end = last_start(delivery, call.action)
        if end is not None:
            return outcomes.too_late(delivery, now) if now > end else None
        began = delivery.first_attempt_at
        if began is None:
            began = now - round(held_up * 1_000)
        return outcomes.held_up(delivery, now) if now >= began + self._retry().for_ else None

    async def _attempt(self, call: Call) -> CallResult:
        """One attempt, with the active document of the destination; no call if its time is over."""
        await call.loop.confirm()  # confirmed again right before the first byte is sent
        destination, _ = self._destination_or_default()
        now = self._now()
        end = last_start(call.delivery, call.action)
        if end is not None and now > end:
            return outcomes.too_late(call.delivery, now)
        if destination is None:
            why = f"there is no active destination {self.name!r}"
            return CallResult("retriable", now, 0, "unknown_destination", why)
        try:
            return await self._callers.call(
                destination, call.action, call.delivery.action, call.loop.confirm
            )
        except MemoryError:
            raise  # ends the process
        except Exception as error:  # noqa: BLE001 - a bug of ours costs a delivery, not the process
            return our_error(error, now, self._callers.secrets.masked)

    def _destination_or_default(self) -> tuple[Destination | None, bool]:
        """The active destination, if any, and whether it is ordered."""
        destination = self._destinations().get(self.name)
        if destination is None or destination.status == "archived":
            return None, False
        return destination, destination.ordered

    def _retry(self) -> Retry:
        destination = self._destinations().get(self.name)
        return Retry() if destination is None else destination.retry


def _call(batch: Batch, key: bytes, delivery: Delivery) -> Call:
    action = read_action(delivery.action)
    return Call(batch.partition, key, delivery, action, batch.loop)
