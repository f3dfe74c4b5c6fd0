"""The cost of the pure engine per event: no Kafka, no store, one core.

    python benchmarks/engine.py [EVENTS]

Prints µs per event and events per second for every part, and the cost as a multiple of decoding the
same bytes with msgspec, so that results of different machines can be compared. Results are the
medians of five rounds.
"""

from __future__ import annotations

import statistics
import sys
import time
from collections.abc import Callable, Iterator
from typing import Any

import msgspec

from benchmarks.backtest import running
from journeys.catalog.running import RunningCatalog
from journeys.engine.processor import PartitionProcessor
from journeys.records.admission import admit
from journeys.records.effects import Effects
from journeys.records.input import Input
from journeys.records.user_record import decode, encode
from journeys.simulation.backtest import MemoryRecords

EXAMPLE = """
kind: Destination
name: mailer
type: http
url: http://127.0.0.1:8099/mail
---
kind: Journey
name: abandoned-checkout
entry:
  event: checkout_started
  where: event.properties.total >= 50.0
  key: event.properties.session_id
nodes:
  bought:
    type: wait_for_event
    event: purchase_completed
    within: 1h
    next: done
    on_timeout: mail
  mail:
    type: destination
    destination: mailer
    payload: {to: '${user.traits.email}', total: '${entry.properties.total}'}
  done: {type: exit}
"""
ROUNDS = 5
USERS = 5_000
START = 1_768_746_735_234


def events(name: str, count: int, first: int = 0) -> list[bytes]:
    """Events of a shop: about 330 bytes, one per millisecond, users in turn."""
    return [
        msgspec.json.encode(
            {
                "event": name,
                "timestamp": _iso(START + n),
                "messageId": f"{name}-{n:012}",
                "userId": f"user-{n % USERS}",
                "sessionId": f"session-{n}",
                "properties": {
                    "session_id": f"session-{n % USERS}",
                    "total": 120.5,
                    "currency": "EUR",
                    "items": [{"sku": "a-1", "price": 60.25, "quantity": 2}],
                },
                "context": {"timezone": "Europe/Berlin", "page": "/checkout"},
            }
        )
        for n in range(first, first + count)
    ]


def _iso(ms: int) -> str:
    seconds, rest = divmod(ms, 1_000)
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(seconds)) + f".{rest:03}Z"


def inputs(values: list[bytes], first: int = 0) -> list[Input]:
    return [
        Input("journeys.events", 0, first + n, None, value, START + n + 5)
        for n, value in enumerate(values)
    ]


def each(call: Callable[[Any], object], items: list[Any]) -> None:
    for item in items:
        call(item)


def per_event(count: int, run: Callable[[], object]) -> float:
    begin = time.perf_counter()
    run()
    return (time.perf_counter() - begin) / count * 1e6


def apply_all(processor: PartitionProcessor, some: list[Input]) -> None:
    """Apply inputs as a worker does: in batches of a thousand, with new effects each time."""
    for at in range(0, len(some), 1_000):
        left = some[at : at + 1_000]
        while left:
            left = left[processor.apply(left, Effects()) :]


def one_round(catalog: RunningCatalog, count: int) -> Iterator[tuple[str, float]]:
    """Measure every part once: its name and µs per event."""
    others = events("page_viewed", count)
    decoder = msgspec.json.Decoder()
    yield "JSON decoding alone", per_event(count, lambda: each(decoder.decode, others))
    yield "admit", per_event(count, lambda: each(lambda value: admit(value, ""), others))
    processor = PartitionProcessor(MemoryRecords(), catalog, "wall")
    some = inputs(others)
    yield "admit and step, nothing matches", per_event(count, lambda: apply_all(processor, some))

    records = MemoryRecords()
    shop = PartitionProcessor(records, catalog, "wall")
    entering = inputs(events("checkout_started", USERS))
    yield "admit and step, enters and waits", per_event(USERS, lambda: apply_all(shop, entering))
    live = list(records.records.values())
    beside = inputs(events("page_viewed", USERS, USERS), USERS)
    yield "... a user who waits, no match", per_event(USERS, lambda: apply_all(shop, beside))
    answers = inputs(events("purchase_completed", USERS, USERS), USERS)
    yield "... the wait matches, the way ends", per_event(USERS, lambda: apply_all(shop, answers))
    assert not any(record.instances for record in records.records.values())
    yield (
        "record to bytes and back",
        per_event(USERS, lambda: each(lambda one: decode(encode(one)), live)),
    )

    effects = Effects()
    PartitionProcessor(MemoryRecords(), catalog, "wall").apply(entering[:1_000], effects)
    told = effects.outcomes
    encoder = msgspec.json.Encoder()
    yield "outcome to JSON", per_event(len(told), lambda: each(encoder.encode, told))


def main() -> None:
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 20_000
    catalog = running(EXAMPLE)
    figures: dict[str, list[float]] = {}
    for _ in range(ROUNDS):
        for what, cost in one_round(catalog, count):
            figures.setdefault(what, []).append(cost)
    bare = statistics.median(figures["JSON decoding alone"])
    print(f"{'':38}{'µs':>8}{'per second':>14}{'x JSON':>9}")
    for what, rounds in figures.items():
        cost = statistics.median(rounds)
        print(f"{what:38}{cost:8.2f}{1e6 / cost:14,.0f}{cost / bare:9.1f}")
    size = len(events("page_viewed", 1)[0])
    print(f"events of {size} bytes, Python {sys.version.split()[0]}, median of {ROUNDS} rounds")


if __name__ == "__main__":
    main()
