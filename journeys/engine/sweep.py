"""The way through a partition's records after a change of the catalog that users must meet.

Law: a sweep only touches users. What a change does to them follows from their record alone, so it
may be cut short and begun again, and nothing waits for it.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Protocol

from journeys.catalog.running import RunningCatalog


class Records(Protocol):
    def naming(
        self, journeys: Collection[str], after: str | None, most: int
    ) -> tuple[list[str], str | None]:
        """Looks at `most` records behind the user `after`, in an order that doesn't change.

        Returns:
            the users whose records may name one of the journeys, and the user to go on after;
            None when all have been looked at.
        """


class Sweep:
    """How far a partition has come. It begins when the partition is taken over, for what the owner
    before may have left, and at every change of a journey's life.

    Attributes:
        more: whether records are left to be looked at.
    """

    def __init__(self, catalog: RunningCatalog) -> None:
        self.more = False
        self._newest = 0
        self._journeys: frozenset[str] = frozenset()
        self._after: str | None = None
        self.follow(catalog)

    def follow(self, catalog: RunningCatalog) -> None:
        """The catalog from here on."""
        newest = max((life.changed for life in catalog.lifecycles.values()), default=0)
        if newest > self._newest:
            self._newest = newest
            self._journeys = frozenset(catalog.lifecycles)
            self._after = None
            self.more = True

    def next(self, records: Records, most: int) -> list[str]:
        """Users to be touched, of the next `most` records."""
        if not self.more:
            return []
        users, self._after = records.naming(self._journeys, self._after, most)
        self.more = self._after is not None
        return users
