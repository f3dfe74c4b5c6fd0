"""Takes over and gives up partitions when the group rebalances: fence, restore, seek.

Law: a partition's state is read only after every older owner has been fenced by the broker, up to
the end that the changelog had then; the source is read from the offset found there. The group's
committed offsets are written for lag monitors and never believed. So nothing depends on the
group's membership being right: of two processes that both believe they own a partition, only the
newer can write, and it started from all that the older one wrote.

Answers Faust's recovery, which resumes the sources, then seeks, then clears the agents' queues
(tables/recovery.py:330 and :649; 157 of 3,000 events missing after a restart).
"""

import asyncio
import threading
from collections.abc import Callable, Mapping
from concurrent.futures import Executor
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType
from typing import Any

from agents.runtime.broker_clock import BrokerClock
from agents.runtime.exits import last_line
from agents.runtime.partition import OwnedPartition, PartitionLoop
from agents.runtime.source_reader import OffsetGone, Where
from agents.runtime.transaction import Outputs, TransactionalProducer
from tables.changelog import Position
from tables.codec import Codec
from tables.log_ends import LogEnds, fetch_log_ends
from tables.restore import restore
from tables.store import Store

_RESTORING_AT_ONCE = 4


class Unwanted(Exception):
    """The partition that is being taken over isn't wanted any more."""


class Ownership:
    """The partitions that this process owns, each with its loop."""

    def __init__(
        self,
        *,
        open_partition: Callable[[Where, Callable[[], bool]], OwnedPartition],
        make_loop: Callable[[OwnedPartition], PartitionLoop],
        released: Callable[[Where], None],
        executor: Executor,
    ) -> None:
        """open_partition(where, unwanted): blocking; fences and restores, and may raise Unwanted
        once `unwanted()` is true. make_loop: on the event loop. released: called when a partition
        is given up; it may be taken over again at once."""
        self.loops: dict[Where, PartitionLoop] = {}
        self._open_partition = open_partition
        self._make_loop = make_loop
        self._released = released
        self._executor = executor
        self._opening: dict[Where, asyncio.Future[OwnedPartition]] = {}
        self._unwanted = threading.Event()
        self._closing: set[asyncio.Future[None]] = set()
        self._generation: int | None = None
        self._restoring = asyncio.Semaphore(_RESTORING_AT_ONCE)
        self._changing = asyncio.Lock()

    async def own(self, wanted: set[Where], generation: int) -> None:
        """Owns exactly `wanted` when it returns; the loops do nothing until they are started.

        A partition that is owned in two consecutive generations of the group keeps its producer and
        its state: nobody else owned it in between (and if somebody had, the broker would refuse the
        next write). Everything else is opened again. After a cancellation it may be called again.
        """
        async with self._changing:
            consecutive = self._generation is not None and generation == self._generation + 1
            await self._give_up(set(self.loops) - (wanted if consecutive else set()))
            self._generation = generation
            missing = wanted - set(self.loops)
            self._unwanted = unwanted = threading.Event()
            for where in missing:
                self._opening[where] = asyncio.ensure_future(self._open(where, unwanted))
            for where in missing:
                # Shielded: a rebalance that interrupts this must not share a half-open partition.
                owned = await asyncio.shield(self._opening[where])
                del self._opening[where]
                self.loops[where] = self._make_loop(owned)

    async def _open(self, where: Where, unwanted: threading.Event) -> OwnedPartition:
        async with self._restoring:
            if unwanted.is_set():
                raise Unwanted
            return await asyncio.get_running_loop().run_in_executor(
                self._executor, self._open_partition, where, unwanted.is_set
            )

    async def _give_up(self, partitions: set[Where]) -> None:
        """Closes the partitions, and what a cancelled call was opening or closing: RocksDB's lock
        of each is free when this returns. After a cancellation the next call continues."""
        for where in partitions:
            self._close(self.loops.pop(where).close)
            self._released(where)
        self._unwanted.set()  # a long restore ends early; what it has read is kept
        for where, opening in list(self._opening.items()):
            await asyncio.wait([opening])  # unlike awaiting it, leaves it alone when cancelled
            del self._opening[where]
            # A lasting error is raised again when `own` opens the partition.
            if opening.exception() is None:
                self._close(opening.result().store.close)
        for closing in list(self._closing):
            await asyncio.wait([closing])
            self._closing.discard(closing)
            closing.result()

    def _close(self, close: Callable[[], None]) -> None:
        loop = asyncio.get_running_loop()
        self._closing.add(loop.run_in_executor(self._executor, close))

    async def quiesce(self) -> None:
        """No loop begins a batch; those in flight are committed."""
        await asyncio.gather(*(loop.quiesce() for loop in self.loops.values()))

    async def release(self) -> None:
        """Gives up everything. Only when quiesced."""
        async with self._changing:
            await self._give_up(set(self.loops))


def open_partition(
    where: Where,
    *,
    application: str,
    changelog: str,
    codec: Codec[Any],
    state_dir: Path,
    client: Mapping[str, Any],
    clock: BrokerClock,
    log: str,
    changelog_id: str = "",
    accept_loss: bool = False,
    former: Mapping[str, str] = MappingProxyType({}),
    producer_class: type[TransactionalProducer] = TransactionalProducer,
    progressed: Callable[[], None] = lambda: None,
) -> OwnedPartition:
    """Fences the older owners of `where` and restores its state. Blocks.

    accept_loss: continue where the source doesn't hold what follows the position any more.
    former: ids that the source's topic had before it was made again, with what a position in them
    means: `start` of the present topic, or the `same` offset.
    log: how records name the source's log.
    changelog_id: Kafka's id of the changelog, where it is known.
    progressed: called from time to time while a long restore lasts.

    Raises OffsetGone where the source doesn't hold what follows, unless that is accepted, and
    AnotherChangelog.
    """
    topic, partition = where
    transactional_id = f"{application}-{topic}-{partition}"
    producer = producer_class(client, transactional_id, changelog, partition, clock)
    producer.fence()
    store = Store.open_or_discard(state_dir / changelog / str(partition))
    try:
        restored = restore(
            store,
            changelog,
            partition,
            codec,
            client,
            topic_id=changelog_id,
            progressed=progressed,
        )
        ends = fetch_log_ends(client, topic, partition)
        begin = _begin(where, ends, store.position, accept_loss, former)
        # No timer may fire before the broker's time is known; the answer to a commit carries it.
        if begin != store.position or not clock.known:
            store.write([], producer.commit(Outputs.none(), [], begin), begin)
    except BaseException:
        store.close()
        raise
    return OwnedPartition(topic, partition, log, store, producer, restored)


def _begin(
    where: Where,
    log: LogEnds,
    position: Position | None,
    accept_loss: bool,
    former: Mapping[str, str],
) -> Position:
    """Where the owner goes on reading the source, whose log is `log`."""
    name = f"{where[0]}/{where[1]}"
    if position is None:
        # The very first owner begins where the log does and commits that: from now on, a record
        # that retention deletes before it is applied is an error, not a silent loss.
        return Position(log.first, topic_id=log.topic_id)
    start = replace(position, source=log.first, topic_id=log.topic_id)
    # Positions of older versions have no id, and are believed.
    if position.topic_id not in (log.topic_id, ""):
        known = former.get(position.topic_id)
        if known == "same":
            position = replace(position, topic_id=log.topic_id)
        else:
            text = f"{name} was deleted and made again; {position.source} of the old log was next"
            if known is None and not accept_loss:
                raise OffsetGone(
                    f"{text}, and what wasn't applied of it is lost. --accept-loss continues at "
                    "the beginning of the new log"
                )
            last_line(f"{text}: continuing at {log.first}, the beginning of the new one")
            return start
    if position.source > log.end:
        text = f"{name} ends at {log.end}, before {position.source}, the next record to apply"
        if not accept_loss:
            raise OffsetGone(
                f"{text}: the log was cut off, or deleted and made again. --accept-loss continues "
                "with what it holds"
            )
        if position.topic_id:
            # The same log without its end: all that is left of it has been applied.
            last_line(f"{text}: continuing at its end")
            return replace(position, source=log.end, topic_id=log.topic_id)
        last_line(f"{text}: continuing at {log.first}, its beginning")
        return start
    if position.source >= log.first:
        return replace(position, topic_id=log.topic_id)
    range_ = f"{name}: {position.source} to {log.first - 1}"
    if not accept_loss:
        raise OffsetGone(
            f"{range_} are no longer in the log and were never applied: retention must be longer "
            "than the longest outage. --accept-loss continues without them"
        )
    last_line(f"{range_} were lost: they are no longer in the log and were never applied")
    return start
