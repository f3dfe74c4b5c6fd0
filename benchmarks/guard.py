"""A regression test of the engine's cost per event, relative to a loop that decodes and counts.

    python -m benchmarks.guard

Both are measured in turn in one process, in CPU time. The result is the median of their ratios, as
a slow or busy machine slows both. It fails if a ratio has doubled.
"""

from __future__ import annotations

import gc
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from itertools import count
from pathlib import Path

import msgspec

from benchmarks.backtest import running
from benchmarks.engine import START, apply_all
from benchmarks.journey_set import journey_set
from benchmarks.traffic import Traffic
from journeys.catalog.running import RunningCatalog
from journeys.engine.processor import PartitionProcessor
from journeys.records.effects import Effects
from journeys.records.input import Input
from journeys.simulation.backtest import MemoryRecords
from tables.changelog import Position
from tables.store import Store
from tables.users import CODEC, UserRecords
from tables.view import View

EXPECTED = {
    "an event that does nothing": 4.0,
    "an event that starts an instance": 38.0,
    "the traffic, kept in the store": 12.0,
}
"""Costs of an event, in those of the loop, as they were found on an idle machine."""
ALLOWED = 2.0
"""A gross loss is more than so many times what is expected."""
ROUNDS = 9
_EVENTS = 1_000


def measure(rounds: int = ROUNDS) -> dict[str, float]:
    """The median cost per event of each kind of work, in multiples of the loop's."""
    catalog = running(journey_set(10))
    events = [event for _, event in Traffic(users=2_000).events(20 * _EVENTS)]
    quiet = [one for one in events if one["event"] == "page_viewed"][:_EVENTS]
    large = {"total": 240.0, "cartId": "c", "sent": 0, "quantity": 1, "country": "DE"}
    starting = [{"event": "checkout_started", "userId": f"u{n}", "properties": large}
                for n in range(_EVENTS)]  # fmt: skip
    traffic = _inputs(events[: 4 * _EVENTS])
    values = [one.value for one in traffic[:_EVENTS]]
    with tempfile.TemporaryDirectory() as folder:
        folders = (Path(folder) / str(number) for number in count())
        work: dict[str, Callable[[], int]] = {
            "an event that does nothing": _in_memory(catalog, _inputs(quiet)),
            "an event that starts an instance": _in_memory(catalog, _inputs(starting)),
            "the traffic, kept in the store": lambda: _stored(catalog, traffic, next(folders)),
        }
        ratios: dict[str, list[float]] = {name: [] for name in work}
        gc.collect()
        gc.freeze()
        try:
            for _ in range(rounds):
                for name, run in work.items():
                    before = _cost(lambda: _loop(values))
                    cost = _cost(run)
                    ratios[name].append(2 * cost / (before + _cost(lambda: _loop(values))))
        finally:
            gc.unfreeze()
    return {name: statistics.median(found) for name, found in ratios.items()}


def _inputs(events: list[dict[str, object]]) -> list[Input]:
    return [
        Input("journeys.events", 0, n, None, msgspec.json.encode(event), START + n)
        for n, event in enumerate(events)
    ]


def _cost(run: Callable[[], int]) -> float:
    """CPU seconds per event."""
    began = time.process_time()
    events = run()
    return (time.process_time() - began) / events


def _loop(values: list[bytes]) -> int:
    """What any program does with an event: decode it, look up the user, count."""
    decode = msgspec.json.Decoder().decode
    seen: dict[str, tuple[int, str]] = {}
    for _ in range(5):
        for value in values:
            event = decode(value)
            number, _ = seen.get(event["userId"], (0, ""))
            seen[event["userId"]] = number + 1, event["event"]
    return 5 * len(values)


def _in_memory(catalog: RunningCatalog, inputs: list[Input]) -> Callable[[], int]:
    def run() -> int:
        apply_all(PartitionProcessor(MemoryRecords(), catalog, "wall"), inputs)
        return len(inputs)

    return run


def _stored(catalog: RunningCatalog, inputs: list[Input], folder: Path) -> int:
    """A worker's work without Kafka: apply a batch, encode effects and records, write the store."""
    store = Store(folder)
    view = View(store, CODEC)
    processor = PartitionProcessor(UserRecords(view), catalog, "wall")
    encode = msgspec.json.Encoder().encode
    for at in range(0, len(inputs), _EVENTS):
        left = inputs[at : at + _EVENTS]
        while left:
            effects = Effects()
            left = left[processor.apply(left, effects) :]
            for effect in (*effects.actions, *effects.outcomes):
                encode(effect)
        store.write(view.changes(), at + 1, Position(at + 1, processor.partition_time))
        view.committed()
    store.close()
    return len(inputs)


def too_slow(found: dict[str, float]) -> list[str]:
    """The kinds of work that became slower than allowed."""
    return [name for name, cost in found.items() if cost > ALLOWED * EXPECTED[name]]


def main() -> int:
    found = measure()
    for name, cost in found.items():
        print(f"{name:<36}{cost:6.1f} x the loop, expected {EXPECTED[name]:.1f}")
    for name in (lost := too_slow(found)):
        print(f"{name}: costs more than {ALLOWED:.0f} times what it did")
    return 1 if lost else 0


if __name__ == "__main__":
    sys.exit(main())
