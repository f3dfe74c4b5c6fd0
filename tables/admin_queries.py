"""Queries to the broker about topics and offsets.

Law: after an error a client is not used again; a new one runs the next query. librdkafka caches
the epoch of a partition's leader: if leadership leaves a broker and returns to it, an old client
gets FENCED_LEADER_EPOCH for ever.
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
"""Errors that a retry doesn't change. All others may be temporary: during a change of leaders, and
for a moment after a topic was created, its brokers answer with many errors."""


class AdminQueries:
    """Runs one query after another, with the same client until an error. For one thread."""

    def __init__(self, make: Callable[[], AdminClient]) -> None:
        """make: creates a client."""
        self._make = make
        self._client: AdminClient | None = None

    def run(self, query: Callable[[AdminClient], T]) -> T:
        """Runs it once. Raises what `query` raises: KafkaException, TimeoutError."""
        if self._client is None:
            self._client = self._make()
        try:
            return query(self._client)
        except Exception:
            self._client = None
            raise

    def run_with_retry(self, seconds: float, query: Callable[[AdminClient], T]) -> T:
        """Runs it, and again for this many seconds after errors that may be temporary.

        Raises:
            KafkaException, TimeoutError: the last error.
        """
        limit = time.monotonic() + seconds
        while True:
            try:
                return self.run(query)
            except (KafkaException, TimeoutError) as error:
                final = isinstance(error, KafkaException) and error.args[0].code() in _FINAL
                if final or time.monotonic() > limit:
                    raise
            time.sleep(_PAUSE_SECONDS)
