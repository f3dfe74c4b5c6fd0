"""Writes marks into the log: empty records whose broker timestamps tell the partition's owner how
far its log has advanced.

Law: writing a mark proves nothing; only its stamp does, once it is read back in the order of the
log. Then everything that reached the partition before that time has been applied, however the
partition is replicated. So a mark that is lost, repeated or written by anyone else does no harm.

Faust has no counterpart: its timers and tables use only the worker's clock, so after an outage they
fire before the events in the backlog are read.
"""

import asyncio
import time
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from confluent_kafka import TIMESTAMP_LOG_APPEND_TIME, KafkaError, Message, Producer

from agents.runtime.exits import ended_by_errors
from journeys.records import headers

MARK = headers.build("mark")
_TIMEOUT_MS = 30_000
_UNWRITTEN_SECONDS = 120.0
"""Longer than the longest planned outage. Beyond it, only this detects that no timer fires."""

Written = Callable[[tuple[int, int] | None], None]
"""Called with the offset of a mark and its stamp (ms), or with None if it was not written."""


class NoMarks(RuntimeError):
    """The broker accepts no marks, so timers can't fire."""


class _Client:
    """A producer, and the number of its marks without a delivery report."""

    def __init__(self, settings: Mapping[str, Any]) -> None:
        self.producer = Producer(dict(settings))
        self.waiting = 0

    async def poll(self) -> None:
        while self.waiting:
            await asyncio.to_thread(self.producer.poll, 0.1)


class Marks:
    """Writes the marks of all partitions of a process, outside of transactions."""

    def __init__(
        self,
        client: Mapping[str, Any],
        fail: Callable[[BaseException], None],
        *,
        timeout_ms: int = _TIMEOUT_MS,
        unwritten: float = _UNWRITTEN_SECONDS,
    ) -> None:
        """client: librdkafka's base configuration. fail: called with NoMarks if the broker has
        accepted none for `unwritten` s, or doesn't stamp them. timeout_ms: of one mark."""
        self._settings = {
            **client,
            "acks": "all",
            "linger.ms": 0,
            "message.timeout.ms": timeout_ms,
            "log_level": 0,
        }
        self._timeout = timeout_ms / 1_000
        self._fail = fail
        self._unwritten = unwritten
        self._client: _Client | None = None
        self._failing_since: float | None = None
        self._failed_at = 0.0
        self._polling: set[asyncio.Task[None]] = set()

    def write(self, topic: str, partition: int, written: Written) -> None:
        """Writes one mark; then calls `written` on the event loop."""
        if self._client is None:
            self._client = _Client(self._settings)
        client, loop = self._client, asyncio.get_running_loop()
        began = time.monotonic()
        client.producer.produce(
            topic,
            b"",
            partition=partition,
            headers=MARK,
            on_delivery=lambda error, message: loop.call_soon_threadsafe(
                partial(self._report, client, began, written, error, message)
            ),
        )
        client.waiting += 1
        if client.waiting == 1:
            task = loop.create_task(client.poll())
            self._polling.add(task)
            task.add_done_callback(self._polling.discard)
            ended_by_errors(task, self._fail)

    def _report(
        self,
        client: _Client,
        began: float,
        written: Written,
        error: KafkaError | None,
        message: Message,
    ) -> None:
        client.waiting -= 1
        where = f"{message.topic()}/{message.partition()}"
        if error is not None:
            now = time.monotonic()
            # While timers are due, a failed mark is followed by another; if none follows, nothing
            # is known about the time between them.
            if self._failing_since is None or began - self._failed_at > self._timeout:
                self._failing_since = began
            self._failed_at = now
            if self._client is client:
                self._client = None  # after an outage a client may never work again
            if now - self._failing_since >= self._unwritten:
                self._fail(NoMarks(f"{where}: {error.str()}"))
            else:
                written(None)
        elif message.timestamp()[0] != TIMESTAMP_LOG_APPEND_TIME:
            self._fail(NoMarks(f"{where}: its records have no LogAppendTime"))
        else:
            self._failing_since = None
            written((message.offset(), message.timestamp()[1]))
