"""The speed of backtests: the engine without Kafka, on one core."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import msgspec

from benchmarks.backtest import HELPDESK, backtest, history, running
from benchmarks.engine import START
from benchmarks.journey_set import journey_set
from benchmarks.real import NAME
from benchmarks.results import Result, rounded
from benchmarks.traffic import Traffic
from journeys.catalog.running import RunningCatalog

_STEP = 20
"""From one event of the shop to the next, ms."""


def measure(number: int, events: int = 250_000) -> Iterator[Result]:
    """Measure `journeys backtest` of one journey, in events per CPU second.

    Either the shop's first journey with the traffic of the other measurements, 0.7 outcomes per
    event, or the help desk's journey with its own history, 1.8 outcomes per event.
    """
    yield _measure("shop", number, events, shop(events), running(journey_set(1)))
    helpdesk = running((HELPDESK / "journey.yaml").read_text("utf-8"))
    yield _measure("helpdesk", number, events, history(events), helpdesk)


def shop(events: int) -> Iterator[bytes]:
    """Lines of the shop's log."""
    for place, (_, event) in enumerate(Traffic().events(events)):
        yield msgspec.json.encode(event | {"timestamp": START + place * _STEP}) + b"\n"


def _measure(
    work: str, number: int, events: int, lines: Iterator[bytes], catalog: RunningCatalog
) -> Result:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "events.jsonl"
        with path.open("wb") as file:
            file.writelines(lines)
        begun = time.process_time()
        applied = backtest(path, catalog)
        seconds = time.process_time() - begun
    return Result(
        part="backtest",
        contender=NAME,
        work=work,
        guarantee="pure",
        round=number,
        events=events,
        journeys=1,
        events_per_s=rounded(events / seconds),
        cpu_s_per_100k=rounded(seconds * 100_000 / events),
        verified=applied == events,
    )
