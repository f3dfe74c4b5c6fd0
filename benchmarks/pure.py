"""The engine without Kafka, on one core: how fast a history is backtested."""

from __future__ import annotations

import tempfile
import time
from pathlib import Path

from benchmarks.backtest import HELPDESK, backtest, history, running
from benchmarks.real import NAME
from benchmarks.results import Result, rounded


def measure(number: int, events: int = 250_000) -> Result:
    """`journeys backtest` of the help desk's journey over so many events; events per CPU second."""
    catalog = running((HELPDESK / "journey.yaml").read_text("utf-8"))
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "events.jsonl"
        with path.open("wb") as file:
            file.writelines(history(events))
        begun = time.process_time()
        applied = backtest(path, catalog)
        seconds = time.process_time() - begun
    return Result(
        part="backtest",
        contender=NAME,
        work="backtest",
        guarantee="pure",
        round=number,
        events=events,
        journeys=1,
        events_per_s=rounded(events / seconds),
        cpu_s_per_100k=rounded(seconds * 100_000 / events),
        verified=applied == events,
    )
