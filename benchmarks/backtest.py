"""How long `journeys backtest` takes over a long history, compared with only decoding the file.

    python -m benchmarks.backtest [--events 250000] [--rounds 3]

The history is the help desk's, repeated with other customers, in time order. Each round reads and
decodes every line, then backtests the file with the help desk's journey and with a journey that no
event enters. The result is the median of the rounds.
"""

from __future__ import annotations

import argparse
import gzip
import json
import platform
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec

from agents.host.garbage import settle_garbage
from agents.kinds import KINDS
from journeys.catalog.catalog import Catalog, catalog_of
from journeys.catalog.running import RunningCatalog
from journeys.simulation.backtest import Backtest

HELPDESK = Path(__file__).parents[1] / "examples" / "helpdesk"
NOBODY = """
kind: Journey
name: nobody
entry: {event: never sent}
nodes: {done: {type: exit}}
"""


def history(events: int) -> Iterator[bytes]:
    """Lines of the help desk's log, each repeated for as many customers as needed."""
    with gzip.open(HELPDESK / "events.jsonl.gz") as lines:
        log = [json.loads(line) for line in lines]
    copies, rest = divmod(events, len(log))
    for number, event in enumerate(log):
        for copy in range(copies + (number < rest)):
            again = {**event, "userId": f"{event['userId']}-{copy}"}
            if "messageId" in event:
                again["messageId"] = f"{event['messageId']}-{copy}"
            yield json.dumps(again).encode() + b"\n"


def running(text: str) -> RunningCatalog:
    catalog = catalog_of([("journey.yaml", text)], KINDS)
    assert isinstance(catalog, Catalog), catalog
    return RunningCatalog(catalog)


def decode(path: Path) -> int:
    decoder = msgspec.json.Decoder()
    with path.open("rb") as lines:
        return sum(1 for line in lines if decoder.decode(line))


def backtest(path: Path, catalog: RunningCatalog) -> int:
    """Apply all lines and encode the effects, as the command does for its files."""
    encoder = msgspec.json.Encoder()
    settle_garbage()
    run = Backtest(catalog, path.name)
    with path.open("rb") as lines:
        for effects in run.run(lines, drain=True):
            encoder.encode_lines(effects.outcomes)
            encoder.encode_lines(effects.actions)
            assert not effects.dead
    return run.events


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--events", type=int, default=250_000)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    entered = running((HELPDESK / "journey.yaml").read_text("utf-8"))
    nobody = running(NOBODY)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "events.jsonl"
        with path.open("wb") as file:
            file.writelines(history(options.events))
        work: dict[str, Callable[[], int]] = {
            "read and decode": lambda: decode(path),
            "backtest, no event enters": lambda: backtest(path, nobody),
            "backtest of the help desk": lambda: backtest(path, entered),
        }
        seconds: dict[str, list[float]] = {name: [] for name in work}
        for _ in range(options.rounds):
            for name, run in work.items():
                began = time.process_time()
                assert run() == options.events
                seconds[name].append(time.process_time() - began)
    base = statistics.median(seconds["read and decode"])
    print(f"{'':<28}{'CPU s':>8}{'events/s':>12}{'x decode':>10}")
    for name, times in seconds.items():
        median = statistics.median(times)
        print(f"{name:<28}{median:>8.2f}{options.events / median:>12,.0f}{median / base:>10.1f}")
    print(
        f"{options.events:,} events, Python {platform.python_version()}, "
        f"median of {options.rounds} rounds"
    )


if __name__ == "__main__":
    main()
