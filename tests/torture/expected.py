"""What must have come of a log: computed from the records alone, user by user, in the plainest way.

Law: nothing of the engine is used here. It knows the three journeys of documents.py by heart.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from tests.torture.documents import FIRST_WAIT_MS, SECOND_WAIT_MS


class Told(NamedTuple):
    """One outcome. cause: `event OFFSET`, `timer MS` or `response`; at: ms, None after a response.

    What only the engine can choose, the variant of an experiment, is left out: see `Line.variants`.
    """

    type: str
    user: str
    journey: str
    key: str | None
    node: str | None
    cause: str
    at: int | None


class Arrived(NamedTuple):
    """A record of the log. at: ms, the broker's."""

    partition: int
    offset: int
    at: int
    key: bytes | None
    value: bytes


@dataclass
class Order:
    """One that is waited for."""

    key: str
    node: str
    due: int


@dataclass
class User:
    name: str
    partition: int
    orders: list[Order] = field(default_factory=list)
    seen: list[str] = field(default_factory=list)
    ticks: int = 0


class Expected:
    """What the outcomes and the actions must be.

    Args:
        variants: by order, the node that the experiment led to, as told.
        fired: by order and node, when (ms) a timer fired that was more than a minute late, as told.
    """

    def __init__(self, variants: Mapping[str, str], fired: Mapping[tuple[str, str], int]) -> None:
        self._variants = variants
        self._fired = fired
        self.told: list[Told] = []
        self.ticks: dict[str, int] = {}
        self.questions: dict[tuple[int, int], int] = {}
        """The number of each question, by its partition and offset."""

    def read(self, log: Iterable[Arrived]) -> Expected:
        """A log, each partition's records in order, to the end of time."""
        users: dict[str, User] = {}
        for record in log:
            event = _event(record.value)
            if event is None:
                self._tell("event.rejected", None, "", None, None, _cause(record), record.at)
                continue
            name = event["userId"]
            user = users.setdefault(name, User(name, record.partition))
            if event["messageId"] in user.seen[-1_024:]:
                continue
            user.seen.append(event["messageId"])
            self._time_out(user, record.at)
            self._apply(user, event, record)
        for user in users.values():
            self._time_out(user, None)
            self.ticks[user.name] = user.ticks
        return self

    def _apply(self, user: User, event: Mapping[str, Any], record: Arrived) -> None:
        cause, at = _cause(record), record.at
        order = event["properties"].get("order")
        live = next((one for one in user.orders if one.key == order), None)
        match event["event"]:
            case "tick":
                user.ticks += 1
                self._story(user, "tally", None, cause, at, "E R:count P:count R:say A:say X")
            case "ask":
                self.questions[record.partition, record.offset] = event["properties"]["number"]
                self._story(user, "question", None, cause, at, "E R:asked A:asked S:asked")
                answered = "M:asked R:told A:told R:answered X:answered"
                self._story(user, "question", None, "response", None, answered)
            case "begin":
                self._story(user, "order", order, cause, at, "E R:first S:first")
                user.orders.append(Order(order, "first", at + FIRST_WAIT_MS))
            case "pay" if live is not None:
                to = self._variants.get(order, "letter")
                paid = f"M:{live.node} R:split V:split R:{to} A:{to} R:paid X:paid"
                self._story(user, "order", order, cause, at, paid)
                user.orders.remove(live)
            case "cancel" if live is not None:
                self._story(user, "order", order, cause, at, f"X:{live.node}")
                user.orders.remove(live)

    def _time_out(self, user: User, until: int | None) -> None:
        """The user's timers that are due by then, earliest first."""
        while due := [one for one in user.orders if until is None or one.due <= until]:
            order = min(due, key=lambda one: one.due)
            cause = f"timer {order.due}"
            at = self._fired.get((order.key, order.node), order.due)
            if order.node == "first":
                late = "T:first R:remind A:remind R:second S:second"
                self._story(user, "order", order.key, cause, at, late)
                order.node, order.due = "second", at + SECOND_WAIT_MS
            else:
                self._story(user, "order", order.key, cause, at, "T:second R:lost X:lost")
                user.orders.remove(order)

    def _story(
        self, user: User, journey: str, key: str | None, cause: str, at: int | None, steps: str
    ) -> None:
        for step in steps.split():
            letter, _, node = step.partition(":")
            self._tell(_TYPES[letter], user.name, journey, key, node or None, cause, at)

    def _tell(self, type: str, user: str | None, *rest: Any) -> None:
        self.told.append(Told(type, user or "", *rest))


_TYPES = {
    "E": "journey.entered",
    "R": "node.reached",
    "S": "wait.started",
    "M": "wait.matched",
    "T": "wait.timed_out",
    "V": "experiment.assigned",
    "A": "action.requested",
    "P": "profile.changed",
    "X": "journey.exited",
}


def by_partition(log: Iterable[Arrived]) -> Iterator[Arrived]:
    """One partition after the other, the records of each in the order in which they were written:
    a topic that was recreated counts from zero again."""
    found: dict[int, list[Arrived]] = defaultdict(list)
    for record in log:
        found[record.partition].append(record)
    for records in found.values():
        yield from records


def ends_of_orders(log: Iterable[Arrived]) -> dict[str, list[Arrived]]:
    """By order, the records that end what it waits for."""
    found: dict[str, list[Arrived]] = defaultdict(list)
    for record in log:
        event = _event(record.value)
        if event is not None and event["event"] in ("pay", "cancel"):
            found[event["properties"]["order"]].append(record)
    return found


def _cause(record: Arrived) -> str:
    return f"event {record.partition} {record.offset}"


def _event(value: bytes) -> dict[str, Any] | None:
    """An event of the traffic's; None for anything else."""
    try:
        event = json.loads(value)
        known = event["messageId"].startswith("m") and "number" in event["properties"]
    except (ValueError, TypeError, LookupError, AttributeError, RecursionError):
        return None
    return event if known else None
