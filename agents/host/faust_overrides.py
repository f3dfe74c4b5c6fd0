"""The subclasses that reduce Faust to group membership and assignment.

Law: Faust never reads, seeks or acknowledges a source partition; SourceReader and Ownership do.
No Faust code is patched: every class here is plugged in by a setting or a factory method of Faust's
own. File and line numbers are of faust-streaming 0.15.3.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Container
from typing import Any, Protocol

from aiokafka.errors import InconsistentGroupProtocolError
from faust.channels import Channel
from faust.tables.manager import TableManager
from faust.tables.recovery import RebalanceAgain, Recovery, ServiceStopped
from faust.transport.drivers import aiokafka as driver
from faust.types import TP
from mode.utils.queues import FlowControlEvent, ThrowableQueue

from agents.runtime.exits import Exit
from agents.runtime.source_reader import Where


class HostApp(Protocol):
    """What these classes need of their app in addition to Faust's own interface.

    sources: the topics whose partitions it owns.
    """

    sources: Container[str]
    stopping: bool
    exit: Exit

    async def quiesce(self) -> None: ...
    async def own(self, wanted: set[Where], generation: int) -> None: ...
    def start_reading(self) -> None: ...

    # From faust.App, which has no types.
    assignor: Any
    conf: Any
    consumer: Any
    flow_control: Any
    on_rebalance_complete: Any
    rebalancing_count: int
    _fetcher: Any

    def on_rebalance_end(self) -> None: ...


class RecoveryTimeout(RuntimeError):
    """A step of a takeover did not end in time."""


class ConsumerThread(driver.AIOKafkaConsumerThread):
    """aiokafka's consumer, used only for membership."""

    app: HostApp

    def _create_worker_consumer(self, transport: Any) -> Any:
        """drivers/aiokafka.py:568 uses the sticky assignor only when Faust sees a table."""
        consumer = super()._create_worker_consumer(transport)
        self._assignor = self.app.assignor
        consumer._partition_assignment_strategy = [self._assignor]
        return consumer

    def verify_event_path(self, now: float, tp: TP) -> None:
        """Faust's livelock check can't judge partitions that it doesn't read."""

    async def pause_fetching(self) -> None:
        """Keeps aiokafka from prefetching what SourceReader reads."""
        consumer = self._ensure_consumer()
        consumer.pause(*consumer.assignment())

    def close(self) -> None:
        """Called for a rebalance in a worker that is stopping. drivers/aiokafka.py:766 would run
        aiokafka's coroutines on the main thread's event loop, which can crash uvloop, and the group
        would not learn that the member leaves; `on_thread_stop` closes aiokafka on its own loop."""

    def dead_task(self) -> tuple[str, BaseException | None] | None:
        """The name of an aiokafka background task that has ended, if any (issues #175 #523), and
        its error."""
        consumer = self._consumer
        if consumer is None:
            return None
        # aiokafka keeps fatal errors until it is polled for records, which never happens here.
        pending = getattr(consumer._coordinator, "_pending_exception", None)
        if isinstance(pending, InconsistentGroupProtocolError):
            return "coordinator", pending
        coordinator = getattr(consumer._coordinator, "_coordination_task", None)
        fetcher = getattr(consumer._fetcher, "_fetch_task", None)
        for name, task in (("coordinator", coordinator), ("fetcher", fetcher)):
            if task is not None and task.done():
                return name, None if task.cancelled() else task.exception()
        return None


class Consumer(driver.Consumer):
    """A consumer that delivers nothing: SourceReader reads the records."""

    app: HostApp

    def _new_consumer_thread(self) -> ConsumerThread:
        return ConsumerThread(self, loop=self.loop, beacon=self.beacon)

    async def getmany(self, timeout: float) -> AsyncIterator[Any]:
        """transport/consumer.py:693: Faust's fetcher polls this for records."""
        await self.sleep(timeout)
        nothing: tuple[Any, ...] = ()
        for record in nothing:
            yield record

    async def on_partitions_revoked(self, revoked: set[TP]) -> None:
        """Faust waits for acknowledgements here, which don't exist; in a worker that is stopping it
        doesn't wait at all (app/base.py:1799). The group would give the partitions to other
        workers, which would fence the last batches during their commit."""
        try:
            await self.app.quiesce()
        except Exception as error:
            self.app.exit.fail(error)  # aiokafka only logs it, and continues
            raise
        await super().on_partitions_revoked(revoked)


class Transport(driver.Transport):
    Consumer = Consumer


class PartitionTakeover(Recovery):
    """tables/recovery.py without tables: only the order of a takeover is left."""

    app: HostApp

    async def _wait(self, coro: Any, timeout: Any = None) -> None:
        """recovery.py:606: there a timeout looks like "service stopped" and ends recovery for ever:
        the worker keeps its partitions and does nothing. Here it raises."""
        result = await self.wait_first(coro, self.signal_recovery_start, timeout=timeout)
        if self.signal_recovery_start.is_set():
            raise RebalanceAgain
        if result.stopped:
            if self.should_stop or self.crashed:
                raise ServiceStopped
            raise RecoveryTimeout(f"taking over partitions: a step took more than {timeout} s")

    async def on_rebalance(
        self,
        assigned: set[TP],
        revoked: set[TP],
        newly_assigned: set[TP],
        generation_id: int = 0,
    ) -> None:
        self._rebalance = self.app.rebalancing_count
        await super().on_rebalance(assigned, revoked, newly_assigned, generation_id)

    async def _resume_streams(self, generation_id: int = 0) -> None:
        """recovery.py:306 (issue #596): there sources run before the seek, and the agents' queues
        are cleared after that. Here: own (fence, restore), pause aiokafka, read last."""
        app, consumer = self.app, self.app.consumer
        await app.on_rebalance_complete.send()
        assignment = consumer.assignment()
        owned = {(tp.topic, tp.partition) for tp in assignment if tp.topic in app.sources}
        await self._wait(app.own(owned, generation_id))
        if assignment:
            thread = consumer._thread
            await self._wait(
                thread.call_thread(thread.pause_fetching),
                timeout=app.conf.broker_request_timeout,
            )
        if app.rebalancing_count != self._rebalance or app.stopping:
            # The next rebalance has begun: partitions that it revoked must not be started again, as
            # other workers take them over. A new assignment starts everything.
            return
        self.completed.set()
        app.flow_control.resume()
        app.start_reading()
        consumer.resume_flow()
        await app._fetcher.maybe_start()
        self.tables.on_actives_ready()
        self.tables.on_standbys_ready()
        app.on_rebalance_end()


class Tables(TableManager):
    """tables/manager.py:119 is the only place that creates a Recovery."""

    _recovery: PartitionTakeover | None = None

    async def on_start(self) -> None:
        """tables/manager.py:138 waits a second for tables that agents may create; here there are
        none."""
        await self._update_channels()
        await self.recovery.start()

    @property
    def recovery(self) -> PartitionTakeover:
        if self._recovery is None:
            self._recovery = PartitionTakeover(self.app, self, beacon=self.beacon, loop=self.loop)
        return self._recovery


class BatchChannel(Channel[Any]):
    """The channel that passes batches to a role's agent.

    Its queue is not Faust's flow-controlled one: a batch in the channel is always computed and
    committed, so a rebalance only has to wait for it.
    """

    _queue: ThrowableQueue | None

    @property
    def queue(self) -> ThrowableQueue:
        if self._queue is None:
            self._queue = ThrowableQueue(
                flow_control=FlowControlEvent(initially_suspended=False, loop=self.app.loop)
            )
        return self._queue
