"""Ends a process that is alive but makes no progress.

Law: a worker makes progress, or is replaced. A separate thread checks, so that a blocked event loop
is detected, too; the limit is longer than the longest planned broker outage, during which no
progress is possible.

Answers Faust issues #175 #523 #532 #640: a dead fetcher or coordinator task, a hung fetch or a
recovery that ended silently leave the process alive without output (watched until killed).
"""

import asyncio
import threading
import time
from collections.abc import Mapping
from typing import Any

from aiokafka.errors import InconsistentGroupProtocolError
from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient

from agents.host.app import App
from agents.runtime.exits import end_now, ended_by_errors
from agents.runtime.source_reader import Where

LIMIT_SECONDS = 90.0
_BEAT_SECONDS = 1.0
_ANSWER_SECONDS = 5.0


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
        self._stuck_since: dict[Where, float] = {}
        self._progress: dict[Where, tuple[int, int]] = {}
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
        stuck_since = {}
        for where, lag in app.lag().items():
            loop = app.ownership.loops[where]
            before, self._progress[where] = self._progress.get(where), (loop.position, loop.batches)
            goes_on = self._progress[where] != before or not loop.has_work(lag)
            stuck_since[where] = now if goes_on else self._stuck_since.get(where, now)
        self._stuck_since = stuck_since  # replaced as a whole: the other thread reads it
        thread = getattr(app._consumer, "_thread", None)
        if thread is not None and not app.stopping:
            self._dead_task = thread.dead_task()

    def _watch(self) -> None:
        while True:
            time.sleep(_BEAT_SECONDS)
            reason = self._reason(time.monotonic())
            if reason is not None:
                end_now(f"stopped by the watchdog: {reason}")

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
        for (topic, partition), stuck in self._stuck_since.items():
            if now - stuck > self._limit:
                return f"{topic}/{partition}: work without progress for {self._limit:.0f} s"
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
        f"the consumer group {group} has members that are no workers of this role"
        f"{f' ({names})' if names else ''}: they must use another group"
    )
