"""Digests of long histories, to the byte; `python -m tests.recorded.long_histories` writes them.

A digest covers every outcome, action, dead letter and rerouted event, and every user record that a
step puts back, in order. There is one per thousand inputs, so that a difference is found near its
cause. Together the histories use both clocks, late and repeated events, edits under live users,
pauses, archives, triggers, goals and global exits.
"""

from __future__ import annotations

import gzip
import hashlib
import json
from collections.abc import Callable, Iterator
from itertools import islice
from pathlib import Path

import msgspec

from agents.kinds import KINDS
from benchmarks.journey_set import journey_set
from benchmarks.traffic import Traffic
from journeys.catalog.catalog import Accepted, Catalog, check_push
from journeys.catalog.running import RunningCatalog
from journeys.engine.processor import PartitionProcessor
from journeys.records.effects import Effects
from journeys.records.input import Input
from journeys.records.user_record import UserRecord, encode
from journeys.simulation.backtest import Backtest, MemoryRecords
from journeys.simulation.canned_responses import Canned
from tests.history import logs
from tests.history.test_equals_sql import documents
from tests.journeys.builders import running

KEPT = Path(__file__).parent / "long_histories.json"
EXAMPLES = Path(__file__).parents[2] / "examples"
SLICE = 1_000
START = 1_768_746_735_234


class Digests:
    """A running hash, and what it was after each slice of the history."""

    def __init__(self) -> None:
        self._hash = hashlib.sha256()
        self.slices: list[str] = []

    def effects(self, effects: Effects) -> None:
        for several in (effects.outcomes, effects.actions, effects.dead):
            self._hash.update(msgspec.json.encode(several))
        for key, value, headers in effects.reroutes:
            self._hash.update(repr((key, value, headers)).encode())

    def record(self, user: str, record: UserRecord) -> None:
        self._hash.update(user.encode() + b"\0" + encode(record))

    def end_slice(self) -> None:
        self.slices.append(self._hash.hexdigest()[:16])


def watch(records: MemoryRecords, digests: Digests) -> None:
    """Every record that is put from here on is part of the digest."""
    put = records.put

    def seen(user: str, record: UserRecord) -> None:
        digests.record(user, record)
        put(user, record)

    records.put = seen  # type: ignore[method-assign]


def of_stream(text: str, lines: Iterator[bytes]) -> list[str]:
    """A history under the stream clock; every request of a trigger is answered after a minute."""
    digests = Digests()
    canned = [Canned.model_validate({"after": "1m", "payload": {"score": 7, "code": "A"}})]
    backtest = Backtest(running(text), "history", canned)
    watch(backtest.records, digests)
    while some := list(islice(lines, SLICE)):
        for effects in backtest.run(some):
            digests.effects(effects)
        digests.end_slice()
    for effects in backtest.advance("end"):
        digests.effects(effects)
    digests.end_slice()
    return digests.slices


def _lifecycle(name: str, status: str) -> str:
    return f"{{kind: Lifecycle, name: {name}, status: {status}}}"


def _shop() -> str:
    return journey_set(10).replace("reentry: after_exit}", "reentry: after_exit, min_gap: 1h}")


PUSHES = {
    4_000: _lifecycle("abandoned-checkout", "paused"),
    6_000: _lifecycle("cart-left", "archived"),
    7_000: _lifecycle("abandoned-checkout", "running"),
    9_000: _shop()
    .replace("within: 24h", "within: 6h")
    .replace("\nentry:", "\nin_flight: follow\nentry:"),
    11_000: _lifecycle("payment-failed", "paused"),
    13_000: _lifecycle("payment-failed", "running"),
    14_000: _lifecycle("thanks", "archived"),
}
"""What is pushed before an event: pauses, archives, versions that take over."""


def of_wall(count: int = 16_000) -> list[str]:
    """The shop's traffic under the wall clock: an event every 20 s, timers fired between them."""
    digests, records = Digests(), MemoryRecords()
    watch(records, digests)
    catalog = Catalog(KINDS)
    effects = Effects()
    running_catalog = RunningCatalog(catalog)

    def push(text: str, at: int) -> RunningCatalog:
        nonlocal catalog, running_catalog
        verdict = check_push(text, "push.yaml", catalog, at)
        assert isinstance(verdict, Accepted), verdict
        for key, value in verdict.entries:
            catalog = catalog.with_entry(key, value)
        running_catalog = RunningCatalog(catalog, running_catalog)
        return running_catalog

    processor = PartitionProcessor(records, push(_shop(), START), "wall")
    for number, (_, event) in enumerate(Traffic(users=2_000).events(count)):
        now = START + number * 20_000
        if number in PUSHES:
            processor.follow(push(PUSHES[number], now))
        if number % 3 == 0:
            event["timestamp"] = now - number % 7_000 * 10
        if number % 50 == 0:
            event["messageId"] = "again"
        one = Input("events", 0, number, None, msgspec.json.encode(event), now)
        assert processor.apply([one], effects) == 1
        if number % 10 == 9:
            while processor.fire(now, now + number % 4 * 50_000, effects):
                continue
            processor.sweep(effects, records=200)
        if number % SLICE == SLICE - 1:
            digests.effects(effects)
            digests.end_slice()
            effects = Effects()
    return digests.slices


def _lines(events: Callable[[], list[logs.Event]]) -> Iterator[bytes]:
    """Traits of old events replace the profile's, as they did when the digests were written."""
    for event in events():
        if "backfill" in event:
            event = {**event, "backfill": "overwrite"}
        yield json.dumps(event).encode()


def helpdesk() -> list[str]:
    with gzip.open(EXAMPLES / "helpdesk" / "events.jsonl.gz") as lines:
        return of_stream((EXAMPLES / "helpdesk" / "journey.yaml").read_text(), iter(lines))


HISTORIES: dict[str, Callable[[], list[str]]] = {
    "helpdesk": helpdesk,
    "six journeys, late": lambda: of_stream(documents(), _lines(lambda: logs.late(6_000))),
    "six journeys, bursts": lambda: of_stream(documents(), _lines(lambda: logs.bursts(5_000))),
    "shop under the wall clock": of_wall,
}


def main() -> None:
    digests = {name: history() for name, history in HISTORIES.items()}
    KEPT.write_text(json.dumps(digests, indent=1) + "\n")


if __name__ == "__main__":
    main()
