"""What the caller gives to the processor of a partition.

Law: the engine calls nothing else outside itself, and none of these calls blocks.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from journeys.engine import sweep
from journeys.records.action import Action
from journeys.records.input import Input
from journeys.records.user_record import UserRecord


class Records(sweep.Records, Protocol):
    """The users' records of one partition."""

    def get(self, user: str) -> UserRecord | None: ...

    def put(self, user: str, record: UserRecord) -> None:
        """Replace the record; `record.next_due()` says when it is due."""

    def next_due(self) -> tuple[int, str] | None:
        """The earliest (time ms, user) at which a clock may fire a timer, over all records."""


class ResponseQueue(Protocol):
    """Canned responses, for backtests and tests, which have no deliver role to make the
    requests."""

    def ask(self, actions: Sequence[Action]) -> None:
        """Queue the responses to these requests."""

    def next_due(self) -> int | None:
        """When the next response comes, ms."""

    def pop(self) -> Input:
        """The next response, as a record that arrives when it is due."""
