"""How the tests are spread over processes: `pytest -n auto`.

Law: a module whose tests share a fixture is one piece of work, any other test is one by itself.
Most tests that need a Kafka wait for one, and most of the others compute; so one process begins
with the others and the rest with the long ones that wait, and all end together.
"""

from __future__ import annotations

import os
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from xdist.scheduler import LoadScopeScheduling
from xdist.workermanage import WorkerController

ROOT = Path(__file__).parents[1]


class Spread(LoadScopeScheduling):
    """Gives the next piece of work to the process that is free."""

    def _split_scope(self, nodeid: str) -> str:
        module = nodeid.partition("::")[0]
        return module if _shares_a_fixture(module) else nodeid

    def _assign_work_unit(self, node: WorkerController) -> None:
        if node is self.nodes[-1]:
            self.workqueue.move_to_end(next(reversed(self.workqueue)), last=False)
        super()._assign_work_unit(node)


@cache
def _shares_a_fixture(module: str) -> bool:
    return 'scope="module"' in (ROOT / module).read_text(encoding="utf-8")


def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Spread:
    return Spread(config, log)


def pytest_xdist_auto_num_workers() -> int:
    """Three more than there are cores, as many tests wait for the end of a session; no more than
    eight, as all but one have a Kafka of their own."""
    return min((os.cpu_count() or 1) + 3, 8)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if hasattr(config, "workerinput"):  # a process of several
        items.sort(key=_how_short)


def _how_short(item: pytest.Item) -> int:
    if item.get_closest_marker("slow"):
        return 0
    fixtures: list[str] = getattr(item, "fixturenames", [])
    return 1 if any(name == "broker" or name.endswith("kafka") for name in fixtures) else 2
