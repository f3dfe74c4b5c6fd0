"""Takes over and gives up partitions when the group rebalances: fence, restore, seek.

Law: a partition's state is read only after the broker has fenced every older owner, up to the
changelog's end at that time; the source is read from the offset found there. The group's committed
offsets are written for lag monitors but never used. So correctness doesn't depend on the group's
membership: of two processes that both believe they own a partition, only the newer can write, and
it started from everything that the older one wrote.

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
    """The partition that is being taken over is no longer wanted."""


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
        """open_partition(where, unwanted): blocks; fences and restores, and may raise Unwanted once
        `unwanted()` is true. make_loop: called on the event loop. released: called when a partition
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
        """Owns exactly `wanted` on return; the loops do nothing until they are started.

        A partition that is owned in two consecutive generations of the group keeps its producer and
        its state: no other process owned it in between (otherwise the broker would refuse the next
        write). All others are opened again. After a cancellation it may be called again.
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
        """Closes the partitions, including those that a cancelled call was opening or closing. On
        return all RocksDB locks are free. After a cancellation the next call continues."""
        for where in partitions:
            self._close(self.loops.pop(where).close)
            self._released(where)
        self._unwanted.set()  # a long restore ends early, but keeps what it has read
        for where, opening in list(self._opening.items()):
            await asyncio.wait([opening])  # unlike awaiting it, never cancels it
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
        """No loop starts a batch; those in flight are committed."""
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

    accept_loss: continue even if the source no longer holds the records after the position.
    former: earlier ids of the source's topic, with where to continue from a position in them: at
        the `start` of the present topic, or at the `same` offset.
    log: how records name the source's log.
    changelog_id: Kafka's id of the changelog, if known.
    progressed: called from time to time during a long restore.

    Raises OffsetGone if the source no longer holds these records, unless that is accepted, and
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
    """The position at which the owner continues in the source, whose log is `log`."""
    name = f"{where[0]}/{where[1]}"
    if position is None:
        # The very first owner starts at the log's beginning and commits that position: from then
        # on, a record that retention deletes before it is applied is an error, not a silent loss.
        return Position(log.first, topic_id=log.topic_id)
    start = replace(position, source=log.first, topic_id=log.topic_id)
    # Positions of older versions have no id, and are trusted.
    if position.topic_id not in (log.topic_id, ""):
        known = former.get(position.topic_id)
        if known == "same":
            position = replace(position, topic_id=log.topic_id)
        else:
            text = f"{name} was deleted and recreated; {position.source} of the old log was next"
            if known is None and not accept_loss:
                raise OffsetGone(
                    f"{text}, and records not applied yet are lost. --accept-loss continues at "
                    "the beginning of the new log"
                )
            last_line(f"{text}: continuing at {log.first}, the beginning of the new one")
            return start
    if position.source > log.end:
        text = f"{name} ends at {log.end}, before {position.source}, the next record to apply"
        if not accept_loss:
            raise OffsetGone(
                f"{text}: the log was cut off, or deleted and recreated. --accept-loss continues "
                "with its present records"
            )
        if position.topic_id:
            # The same log, truncated: all that is left of it has been applied.
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
