"""Records what the examples bring about, to the byte: `python -m tests.recorded.record`.

Each test of an example is a small history: its events, times and responses. What the engine makes
of it is kept beside this file. A record is rewritten only where a change of meaning is meant; the
difference then shows in review what it changes for live instances.
"""

from __future__ import annotations

import gzip
from pathlib import Path

from msgspec import json

from agents.kinds import KINDS
from journeys.catalog.catalog import Catalog, catalog_of
from journeys.catalog.running import RunningCatalog
from journeys.simulation.testing.run import run_test
from journeys.simulation.testing.suite import SuiteFile, read_tests

EXAMPLES = Path(__file__).parents[2] / "examples"
KEPT = Path(__file__).parent / "histories"
NAMES = sorted(path.parent.name for path in EXAMPLES.glob("*/journey.test.yaml"))


def history(name: str) -> bytes:
    """Every outcome and action of every test of an example, in order, one JSON object a line."""
    folder = EXAMPLES / name
    catalog = catalog_of([("journey.yaml", (folder / "journey.yaml").read_bytes())], KINDS)
    assert isinstance(catalog, Catalog), catalog
    running = RunningCatalog(catalog)
    tests = read_tests((folder / "journey.test.yaml").read_bytes(), "journey.test.yaml")
    assert isinstance(tests, SuiteFile), tests
    lines = []
    for number, case in enumerate(tests.suite.tests):
        lines.append(json.encode({"test": case.name}))
        for happening in run_test(tests, number, running).timeline:
            lines += [json.encode(one) for one in (*happening.outcomes, *happening.actions)]
    return b"\n".join(lines) + b"\n"


def kept(name: str) -> Path:
    return KEPT / f"{name}.jsonl.gz"


def main() -> None:
    KEPT.mkdir(exist_ok=True)
    for name in NAMES:
        kept(name).write_bytes(gzip.compress(history(name), mtime=0))


if __name__ == "__main__":
    main()
