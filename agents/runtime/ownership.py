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
from collections.abc import Callable, Mapping
from concurrent.futures import Executor
from pathlib import Path
from typing import Any

from agents.runtime.delivery import Where
from agents.runtime.partition import PartitionLoop, Taken
from agents.runtime.transaction import TransactionalProducer
from tables.codec import Codec
from tables.restore import restore
from tables.store import Store

_RESTORING_AT_ONCE = 4


class Ownership:
    """The partitions that this process owns, each with its loop."""

    def __init__(
        self,
        *,
        open_partition: Callable[[Where], Taken],
        make_loop: Callable[[Taken], PartitionLoop],
        executor: Executor,
    ) -> None:
        """open_partition: blocking; fences and restores. make_loop: on the event loop."""
        self.loops: dict[Where, PartitionLoop] = {}
        self._open_partition = open_partition
        self._make_loop = make_loop
        self._executor = executor
        self._opening: dict[Where, asyncio.Future[Taken]] = {}
        self._generation: int | None = None
        self._restoring = asyncio.Semaphore(_RESTORING_AT_ONCE)

    async def own(self, wanted: set[Where], generation: int) -> None:
        """Owns exactly `wanted` when it returns; the loops are quiet until started.

        A partition kept over consecutive generations keeps its producer and its state: nobody
        else can have had it (and if that were wrong, the broker would refuse its next write).
        Everything else is opened anew. Cancelled in the middle, it may be called again.
        """
        consecutive = self._generation is not None and generation == self._generation + 1
        keep = wanted if consecutive else set()
        for where in [where for where in self.loops if where not in keep]:
            await self._close(self.loops.pop(where).close)
        await self._discard_interrupted()
        self._generation = generation
        missing = [where for where in wanted if where not in self.loops]
        for where in missing:
            self._opening[where] = asyncio.ensure_future(self._open(where))
        for where in missing:
            # Shielded: a rebalance that interrupts this must not share a half-open partition.
            taken = await asyncio.shield(self._opening[where])
            del self._opening[where]
            self.loops[where] = self._make_loop(taken)

    async def _open(self, where: Where) -> Taken:
        async with self._restoring:
            return await asyncio.get_running_loop().run_in_executor(
                self._executor, self._open_partition, where
            )

    async def _discard_interrupted(self) -> None:
        """An open that an earlier, interrupted rebalance began is ended and closed."""
        for where, opening in list(self._opening.items()):
            try:
                taken = await asyncio.shield(opening)
            except Exception:
                continue
            finally:
                self._opening.pop(where, None)
            await self._close(taken.store.close)

    async def _close(self, close: Callable[[], None]) -> None:
        await asyncio.get_running_loop().run_in_executor(self._executor, close)

    async def quiesce(self) -> None:
        """No loop begins a batch; those in flight are committed."""
        await asyncio.gather(*(loop.quiesce() for loop in self.loops.values()))

    async def release(self) -> None:
        """Gives up everything. Only when quiesced."""
        await self._discard_interrupted()
        for where in list(self.loops):
            await self._close(self.loops.pop(where).close)


def open_partition(
    where: Where,
    *,
    application: str,
    changelog: str,
    codec: Codec[Any],
    state_dir: Path,
    client: Mapping[str, Any],
    producer_class: type[TransactionalProducer] = TransactionalProducer,
) -> tuple[Taken, int]:
    """Fences the older owners of `where` and restores its state. Blocks.

    Returns the partition and the number of records read from the changelog.
    """
    topic, partition = where
    producer = producer_class(client, f"{application}-{topic}-{partition}", changelog, partition)
    producer.fence()
    store = Store.open_or_discard(state_dir / changelog / str(partition))
    try:
        read = restore(store, changelog, partition, codec, client)
    except BaseException:
        store.close()
        raise
    return Taken(topic, partition, store, producer), read
