"""Runs a history of events through the engine in memory, without Kafka.

Law: the effects are exactly those of the same log in production under the stream clock, because the
same PartitionProcessor applies it.
"""

from __future__ import annotations

import heapq
from collections.abc import Collection, Iterable, Iterator
from itertools import islice
from typing import Literal

import msgspec

from journeys.catalog.running import RunningCatalog
from journeys.engine.processor import PartitionProcessor
from journeys.records.effects import Effects
from journeys.records.input import Input
from journeys.records.user_record import UserRecord
from journeys.simulation.canned_responses import Canned, CannedResponseQueue
from journeys.time import format_time

_SLICE = 1_000
_NOWHERE = -1
"""The offset of a record that is not a line of the history."""


class MemoryRecords:
    """An in-memory store of one partition: records in a dict, due times in a heap."""

    def __init__(self) -> None:
        self.records: dict[str, UserRecord] = {}
        self._due: dict[str, int] = {}
        self._heap: list[tuple[int, str]] = []

    def get(self, user: str) -> UserRecord | None:
        return self.records.get(user)

    def put(self, user: str, record: UserRecord) -> None:
        before = self.records.get(user)
        self.records[user] = record
        if before is not None and before.instances is record.instances:
            return  # only instances have due times
        due = record.next_due() if record.instances else None
        if due == self._due.get(user):
            return
        if due is None:
            del self._due[user]
        else:
            self._due[user] = due
            heapq.heappush(self._heap, (due, user))

    def naming(
        self, journeys: Collection[str], after: str | None, most: int
    ) -> tuple[list[str], str | None]:
        users = [user for user in sorted(self.records) if after is None or user > after]
        return users[:most], users[most - 1] if len(users) > most else None

    def next_due(self) -> tuple[int, str] | None:
        heap, due = self._heap, self._due
        while heap and due.get(heap[0][1]) != heap[0][0]:
            heapq.heappop(heap)  # outdated: the record has changed since then
        return heap[0] if heap else None


class Backtest:
    """Applies a history to a catalog.

    Args:
        name: the name of the history; causes of outcomes show it as the topic. Offsets are line
            numbers, which are also the messageIds of events that have none.
        canned: the responses to the requests of trigger nodes.
    """

    def __init__(self, catalog: RunningCatalog, name: str, canned: Iterable[Canned] = ()) -> None:
        self.name = name
        self.events = 0
        self.records = MemoryRecords()
        self._responses = CannedResponseQueue(canned)
        self._timeline = PartitionProcessor(
            self.records, catalog, "stream", responses=self._responses
        )
        self._line = 0

    def next_due(self) -> int | None:
        """When the next timer fires or the next response arrives, ms; None: never."""
        due, answer = self.records.next_due(), self._responses.next_due()
        return min((at for at in (due and due[0], answer) if at is not None), default=None)

    @property
    def users(self) -> int:
        return len(self.records.records)

    @property
    def waiting(self) -> int:
        """The number of live instances."""
        return sum(len(record.instances) for record in self.records.records.values())

    def run(self, lines: Iterable[bytes], *, drain: bool = False) -> Iterator[Effects]:
        """Apply the lines in order; empty lines are skipped.

        Args:
            lines: one JSON event each.
            drain: whether time advances after the last line until no timer is left.

        Yields:
            the effects, in batches and in order; `events` counts the applied lines.
        """
        inputs = self._inputs(lines)
        while some := list(islice(inputs, _SLICE)):
            yield from self._apply(some)
            self.events += len(some)
        if drain:
            yield from self.advance("end")

    def advance(self, to: int | Literal["end"]) -> Iterator[Effects]:
        """Advance the clock, as a clock record in the log does.

        Args:
            to: a time, ms, or `end`: until no timer is left.
        """
        value = msgspec.json.encode({"time": format_time(to) if isinstance(to, int) else to})
        yield from self._apply([Input(self.name, 0, _NOWHERE, None, value, kind="clock")])

    def _inputs(self, lines: Iterable[bytes]) -> Iterator[Input]:
        for line in lines:
            self._line += 1
            if line := line.strip():
                yield Input(self.name, 0, self._line, None, line, origin=str(self._line))

    def _apply(self, inputs: list[Input]) -> Iterator[Effects]:
        while inputs:
            effects = Effects()
            inputs = inputs[self._timeline.apply(inputs, effects) :]
            yield effects
