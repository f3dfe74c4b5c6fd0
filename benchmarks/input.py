"""Traffic as bytes for a topic: written before a measurement, or sent during one of latency."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import lru_cache
from typing import Any, NamedTuple

import msgspec

from agents.kafka.partitioner import partition_for
from benchmarks.traffic import Traffic

_encode = msgspec.json.Encoder().encode
UNSENT = b'"sent":0'


class Record(NamedTuple):
    """A record of an input topic, on the partition of Kafka's default partitioner."""

    partition: int
    key: bytes
    value: bytes


def records(events: Iterable[tuple[str, dict[str, Any]]], partitions: int) -> Iterator[Record]:
    """The events as bytes, keyed by user."""
    home = lru_cache(None)(lambda key: partition_for(key, partitions))
    for user, event in events:
        key = user.encode()
        yield Record(home(key), key, _encode(event))


@lru_cache(2)
def traffic(chosen: Traffic, count: int, partitions: int) -> list[Record]:
    """The shop's traffic; cached, as several measurements use the same."""
    return list(records(chosen.events(count), partitions))


def sent(record: Record, now: float) -> bytes:
    """The record's value with the time at which it is sent, ms."""
    return record.value.replace(UNSENT, b'"sent":%.3f' % now, 1)


def everybody(users: int) -> Iterator[tuple[str, dict[str, Any]]]:
    """One event per user, which creates the user's record: a page view.

    For one user in ten it is a sign-in from abroad, which enters a real journey that then waits.
    """
    for number in range(users):
        name, country = ("page_viewed", "DE") if number % 10 else ("signed_in", "US")
        yield f"u{number}", _event(name, number, number, 0, {"country": country})


def baskets(users: int, each: int) -> Iterator[tuple[str, dict[str, Any]]]:
    """Checkouts of every user, user by user; each starts an instance that waits."""
    for number in range(users):
        for cart in range(each):
            more = {"country": "DE", "cartId": f"kept-{number}-{cart}"}
            yield f"u{number}", _event("checkout_started", number * each + cart, number, 130, more)


def _event(name: str, number: int, user: int, total: float, more: dict[str, Any]) -> dict[str, Any]:
    properties = {"sent": 0, "total": total, "currency": "EUR", "quantity": 1, "isMobile": False}
    return {
        "event": name,
        "userId": f"u{user}",
        "messageId": f"before-{number:012d}",
        "properties": properties | more,
    }
