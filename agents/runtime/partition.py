"""The loop of one owned partition: take a batch, let the role compute it, commit its effects.

Law: compute, then one transaction, then the store, then acknowledge. Nothing is acknowledged before
it is committed; an exception acknowledges nothing and ends the process.

Answers Faust's at-least-once, which acknowledges an event whose agent raised (a poison event is
lost), and its recovery, which uses the group's committed offsets instead of the state's own.
"""

import asyncio
from collections.abc import Callable
from concurrent.futures import Executor
from dataclasses import dataclass, replace
from time import perf_counter
from typing import Any

from confluent_kafka import TIMESTAMP_LOG_APPEND_TIME, Message

from agents.metrics import Labels, Metric, PartitionCounts
from agents.runtime.broker_clock import BrokerClock
from agents.runtime.input_queue import MAX_INPUTS, InputQueue, OutOfOrder
from agents.runtime.marks import Marks
from agents.runtime.timers import TimerRule, Timers
from agents.runtime.transaction import Headers, Outputs, TransactionalProducer, count_sent
from tables.changelog import Position
from tables.store import Change, Store
from tables.view import View

COMMIT_INTERVAL_MS = 100
"""How long the changes of a batch that sends nothing may wait to share the transaction of a later
batch: most events send nothing, and every transaction is work for the broker."""
CONFIRMED_FOR_MS = 3_000
"""A successful commit proves for this long after its start that this process owns the partition:
half of the group's session, within which no other process takes it over."""
_LONGEST_REST_MS = 6


@dataclass(slots=True)
class OwnedPartition:
    """A partition just taken over: its state up to date, its older owners fenced.

    log: how records name the topic's log. restored: changelog records that were read.
    """

    topic: str
    partition: int
    log: str
    store: Store
    producer: TransactionalProducer
    restored: int


class Batch:
    """The role's input and output for one computation. Use it as `async with batch:`; leaving the
    block applies it.

    inputs: source records in log order. results: of calls outside the loop. log: how records name
        the log of the inputs.
    view: the partition's records. partition_time: ms, -1 before the first event; the role advances
        it.
    notes: what else the role stores about the partition, as a short text without blanks.
    now: ms, the broker's clock. watermark: ms; timers due up to here may fire by the wall clock.
    first: the first batch since the partition was taken over (it may be empty).
    consumed: how many of `inputs` the role applied; the rest returns with the next batch.
    more_timers: whether the role left due timers for the next batch.
    urgent: whether it is committed before the next batch begins. Otherwise, if it sends nothing, it
        may share the transaction of a later batch.
    """

    def __init__(
        self,
        loop: "PartitionLoop",
        inputs: list[Message],
        results: list[Any],
        now: int,
        watermark: int,
        first: bool,
    ) -> None:
        self.loop = loop
        self.topic = loop.topic
        self.partition = loop.partition
        self.log = loop.log
        self.view: View[Any] = loop.view
        self.partition_time = loop.partition_time
        self.notes = loop.notes
        self.inputs = inputs
        self.results = results
        self.now = now
        self.watermark = watermark
        self.first = first
        self.consumed = len(inputs)
        self.more_timers = False
        self.urgent = True
        self.outputs = Outputs.none()
        self.counts: list[tuple[Metric, Labels, float]] = []
        self.taken_at = perf_counter()
        self.done = asyncio.Event()

    def send(
        self,
        topic: str,
        key: bytes | None,
        value: bytes,
        partition: int | None = None,
        headers: Headers | None = None,
    ) -> None:
        """Sends with the batch's transaction; partition None: Kafka's murmur2 of the key."""
        self.outputs.add(topic, partition, key, value, headers)

    def count(self, metric: Metric, *labels: str, by: float = 1) -> None:
        """Adds to a counter of the role, once the batch is applied. Call it for rare things or for
        sums over the batch, not for every input."""
        self.counts.append((metric, labels, by))

    async def __aenter__(self) -> "Batch":
        return self

    async def __aexit__(self, kind: Any, error: BaseException | None, trace: Any) -> None:
        try:
            if error is None:
                await self.loop.commit(self)
        except BaseException as failure:
            error = failure
            raise
        finally:
            if error is not None:
                # Also after a cancellation, as it isn't known here whether the batch was committed.
                self.loop.fail(error)
            self.done.set()


class PartitionLoop:
    """The loop of one owned partition; it lives from the takeover until the partition is given up.

    position: next source offset after the committed inputs. applied: count of inputs. batches:
        count of computed batches.
    counts: for the metrics; they outlive the loop.
    """

    def __init__(
        self,
        owned: OwnedPartition,
        view: View[Any],
        *,
        timers: TimerRule,
        hand_over: Callable[[Batch], Any],
        capacity: Callable[[int], int],
        clock: BrokerClock,
        marks: Marks,
        executor: Executor,
        has_capacity: Callable[[], None],
        counts: PartitionCounts,
        fail: Callable[[BaseException], None],
    ) -> None:
        """hand_over: puts a batch into the agent's channel; awaitable. capacity(partition): how
        many inputs the role takes now. has_capacity: wakes the reader. fail: ends the process."""
        self.topic = owned.topic
        self.partition = owned.partition
        self.log = owned.log
        self.store = owned.store
        self.producer = owned.producer
        self.view = view
        self.counts = counts
        counts.restored += owned.restored
        self._end_process = fail
        self._hand_over = hand_over
        self._capacity = capacity
        self._clock = clock
        self._executor = executor
        self._has_capacity = has_capacity
        position = owned.store.position
        assert position is not None, "a partition that was taken over has a position"
        self.partition_time = position.time
        self.notes = position.notes
        # Inputs between these two are applied to the view and wait for their transaction.
        self._applied = self._committed = position
        self._waiting = 0
        self._commit_at: int | None = None
        self.position = position.source
        self.applied = 0
        self.batches = 0
        self._failed = False
        self._at_work = False
        self._next_log = owned.store.next_log
        self._first = True
        self._more_timers = False
        self._queue = InputQueue(f"{self.topic}/{self.partition}", position.source)
        self._results: list[Any] = []
        self._confirmed = clock.steady() - 2 * CONFIRMED_FOR_MS
        self._confirmation: asyncio.Future[None] | None = None
        self._wake = asyncio.Event()
        self._timers = Timers(
            timers, self.topic, self.partition, view, clock, marks, self._wake.set
        )
        self._stopping = True
        self._task: asyncio.Task[None] | None = None

    # ---- from the reader
    def feed(self, messages: list[Message]) -> None:
        try:
            self._queue.feed(messages)
        except OutOfOrder as error:
            self.fail(error)
        else:
            self._wake.set()

    def reached_end(self, offset: int) -> None:
        """Everything before `offset` has been fed; the remaining offsets up to it are control
        records."""
        self._queue.end = offset
        self._wake.set()

    def full(self) -> bool:
        return self._queue.full()

    def drained(self) -> bool:
        return self._queue.drained()

    # ---- from the role
    def hand_in(self, result: Any) -> None:
        """Adds the result of a call outside the loop to the next batch."""
        self._results.append(result)
        self._wake.set()

    async def confirm(self) -> None:
        """Returns when a recent commit proves that nobody else owns the partition.

        It is awaited before every call: a process that was suspended doesn't notice that, and a
        newer owner may have made the same call in the meantime. If the partition is fenced, this
        never returns; the process ends.
        """
        while self._clock.steady() - self._confirmed > CONFIRMED_FOR_MS:
            if self._confirmation is None:
                self._confirmation = asyncio.get_running_loop().create_future()
                self._wake.set()
            await asyncio.shield(self._confirmation)

    # ---- life
    def start(self) -> int:
        """Starts taking batches; returns the source offset to read from."""
        assert self._failed or self._applied == self._committed, "quiescing commits what waits"
        self._queue = InputQueue(f"{self.topic}/{self.partition}", self._committed.source)
        self._stopping = self._failed
        self._timers.start(self._committed.source)
        if self._task is None or self._task.done():
            self._task = asyncio.get_running_loop().create_task(self._run())
        return self._committed.source

    async def quiesce(self) -> None:
        """Starts no new batch; the one in flight ends, and all applied inputs are committed."""
        self._stopping = True
        self._wake.set()
        if self._task is not None:
            await asyncio.wait([self._task])

    def fail(self, error: BaseException) -> None:
        """Ends the process. Until then no batch begins, as it would commit the failed batch's
        changes in the view and the position after its inputs."""
        self._failed = self._stopping = True
        self._end_process(error)

    def close(self) -> None:
        """Frees RocksDB and the producer's handle. Only when quiesced."""
        self.store.close()
        del self.producer

    # ---- the loop
    async def _run(self) -> None:
        try:
            while not self._stopping:
                batch = self._take()
                if batch is None and not self._overdue():
                    await self._wait()
                    continue
                self._at_work = True
                began = self._clock.steady()
                if batch is None:
                    await self._write(Outputs.none())
                else:
                    await self._hand_over(batch)
                    await batch.done.wait()
                self._at_work = False
                await self._rest(self._clock.steady() - began)
            if not self._failed:
                await self._write(Outputs.none())
        except Exception as error:  # noqa: BLE001 - whatever it is, it must not vanish
            self.fail(error)

    async def _rest(self, ms: int) -> None:
        """Waits a little after a batch that took `ms`, so that records that arrive meanwhile share
        the next transaction: for the broker, one record costs as much as a hundred."""
        if self.drained() and not self._stopping:
            await asyncio.sleep(min(ms, _LONGEST_REST_MS) / 1_000)

    def _take(self) -> Batch | None:
        now = self._clock.now()
        inputs = self._take_inputs()
        due = self._timers.due(now, not inputs and self._at_end())
        asked = self._first or self._more_timers or self._confirmation is not None
        if not (inputs or due or self._results or asked):
            return None
        first, self._first = self._first, False
        self._more_timers = False
        results, self._results = self._results, []
        return Batch(self, inputs, results, now, self._timers.watermark(now), first)

    def _take_inputs(self) -> list[Message]:
        capacity = min(MAX_INPUTS - self._waiting, self._capacity(self.partition))
        inputs = self._queue.take(capacity)
        if inputs and not self._queue.full():
            self._has_capacity()
        if not inputs and self._at_end():
            assert self._queue.end is not None
            self._timers.log.applied(self._queue.end, None)
            self._acknowledge()
        return inputs

    def _at_end(self) -> bool:
        """Whether all readable records of the log have been taken."""
        return not self._queue and self._queue.end is not None

    async def _wait(self) -> None:
        """Waits until there is work, without polling: an idle partition costs nothing."""
        self._wake.clear()
        delays = [self._timers.seconds_until_due(self._at_end())]
        if self._commit_at is not None:
            delays.append(max(0, self._commit_at - self._clock.steady()) / 1_000)
        delay = min((seconds for seconds in delays if seconds is not None), default=None)
        timer = None
        if delay is not None:
            timer = asyncio.get_running_loop().call_later(delay, self._wake.set)
        try:
            await self._wake.wait()
        finally:
            if timer is not None:
                timer.cancel()

    def _overdue(self) -> bool:
        """Whether applied inputs have waited long enough for their transaction."""
        return self._waiting >= MAX_INPUTS or (
            self._commit_at is not None and self._commit_at <= self._clock.steady()
        )

    async def commit(self, batch: Batch) -> None:
        """Marks the batch as applied; its transaction is written now, or with a later batch."""
        self._queue.give_back(batch.inputs[batch.consumed :])
        source, arrived = self._applied.source, None
        if batch.consumed:
            last = batch.inputs[batch.consumed - 1]
            source = last.offset() + 1
            kind, stamp = last.timestamp()
            arrived = stamp if kind == TIMESTAMP_LOG_APPEND_TIME else None
        self._applied = replace(
            self._applied, source=source, time=batch.partition_time, notes=batch.notes
        )
        self._waiting += batch.consumed
        if self._commit_at is None and (self._applied != self._committed or self.view.changed):
            self._commit_at = self._clock.steady() + COMMIT_INTERVAL_MS
        asked = batch.urgent or self._confirmation is not None
        if asked or batch.outputs or self._overdue():
            await self._write(batch.outputs)
        self.partition_time, self.notes = batch.partition_time, batch.notes
        self._more_timers = batch.more_timers
        self._timers.log.applied(source, arrived)
        self._acknowledge()
        self.applied += batch.consumed
        self.batches += 1
        self.counts.inputs += batch.consumed
        self.counts.batches.add(perf_counter() - batch.taken_at)
        for metric, labels, by in batch.counts:
            self.counts.add_by_role(metric, labels, by)

    async def _write(self, outputs: Outputs) -> None:
        """Writes one transaction with all applied inputs, then the store."""
        changes, position = self.view.changes(), self._applied
        began, asked = self._clock.steady(), self._confirmation
        if changes or outputs or position != self._committed or asked is not None:
            started = perf_counter()
            await asyncio.get_running_loop().run_in_executor(
                self._executor, self._commit, outputs, changes, position
            )
            self.counts.transactions.add(perf_counter() - started)
            count_sent(self.counts, outputs, self.producer.changelog, changes)
            self._confirmed = began
            if asked is not None:
                self._confirmation = None
                asked.set_result(None)
        self._committed = position
        self._waiting, self._commit_at = 0, None
        self.view.committed()
        self._acknowledge()

    def _commit(self, outputs: Outputs, changes: list[Change], position: Position) -> None:
        self._next_log = self.producer.commit(outputs, changes, position)
        self.store.write(changes, self._next_log, position)

    def _acknowledge(self) -> None:
        """Advances `position`, unless applied inputs aren't committed yet."""
        if self._applied == self._committed:
            self.position = self._timers.log.offset

    @property
    def watermark(self) -> int:
        """Ms; every record that reached the source before this time is applied. -1 until it is
        known."""
        return self._timers.log.watermark

    def has_work(self, end: int) -> bool:
        """Whether a batch should end soon, given that all records before `end` can be read. Not
        while the role takes no inputs."""
        if self._at_work:
            return True
        return self._capacity(self.partition) > 0 and (bool(self._queue) or self.position < end)
