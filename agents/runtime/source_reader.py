"""Reads the owned source partitions and passes their records on in slices.

Law: a partition's records are delivered once each, in order, from exactly the offset in its state;
records read for an older assignment are never delivered to a newer one.

One librdkafka consumer per process, assigned explicitly; aiokafka only keeps the group's
membership. This answers Faust's per-record path (24 us per record), the live set of active
partitions that loses records when recovery empties it (transport/consumer.py:787, aiokafka
fetcher.py:1221), and offsets committed over holes (`_add_gap`, :1154).

Rules learnt from failures: only the reader thread uses the consumer while the thread lives (a call
from the event loop waits as long as `consume` does); librdkafka keeps a pause over unassign and
assign, so resume before unassigning; a second stop waits for its own reader; the reader never runs
ahead of the loops (bounded hand-over).
"""

import asyncio
import threading
import time
from collections.abc import Callable, Mapping
from typing import Any, Protocol

from confluent_kafka import (
    Consumer,
    KafkaError,
    KafkaException,
    Message,
    TopicPartition,
)

PACE_SECONDS = 0.006
"""The least time from one round of records to the next: the first record after a pause is passed on
at once, and records of any partition that arrive meanwhile with the next round. Under full load it
causes no delay."""
_SLICE = 4_000
_HOLD_AFTER_SECONDS = 0.2

Where = tuple[str, int]


class Receiver(Protocol):
    """A partition's loop as the reader uses it. `full` and `drained` are called on the reader's
    thread."""

    def feed(self, messages: list[Message]) -> None: ...
    def reached_end(self, offset: int) -> None: ...
    def full(self) -> bool: ...
    def drained(self) -> bool: ...


class OffsetGone(RuntimeError):
    """The source doesn't hold the offset that the state needs: retention has deleted it, the log
    was truncated before it, or the topic was recreated."""


class SourceReader:
    """One consumer for all owned partitions, read by one thread that runs from start to stop."""

    def __init__(
        self, client: Mapping[str, Any], group: str, fail: Callable[[BaseException], None]
    ):
        """group: a name for the broker's logs only; no group is joined. fail: called on the event
        loop when reading can't continue."""
        self._fail = fail
        self._epoch = 0
        self._thread: threading.Thread | None = None
        self._receivers: dict[Where, Receiver] = {}
        self._end_of: dict[Where, int] = {}
        self.capacity = threading.Event()
        self._handed_over = threading.Event()
        self._consumer = Consumer(
            {
                **client,
                "group.id": f"{group}-source",
                "enable.auto.commit": False,
                "enable.auto.offset.store": False,
                "isolation.level": "read_committed",
                "auto.offset.reset": "error",
                "enable.partition.eof": True,
                "fetch.queue.backoff.ms": 20,
                "fetch.message.max.bytes": 1 << 18,
                "fetch.error.backoff.ms": 100,
                "queued.max.messages.kbytes": 32768,
            }
        )

    def start(self, receivers: Mapping[Where, tuple[Receiver, int]]) -> None:
        """Starts reading every partition from its offset on. The reader must be stopped."""
        assert self._thread is None, "the reader is running"
        self._epoch += 1
        self._receivers = {where: receiver for where, (receiver, _) in receivers.items()}
        # assign() with offsets is the seek: librdkafka drops everything fetched for older
        # assignments.
        self._consumer.assign(
            [
                TopicPartition(topic, partition, offset)
                for (topic, partition), (_, offset) in receivers.items()
            ]
        )
        self._thread = threading.Thread(
            target=self._run,
            args=(self._epoch, asyncio.get_running_loop()),
            name="source-reader",
            daemon=True,
        )
        self._thread.start()

    async def stop(self) -> None:
        """Stops reading; once this returns, nothing is delivered any more."""
        self._epoch += 1
        self.capacity.set()
        self._handed_over.set()
        thread = self._thread
        if thread is None:
            return
        await asyncio.to_thread(thread.join)
        if thread is self._thread:
            self._consumer.unassign()
            self._thread = None

    def lag(self, where: Where, offset: int) -> int:
        """Records between `offset` and the last known end (cached, up to a second old)."""
        return max(0, self._end_of.get(where, 0) - offset)

    def close(self) -> None:
        self._consumer.close()

    def _run(self, epoch: int, loop: asyncio.AbstractEventLoop) -> None:
        held: dict[Where, TopicPartition] = {}
        asked = 0.0
        try:
            while self._epoch == epoch:
                now = time.monotonic()
                if now - asked > 1.0:
                    asked = now
                    self._update_ends()
                messages = self._consumer.consume(1, 0.1)
                for where in [w for w in held if self._receivers[w].drained()]:
                    self._consumer.resume([held.pop(where)])
                if not messages:
                    continue
                next_round = time.monotonic() + PACE_SECONDS
                messages += self._consumer.consume(_SLICE, 0)
                slices, ends = _by_partition(messages)
                self._handed_over.clear()
                loop.call_soon_threadsafe(self._deliver, epoch, slices, ends)
                self._wait_for_capacity(epoch, slices, held)
                time.sleep(max(0.0, next_round - time.monotonic()))
        except Exception as error:  # noqa: BLE001 - passed on to the event loop
            if self._epoch == epoch and not loop.is_closed():
                loop.call_soon_threadsafe(self._fail, error)
        finally:
            if held:
                self._consumer.resume(list(held.values()))

    def _update_ends(self) -> None:
        for topic, partition in self._receivers:
            _, end = self._consumer.get_watermark_offsets(
                TopicPartition(topic, partition), cached=True
            )
            self._end_of[topic, partition] = end

    def _wait_for_capacity(
        self, epoch: int, slices: dict[Where, list[Message]], held: dict[Where, TopicPartition]
    ) -> None:
        """Waits until the loops take more; only a partition that stays full is paused."""
        while self._epoch == epoch and not self._handed_over.wait(0.1):
            pass  # a busy event loop must handle one round before it gets the next
        started = time.monotonic()
        while self._epoch == epoch:
            self.capacity.clear()
            full = [w for w in slices if w not in held and self._receivers[w].full()]
            if not full:
                return
            if time.monotonic() - started > _HOLD_AFTER_SECONDS:
                for where in full:
                    held[where] = TopicPartition(*where)
                self._consumer.pause([held[where] for where in full])
                return
            self.capacity.wait(0.05)

    def _deliver(
        self, epoch: int, slices: dict[Where, list[Message]], ends: dict[Where, int]
    ) -> None:
        if epoch != self._epoch:
            return  # the next assignment reads it again
        try:
            for where, messages in slices.items():
                self._receivers[where].feed(messages)
            for where, offset in ends.items():
                self._receivers[where].reached_end(offset)
        except Exception as error:  # noqa: BLE001 - asyncio would only log it
            self._fail(error)
        self._handed_over.set()


def _by_partition(
    messages: list[Message],
) -> tuple[dict[Where, list[Message]], dict[Where, int]]:
    """Records by partition, and for partitions whose end was reached, its offset."""
    slices: dict[Where, list[Message]] = {}
    ends: dict[Where, int] = {}
    last: Where | None = None
    found: list[Message] = []
    for message in messages:
        error = message.error()
        if error is None:
            where = (message.topic(), message.partition())
            if where != last:  # records of one partition come in runs
                found, last = slices.setdefault(where, []), where
                ends.pop(where, None)  # it is no longer the end
            found.append(message)
        elif error.code() == KafkaError._PARTITION_EOF:
            ends[message.topic(), message.partition()] = message.offset()
            last = None
        elif error.code() == KafkaError._AUTO_OFFSET_RESET:
            raise OffsetGone(
                f"{message.topic()}/{message.partition()}: the log doesn't hold the next record to "
                f"apply ({error.str()})"
            )
        elif error.fatal() or error.code() == KafkaError.TOPIC_AUTHORIZATION_FAILED:
            raise KafkaException(error)
        # Every other error is temporary, and librdkafka retries by itself.
    return slices, ends
