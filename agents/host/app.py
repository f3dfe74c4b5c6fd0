"""The Faust application of a role: it starts and stops its sources and their batches.

Law: one source partition is read, computed and written by one loop at a time in this process, and
by one fenced owner in the cluster.
"""

import asyncio
import signal
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Any, Protocol, Self

import faust
import uvloop
from faust.types import TP
from mode import CrashingSupervisor

from agents.errors import BrokerUnavailable
from agents.host.credentials import faust_credentials
from agents.host.faust_overrides import BatchChannel, Tables, Transport
from agents.kafka.client import base_config
from agents.kafka.installation import TopicWatch
from agents.kafka.topics import logical
from agents.metrics import PartitionCounts, ReadGauges
from agents.runtime.broker_clock import BrokerClock
from agents.runtime.exits import Exit, ended_by_errors, is_self_explanatory, last_line
from agents.runtime.input_queue import MAX_INPUTS
from agents.runtime.marks import Marks
from agents.runtime.ownership import Ownership, Unwanted, open_partition
from agents.runtime.partition import OwnedPartition, PartitionLoop
from agents.runtime.source_reader import SourceReader, Where
from agents.runtime.timers import TimerRule
from agents.runtime.transaction import TransactionalProducer
from agents.settings import Settings
from journeys.records.installation import Installation, log_name
from tables.codec import Codec
from tables.restore import AnotherChangelog
from tables.view import View

SESSION_TIMEOUT_SECONDS = 6.0
"""How long it takes to detect a killed worker; a prototype resumed within 8.4 s."""
_GROUP_COMMIT_SECONDS = 2.0
_WATCH_SECONDS = 30.0
"""Not more often: confluent-kafka 2.16.1 never frees the topic id of a description, 165 bytes for
each topic and description."""
_NEVER_SECONDS = 365 * 24 * 3600.0


class Calls(Protocol):
    """The calls that a role makes outside of its loops, as the watchdog sees them.

    ended: how many calls have ended. has_work: whether one should end soon. longest: seconds that a
    call may take.
    """

    @property
    def ended(self) -> int: ...
    @property
    def has_work(self) -> bool: ...
    @property
    def longest(self) -> float: ...


class Source:
    """A topic whose partitions this role owns, and the table that belongs to it.

    batches: the Faust channel of its batches, for `@app.agent(source.batches)`.
    """

    def __init__(
        self,
        app: "App",
        topic: str,
        changelog: str,
        codec: Codec[Any],
        timers: TimerRule,
        capacity: Callable[[int], int],
        released: Callable[[int], None],
    ) -> None:
        self.app = app
        self.topic = topic
        self.changelog = changelog
        self.codec = codec
        self.timers: TimerRule = timers
        self.capacity = capacity
        self.released = released
        self.batches = BatchChannel(app, maxsize=0)


class App(faust.App):
    """A Faust app that processes batches exactly once."""

    #: Writes a partition's transactions; fault tests use a class that kills its process.
    producer_class: type[TransactionalProducer] = TransactionalProducer

    def __init__(
        self,
        application: str,
        *,
        broker: str,
        client: Mapping[str, Any],
        state_dir: Path,
        accept_loss: bool = False,
        group: str | None = None,
    ) -> None:
        """application: names the transactional ids, so it must be the same for every worker of a
        role. broker: bootstrap servers. client: librdkafka's base configuration. state_dir: holds
        the local copies; two processes must not share one. accept_loss: continue even if the log
        has lost records that were never applied. group: the consumer group, by default the
        application.
        """
        # Before Faust needs an event loop, which is as soon as an agent is declared.
        uvloop.install()
        self.application = application
        self.client = dict(client)
        self.state_dir = state_dir
        self.accept_loss = accept_loss
        self.sources: dict[str, Source] = {}
        self.installation = Installation()
        self.watch: TopicWatch | None = None
        self._executor = ThreadPoolExecutor(32, thread_name_prefix="transaction")
        self.exit = Exit(self._leave)
        self.clock = BrokerClock()
        self.marks = Marks(client, self.exit.fail)
        self.ownership = Ownership(
            open_partition=self._open_partition,
            make_loop=self._make_loop,
            released=lambda where: self.sources[where[0]].released(where[1]),
            executor=self._executor,
        )
        self.counts: dict[Where, PartitionCounts] = {}
        """For every partition that was ever owned."""
        self.gauges: list[ReadGauges] = []
        """What a role adds to the metrics page."""
        self.calls: dict[str, Calls] = {}
        """The calls of a role that the watchdog checks, by a name for what is called."""
        self._reader: SourceReader | None = None
        self._group_commits: asyncio.Task[None] | None = None
        self._watching: asyncio.Task[None] | None = None
        self.restored = 0
        """Grows while records are restored."""
        self.reading = False
        self.stopping = False
        self.restarting = False
        super().__init__(
            group or application,
            broker=[f"kafka://{server}" for server in broker.split(",")],
            broker_credentials=faust_credentials(client),
            store="memory://",
            datadir=str(state_dir),
            web_enabled=False,
            topic_disable_leader=True,
            topic_allow_declare=False,
            table_standby_replicas=0,
            agent_supervisor=CrashingSupervisor,
            stream_wait_empty=True,
            broker_session_timeout=SESSION_TIMEOUT_SECONDS,
            broker_heartbeat_interval=1.0,
            broker_rebalance_timeout=10.0,
            broker_request_timeout=20.0,
            # aiokafka is never polled for records; the watchdog checks progress instead.
            broker_max_poll_interval=_NEVER_SECONDS,
            worker_redirect_stdouts=False,
            TableManager=Tables,
        )

    @classmethod
    def for_role(cls, application: str, settings: Settings, installation: Installation) -> Self:
        """The app of a role, built from the settings of its process. installation: its topics."""
        app = cls(
            application,
            broker=settings.broker,
            client=base_config(settings.broker),
            state_dir=settings.state_dir,
            accept_loss=settings.accept_loss,
        )
        app.installation = installation
        app.watch = TopicWatch(settings.broker, installation)
        return app

    def _new_transport(self) -> Transport:
        """app/base.py:1932."""
        return Transport(self.conf.broker_consumer, self)

    def _create_directories(self) -> None:
        """Faust keeps no files: the tables' directories are the stores' own."""

    def source(
        self,
        topic: str,
        *,
        changelog: str,
        codec: Codec[Any],
        timers: TimerRule = "none",
        capacity: Callable[[int], int] = lambda partition: MAX_INPUTS,
        released: Callable[[int], None] = lambda partition: None,
    ) -> Source:
        """Declares a source; before the worker starts.

        changelog: the topic of its table, with as many partitions. capacity(partition): how many
        inputs the role takes now. released(partition): called when the partition is given up.
        """
        source = Source(self, topic, changelog, codec, timers, capacity, released)
        self.sources[topic] = source
        # Subscribes the group; the records themselves are read by SourceReader.
        self.topics.add(self.topic(topic, key_type=bytes, value_type=bytes))
        return source

    # ---- ownership
    def _open_partition(self, where: Where, unwanted: Callable[[], bool]) -> OwnedPartition:
        source = self.sources[where[0]]
        name = logical(where[0])
        topics = self.installation.topics
        recorded, changelog = topics.get(name), topics.get(logical(source.changelog))

        def progressed() -> None:
            self.restored += 1
            if unwanted():
                raise Unwanted

        try:
            return open_partition(
                where,
                application=self.application,
                changelog=source.changelog,
                codec=source.codec,
                state_dir=self.state_dir,
                client=self.client,
                clock=self.clock,
                accept_loss=self.accept_loss,
                former={} if recorded is None else recorded.former,
                log=name if recorded is None else log_name(name, recorded.log),
                changelog_id="" if changelog is None else changelog.id,
                producer_class=self.producer_class,
                progressed=progressed,
            )
        except AnotherChangelog:
            if self.watch is not None:
                self.watch.look()  # its error says what to do
            raise

    def _make_loop(self, owned: OwnedPartition) -> PartitionLoop:
        source = self.sources[owned.topic]
        return PartitionLoop(
            owned,
            View(owned.store, source.codec),
            timers=source.timers,
            hand_over=source.batches.put,
            capacity=source.capacity,
            clock=self.clock,
            marks=self.marks,
            executor=self._executor,
            has_capacity=self._has_capacity,
            counts=self.counts.setdefault((owned.topic, owned.partition), PartitionCounts()),
            fail=self.exit.fail,
        )

    def _has_capacity(self) -> None:
        if self._reader is not None:
            self._reader.capacity.set()

    async def own(self, wanted: set[Where], generation: int) -> None:
        """Takes over and gives up partitions so that exactly `wanted` are owned; reads none of
        them."""
        await self.quiesce()
        try:
            await self.ownership.own(wanted, generation)
        except Exception as error:
            if is_self_explanatory(error):
                self.exit.fail(error)  # before Faust logs its own traceback
            raise

    def start_reading(self) -> None:
        """Starts reading and processing the owned partitions."""
        if self._reader is None:
            self._reader = SourceReader(self.client, self.conf.id, self.exit.fail)
        loops = self.ownership.loops
        self._reader.start({where: (loop, loop.start()) for where, loop in loops.items()})
        self.reading = True
        if self._group_commits is None:
            self._group_commits = asyncio.get_running_loop().create_task(self._commit_for_lag())
            ended_by_errors(self._group_commits, self.exit.fail)
        if self.watch is not None and self._watching is None:
            self._watching = asyncio.get_running_loop().create_task(self._watch_topics(self.watch))
            ended_by_errors(self._watching, self.exit.fail)

    async def quiesce(self) -> None:
        """Stops reading and starts no more batches; those in flight are committed."""
        self.reading = False
        if self._reader is not None:
            await self._reader.stop()
        await self.ownership.quiesce()

    async def on_stop(self) -> None:
        """A graceful stop: the batches in flight are committed, partitions and files are
        released."""
        self.stopping = True
        await self.quiesce()
        await super().on_stop()
        await self.ownership.release()
        if self._reader is not None:
            await asyncio.to_thread(self._reader.close)

    # ---- for the pages, the watchdog and lag monitors
    def lag(self) -> dict[Where, int]:
        """Records per owned partition that are known and not applied."""
        reader = self._reader
        if reader is None:
            return {}
        return {
            where: reader.lag(where, loop.position) for where, loop in self.ownership.loops.items()
        }

    def ready(self) -> bool:
        """Whether this worker processes what it owns right now."""
        return self.reading and not self.rebalancing and self.exit.failed is None

    async def _commit_for_lag(self) -> None:
        """Commits the group's offsets, for lag monitors alone."""
        committed: dict[TP, int] = {}
        while self.exit.failed is None:
            await asyncio.sleep(_GROUP_COMMIT_SECONDS)
            if not self.ready():
                continue
            positions = {
                TP(*where): loop.position
                for where, loop in self.ownership.loops.items()
                if committed.get(TP(*where)) != loop.position
            }
            if positions:
                try:
                    await self.consumer._thread.commit(positions)
                    committed.update(positions)
                except Exception as error:  # noqa: BLE001 - nothing depends on these commits
                    self.log.warning("committing for lag monitors failed: %r", error)

    async def _watch_topics(self, watch: TopicWatch) -> None:
        """Ends the process if a topic was deleted, recreated or given more partitions; otherwise it
        would look ready while it works on topics that are not the recorded ones."""
        while self.exit.failed is None:
            await asyncio.sleep(_WATCH_SECONDS)
            with suppress(BrokerUnavailable):  # the watchdog handles that
                await asyncio.to_thread(watch.look)

    def restart(self, why: str) -> None:
        """Stops gracefully; the process then ends with EXIT_RESTART."""
        if not self.restarting:
            self.restarting = True
            last_line(f"{why}: restarting")
            signal.raise_signal(signal.SIGTERM)

    def _leave(self, error: BaseException) -> None:
        """Leaves the group gracefully if possible; Exit ends the process in any case."""
        self._leaving = asyncio.ensure_future(self.crash(error))

    def _crash(self, reason: BaseException) -> None:
        """mode/services.py:928: called when any service of the worker has crashed. Without a limit,
        the stop that follows may wait for ever for an agent that has already ended."""
        super()._crash(reason)
        self.exit.fail(reason)
