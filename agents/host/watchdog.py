"""Ends a process that is alive but makes no progress.

Law: a worker makes progress, or is replaced. A separate thread checks, so that a blocked event loop
is detected, too; the limit is longer than the longest planned broker outage, during which no
progress is possible.

Answers Faust issues #175 #523 #532 #640: a dead fetcher or coordinator task, a hung fetch or a
recovery that ended silently leave the process alive without output (observed until it was killed).
"""

import asyncio
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import suppress
from typing import Any, NamedTuple

from aiokafka.errors import InconsistentGroupProtocolError
from confluent_kafka import IsolationLevel, KafkaException, TopicPartition
from confluent_kafka.admin import AdminClient, OffsetSpec

from agents.host.app import App
from agents.runtime.exits import end_now, ended_by_errors
from agents.runtime.source_reader import Where

LIMIT_SECONDS = 90.0
_BEAT_SECONDS = 1.0
_ANSWER_SECONDS = 5.0
_ASKED_PER_LIMIT = 6
"""How often within the limit the broker is asked for the ends of partitions that don't move."""


class _Work(NamedTuple):
    """Something that must make progress while it has work. longest: seconds that one step may
    take."""

    name: str
    progress: Any
    has_work: bool
    longest: float


class _Progress(NamedTuple):
    """The last progress that was seen, and since when (s) there has been none despite work."""

    seen: Any
    since: float
    longest: float


class Watchdog:
    """Checks once a second the state that the event loop last recorded."""

    def __init__(self, app: App, limit: float = LIMIT_SECONDS) -> None:
        """limit: seconds that any of the watched conditions may last."""
        self._app = app
        self._limit = limit
        now = time.monotonic()
        self._beat = now
        self._rebalancing_since: float | None = now
        self._restored = 0
        self._progress: dict[str, _Progress] = {}
        self._asked_at = now
        self._positions: dict[Where, int] = {}
        self._ends: dict[Where, int] = {}
        self._admin: AdminClient | None = None
        self._dead_task: tuple[str, BaseException | None] | None = None

    def start(self) -> None:
        """On the event loop, once."""
        self._beating = asyncio.get_running_loop().create_task(self._beats())
        ended_by_errors(self._beating, self._app.exit.fail)
        threading.Thread(target=self._watch, name="watchdog", daemon=True).start()

    async def _beats(self) -> None:
        while True:
            self._record()
            await asyncio.sleep(_BEAT_SECONDS)

    def _record(self) -> None:
        now = self._beat = time.monotonic()
        app = self._app
        restored, self._restored = self._restored, app.restored
        if app.ready():
            self._rebalancing_since = None
        elif self._rebalancing_since is None or restored != app.restored:
            self._rebalancing_since = now  # a restore may take any time while it progresses
        progress = {}
        for work in self._work():
            last = self._progress.get(work.name)
            since = now
            if last is not None and last.seen == work.progress and work.has_work and app.ready():
                since = last.since
            progress[work.name] = _Progress(work.progress, since, work.longest)
        self._progress = progress  # replaced as a whole: the other thread reads it
        thread = getattr(app._consumer, "_thread", None)
        if thread is not None and not app.stopping:
            self._dead_task = thread.dead_task()

    def _work(self) -> Iterator[_Work]:
        for where, loop in self._app.ownership.loops.items():
            progress, end = (loop.position, loop.batches), self._ends.get(where, 0)
            yield _Work("/".join(map(str, where)), progress, loop.has_work(end), 0.0)
        for name, calls in self._app.calls.items():
            yield _Work(f"calls to {name}", calls.ended, calls.has_work, calls.longest)

    def _watch(self) -> None:
        try:
            self._watch_on()
        except Exception as error:  # noqa: BLE001 - nobody else would notice
            end_now(f"stopped, as the watchdog failed: {error!r}")

    def _watch_on(self) -> None:
        # Made and connected now, so that a worker's threads are all there from its start.
        self._admin = AdminClient(dict(self._app.client))
        with suppress(KafkaException):
            self._admin.list_topics(timeout=_ANSWER_SECONDS)
        while True:
            time.sleep(_BEAT_SECONDS)
            now = time.monotonic()
            if now - self._asked_at > self._limit / _ASKED_PER_LIMIT:
                self._asked_at = now
                self._ask_for_ends()
            reason = self._reason(time.monotonic())
            if reason is not None:
                end_now(f"stopped by the watchdog: {reason}")

    def _ask_for_ends(self) -> None:
        """Asks the broker where the partitions end whose position hasn't moved since the last time.

        A consumer that has fallen silent knows of no new records. An end is where the first open
        transaction begins, so that all before it can be read.
        """
        loops = dict(self._app.ownership.loops)
        before, self._positions = self._positions, {w: loop.position for w, loop in loops.items()}
        still = [where for where, at in self._positions.items() if before.get(where) == at]
        if not still:
            return
        try:
            self._admin = self._admin or AdminClient(dict(self._app.client))
            asked = self._admin.list_offsets(
                {TopicPartition(*where): OffsetSpec.latest() for where in still},
                isolation_level=IsolationLevel.READ_COMMITTED,
                request_timeout=_ANSWER_SECONDS,
            )
            for partition, answer in asked.items():
                end = answer.result(2 * _ANSWER_SECONDS).offset
                self._ends[partition.topic, partition.partition] = end
        except (KafkaException, TimeoutError):
            self._admin = None  # the next one finds the leaders again

    def _reason(self, now: float) -> str | None:
        if self._dead_task is not None:
            name, error = self._dead_task
            if isinstance(error, InconsistentGroupProtocolError):
                return strangers_in_group(self._app.client, self._app.conf.id)
            return f"aiokafka's {name} task has ended" + (f": {error!r}" if error else "")
        if now - self._beat > self._limit:
            return f"the event loop has been blocked for {self._limit:.0f} s"
        since = self._rebalancing_since
        if since is not None and now - since > self._limit:
            return (
                f"not ready for {self._limit:.0f} s (starting, rebalancing or recovering); "
                "does the broker answer?"
            )
        for name, (_, since, longest) in self._progress.items():
            if now - since > self._limit + longest:
                return f"{name}: work without progress for {now - since:.0f} s"
        return None


def strangers_in_group(client: Mapping[str, Any], group: str) -> str:
    """A message that names other programs in the group and says what to do. Blocks."""
    admin = AdminClient(dict(client))
    try:
        asked = admin.describe_consumer_groups([group], request_timeout=_ANSWER_SECONDS)
        members = asked[group].result(2 * _ANSWER_SECONDS).members
        names = ", ".join(sorted({f"{one.client_id} at {one.host}" for one in members}))
    except (KafkaException, TimeoutError):
        names = ""
    return (
        f"the consumer group {group} has members that are not workers of this role"
        f"{f' ({names})' if names else ''}: they must use another group"
    )
