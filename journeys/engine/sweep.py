"""Finds the users of a partition to whom a change of the catalog has not been applied yet.

Law: the effect of a change on a user follows from the user's record alone, so a sweep can be
interrupted and restarted at any time, and nothing waits for it.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Protocol

from journeys.catalog.running import RunningCatalog


class Records(Protocol):
    def naming(
        self, journeys: Collection[str], after: str | None, most: int
    ) -> tuple[list[str], str | None]:
        """Examines up to `most` records after the user `after`, in a stable order.

        Returns:
            the users whose records may name one of the journeys, and the user to continue after;
            None when all have been examined.
        """


class Sweep:
    """The progress of a sweep. It starts when the partition is taken over, since the previous owner
    may not have finished, and at every change of a journey's lifecycle.

    Attributes:
        more: whether records are left to examine.
    """

    def __init__(self, catalog: RunningCatalog) -> None:
        self.more = False
        self._newest = 0
        self._journeys: frozenset[str] = frozenset()
        self._after: str | None = None
        self.follow(catalog)

    def follow(self, catalog: RunningCatalog) -> None:
        """Restart if the catalog has a newer change of a lifecycle."""
        newest = max((life.changed for life in catalog.lifecycles.values()), default=0)
        if newest > self._newest:
            self._newest = newest
            self._journeys = frozenset(catalog.lifecycles)
            self._after = None
            self.more = True

    def next(self, records: Records, most: int) -> list[str]:
        """The users to apply the change to, among the next `most` records."""
        if not self.more:
            return []
        users, self._after = records.naming(self._journeys, self._after, most)
        self.more = self._after is not None
        return users
