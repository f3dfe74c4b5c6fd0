"""How far workers have advanced the stream clock, read from the positions in their changelog.

Law: it only reads, and shows only what workers have applied.
"""

from __future__ import annotations

import time
from collections.abc import Mapping


class StreamClock:
    """The clock of every partition of the events, from its creation on."""

    def __init__(self, broker: str, partitions: int) -> None:
        from agents.kafka.client import base_config
        from agents.kafka.read_to_end import Reader
        from agents.kafka.topics import USERS

        self._reader = Reader(base_config(broker))
        self._reader.start_at_end(USERS, range(partitions))

    def after(self, offsets: Mapping[int, int], seconds: float) -> dict[int, int]:
        """The partitions' times, ms, once the records at these offsets are applied.

        Args:
            offsets: by partition.
            seconds: how long to wait; a partition that takes longer is left out.
        """
        from tables.changelog import POSITION_KEY, Position

        found: dict[int, int] = {}
        deadline = time.monotonic() + seconds
        while len(found) < len(offsets) and (left := deadline - time.monotonic()) > 0:
            for message in self._reader.batch(min(left, 0.2)):
                if message.key() != POSITION_KEY:
                    continue
                partition, position = message.partition(), Position.unpack(message.value())
                if partition in offsets and position.source > offsets[partition]:
                    found.setdefault(partition, position.time)
        self._reader.close()
        return found
