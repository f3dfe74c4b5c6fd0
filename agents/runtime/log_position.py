"""Up to what time a partition's log has been applied: until then wall-clock timers may fire.

Law (timers never overtake the log): a timer due at D fires by the clock only when every event that
reached the source partition before D has been applied. That is known when the last applied record
arrived at or after D, or when the position was seen at the high watermark at or after D. The high
watermark is asked for as `read_uncommitted`: the last stable offset would hide events that are in
the log behind an open transaction.

Nothing in Faust does this: its timers and tables know only the worker's clock, so after an outage
they fire before the events that wait in the backlog are read.
"""

import asyncio
import time
from collections.abc import Callable, Mapping
from typing import Any

from confluent_kafka import IsolationLevel, KafkaException, TopicPartition
from confluent_kafka.admin import AdminClient, OffsetSpec

from agents.runtime.broker_clock import BrokerClock
from agents.runtime.exits import ended_by_errors

CLOCK_TOLERANCE_MS = 1_000
"""By how much the clocks of the brokers may differ."""
_MIN_INTERVAL_SECONDS = 0.1
_REQUEST_TIMEOUT_SECONDS = 10.0
_UNANSWERED_SECONDS = 120.0
"""Longer than the longest planned outage; after it nothing but this shows that no timer fires."""


class LogPosition:
    """The applied position of one partition, and the time it stands for.

    offset: next source offset; what lies before it is applied or is no record (control records).
    watermark: ms; every record that arrived before it has been applied. -1 while none is known.
    """

    def __init__(self, offset: int) -> None:
        self.offset = offset
        self.watermark = -1
        self._seen: tuple[int, int] | None = None

    def applied(self, offset: int, arrived: int | None) -> None:
        """Applied up to `offset`; the last record arrived at `arrived` (ms, broker's time)."""
        self.offset = max(self.offset, offset)
        if arrived is not None and arrived > self.watermark:
            self.watermark = arrived
        self._prove()

    def high_watermark(self, asked_at: int, offset: int) -> None:
        """The partition ended at `offset` some time after `asked_at` (ms, the broker's time)."""
        if self._seen is None or asked_at > self._seen[0]:
            # A former answer that isn't reached yet has the lower offset, so it is reached sooner.
            if self._seen is not None and self.offset < self._seen[1] < offset:
                return
            self._seen = (asked_at, offset)
        self._prove()

    def _prove(self) -> None:
        if self._seen is not None and self.offset >= self._seen[1]:
            self.watermark = max(self.watermark, self._seen[0] - CLOCK_TOLERANCE_MS)
            self._seen = None


class NoHighWatermark(RuntimeError):
    """The broker does not say where a partition ends, so its timers can't fire."""


class HighWatermarks:
    """Asks the broker for high watermarks, for all partitions that wait for one in one request."""

    def __init__(
        self,
        client: Mapping[str, Any],
        clock: BrokerClock,
        fail: Callable[[BaseException], None],
        unanswered: float = _UNANSWERED_SECONDS,
    ) -> None:
        """clock: gives the time of asking. fail: called with NoHighWatermark when a partition has
        waited `unanswered` s for an answer."""
        self._client = dict(client)
        self._clock = clock
        self._fail = fail
        self._unanswered = unanswered
        self._admin: AdminClient | None = None
        self._wanted: dict[tuple[str, int], Callable[[int, int], None]] = {}
        self._wanted_since: dict[tuple[str, int], float] = {}
        self._task: asyncio.Task[None] | None = None

    def want(self, topic: str, partition: int, report: Callable[[int, int], None]) -> None:
        """Calls report(asked_at ms, offset) once, on the event loop. Where the partition waits for
        an answer already, only the newest `report` is called."""
        self._wanted[topic, partition] = report
        self._wanted_since.setdefault((topic, partition), time.monotonic())
        if self._task is None or self._task.done():
            self._task = asyncio.get_running_loop().create_task(self._ask())
            ended_by_errors(self._task, self._fail)

    def forget(self, topic: str, partition: int) -> None:
        """The partition waits no more; nothing is reported."""
        self._wanted.pop((topic, partition), None)
        self._wanted_since.pop((topic, partition), None)

    async def _ask(self) -> None:
        while self._wanted:
            wanted, self._wanted = self._wanted, {}
            asked_at = self._clock.now()
            answers = await asyncio.to_thread(self._request, list(wanted))
            for where, report in wanted.items():
                if where not in self._wanted_since:
                    continue  # forgotten meanwhile
                answer = answers[where]
                if isinstance(answer, int):
                    del self._wanted_since[where]
                    report(asked_at, answer)
                    continue
                # Without an answer nothing is proved, and the timers wait.
                if time.monotonic() - self._wanted_since[where] > self._unanswered:
                    raise NoHighWatermark(f"{where[0]}/{where[1]}: {answer}") from answer
                self._wanted.setdefault(where, report)
            await asyncio.sleep(_MIN_INTERVAL_SECONDS)

    def _request(self, wanted: list[tuple[str, int]]) -> dict[tuple[str, int], int | Exception]:
        if self._admin is None:
            self._admin = AdminClient(self._client)
        futures = self._admin.list_offsets(
            {TopicPartition(topic, partition): OffsetSpec.latest() for topic, partition in wanted},
            isolation_level=IsolationLevel.READ_UNCOMMITTED,
            request_timeout=_REQUEST_TIMEOUT_SECONDS,
        )
        answers: dict[tuple[str, int], int | Exception] = {}
        for where, future in futures.items():
            try:
                answer = future.result(2 * _REQUEST_TIMEOUT_SECONDS).offset
            except (KafkaException, TimeoutError) as error:
                answer = error
            answers[where.topic, where.partition] = answer
        return answers
