"""Questions to the broker about topics and offsets.

Law: a client that has answered with an error answers no more; a new one asks next. librdkafka keeps
the epoch of a partition's leader: when leadership leaves a broker and comes back to it, a client
that was kept gets FENCED_LEADER_EPOCH for ever.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

from confluent_kafka import KafkaError, KafkaException
from confluent_kafka.admin import AdminClient

T = TypeVar("T")

_PAUSE_SECONDS = 0.1

_FINAL = frozenset(
    (
        KafkaError.TOPIC_AUTHORIZATION_FAILED,
        KafkaError.CLUSTER_AUTHORIZATION_FAILED,
        KafkaError.GROUP_AUTHORIZATION_FAILED,
    )
)
"""Answers that asking again doesn't change. All others may pass: while leaders change, and for a
moment after a topic was made, its brokers answer with many errors."""


class Asking:
    """Asks one question after another, with one client as long as it answers. For one thread."""

    def __init__(self, make: Callable[[], AdminClient]) -> None:
        """make: a new client."""
        self._make = make
        self._client: AdminClient | None = None

    def ask(self, question: Callable[[AdminClient], T]) -> T:
        """The answer. Raises what `question` raises: KafkaException, TimeoutError."""
        if self._client is None:
            self._client = self._make()
        try:
            return question(self._client)
        except Exception:
            self._client = None
            raise

    def ask_for(self, seconds: float, question: Callable[[AdminClient], T]) -> T:
        """The answer; an error that may pass is no answer for so many seconds.

        Raises:
            KafkaException, TimeoutError: the last one.
        """
        limit = time.monotonic() + seconds
        while True:
            try:
                return self.ask(question)
            except (KafkaException, TimeoutError) as error:
                final = isinstance(error, KafkaException) and error.args[0].code() in _FINAL
                if final or time.monotonic() > limit:
                    raise
            time.sleep(_PAUSE_SECONDS)
