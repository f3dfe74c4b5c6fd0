"""Sending events from lines of JSON to `journeys.events`, in their order.

Law: a user's events go to the partition that every Kafka client would choose. A line that is not an
event is sent, too, so that the engine reports it as an outcome.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterable

import msgspec

from agents.kafka.produce import Producer, TooLarge
from agents.kafka.topics import EVENTS
from agents.runtime.broker_clock import wall
from agents.runtime.signatures import Signatures
from journeys.records import headers
from journeys.records.admission import user_of
from journeys.time import parse_time

_GIVE_UP_SECONDS = 60.0  # for one event, retries included
_POLL_EVERY = 500  # lines


class Sender:
    """Sends lines and counts the results.

    Attributes:
        delivered: events that Kafka has.
        seconds: from the start to the end of the last `finish`.
        without_user, too_large: the numbers of the lines that are sent without a key, and of those
            that are not sent.
    """

    def __init__(self, broker: str, rate: float | None) -> None:
        """rate: the most events per second; None: no limit."""
        self._producer = Producer(broker, _GIVE_UP_SECONDS)
        self._rate = rate
        self._began = time.monotonic()
        self.delivered = 0
        self.seconds = 0.0
        self.without_user: list[int] = []
        self.too_large: list[int] = []

    @property
    def failed(self) -> int:
        """Records that were not delivered."""
        return self._producer.failed + len(self.too_large)

    @property
    def error(self) -> str | None:
        """Why the first of them failed, unless it was too large."""
        return self._producer.error

    def send(self, lines: Iterable[tuple[int, bytes]]) -> None:
        """Sends numbered lines; stops after one was lost, so that there is no gap."""
        for count, (number, line) in enumerate(lines, 1):
            key = user_key(line)
            if key is None:
                self.without_user.append(number)
            try:
                if not self._producer.send(EVENTS, line, key):
                    return
            except TooLarge:
                self.too_large.append(number)
            if self._rate is not None:
                self._keep_pace(count, self._rate)
            elif count % _POLL_EVERY == 0:
                self._producer.poll()

    def finish(self) -> None:
        """Waits until every event was delivered or failed."""
        self._producer.flush()
        self.delivered = self._producer.acknowledged
        self.seconds = time.monotonic() - self._began

    def advance(self, partitions: int, to: str, signatures: Signatures) -> dict[int, int]:
        """Advances the stream clock, and waits until Kafka has the clock records.

        Args:
            to: as for `clock_record`. Returns: The offsets of the clock records, by partition.
        """
        advance_clock(self._producer, partitions, to, signatures)
        self._producer.flush()
        offsets = self._producer.offsets
        return {n: offsets[EVENTS, n] for n in range(partitions) if (EVENTS, n) in offsets}

    def _keep_pace(self, count: int, rate: float) -> None:
        due = self._began + count / rate
        while (ahead := due - time.monotonic()) > 0:
            self._producer.poll(min(ahead, 0.1))


def advance_clock(producer: Producer, partitions: int, to: str, signatures: Signatures) -> None:
    """Sends a clock record to every partition of the events; `to` as for `clock_record`."""
    value = clock_record(to)
    for partition in range(partitions):
        signed = signatures.sign(partition, None, value, headers.build("clock"), wall())
        producer.send(EVENTS, value, partition=partition, headers=signed)


def clock_record(to: str) -> bytes:
    """The value of a record that advances the stream clock.

    Args:
        to: an ISO 8601 time, or `end`: until nothing waits.

    Raises:
        ValueError: it is neither.
    """
    if to != "end":
        parse_time(to)
    return json.dumps({"time": to}).encode()


def user_key(line: bytes) -> bytes | None:
    """The key of a line's user, or None if the engine will find no user in it."""
    try:
        found = _decode_user(line)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        found = _User()
    user = found.userId
    if type(user) is not str or not user.isascii() or not 0 < len(user) <= _PLAIN or "\0" in user:
        user = user_of(line)
    return user.encode() if user else None


class _User(msgspec.Struct):
    userId: str | int | None = None


_decode_user = msgspec.json.Decoder(_User).decode
_PLAIN = 256  # characters of an id that is certainly short enough
