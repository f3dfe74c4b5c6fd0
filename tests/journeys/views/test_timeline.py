"""The lines that say at which nodes a user's live instances wait, for what and until when."""

from __future__ import annotations

import pytest

from agents.kinds import KINDS
from journeys.catalog.catalog import Catalog, catalog_of
from journeys.catalog.running import RunningCatalog
from journeys.simulation.scenario import Scenario
from journeys.views.timeline import describe_waits

PARALLEL = """\
  side: {type: parallel, branches: {call: one, answer: two}, join: JOIN, next: done}
  one: {type: delay, for: 15m, next: done}
  two: {type: wait_for_event, event: replied, within: 2h, next: done}
  done: {type: exit}
"""
CALL = "j/one waits until 1970-01-01 00:15:00.000, as the branch call"
ANSWER = "j/two waits until 1970-01-01 02:00:00.000 (for replied), as the branch answer"


def waits(nodes: str, until: str) -> list[str]:
    text = f"kind: Journey\nname: j\nentry: {{event: start}}\nnodes:\n{nodes}"
    catalog = catalog_of([("j.yaml", text.encode())], KINDS)
    assert isinstance(catalog, Catalog), catalog
    running = RunningCatalog(catalog)
    scenario = Scenario(running, "ann", 0)
    scenario.event({"event": "start", "traits": {"ends": "1970-01-02T00:00:00Z"}})
    minutes = int(until.removesuffix("m")) * 60_000
    list(scenario.finish(minutes))
    return list(describe_waits(scenario.waiting, running))


@pytest.mark.parametrize(
    ("join", "until", "expected"),
    [
        ("all", "10m", [
            "j/side waits for its branches call at one, answer at two (for all of call, answer)",
            CALL, ANSWER,
        ]),
        ("all", "20m", [
            "j/side waits for its branch answer at two (for all of call, answer)", ANSWER,
        ]),
        ("any", "10m", [
            "j/side waits for its branches call at one, answer at two "
            "(for the first of call, answer)",
            CALL, ANSWER,
        ]),
        ("none", "10m", [CALL, ANSWER]),
    ],
)  # fmt: skip
def test_a_parallel_node_waits_for_the_branches_that_still_run(
    join: str, until: str, expected: list[str]
) -> None:
    assert waits(PARALLEL.replace("JOIN", join), until) == expected


def test_an_instance_that_does_not_wait_for_its_branches_says_for_what_it_waits() -> None:
    nodes = PARALLEL.replace("JOIN", "none").replace("{type: exit}", "{type: delay, for: 1h}")
    assert waits(nodes, "10m") == ["j/done waits until 1970-01-01 01:00:00.000", CALL, ANSWER]


@pytest.mark.parametrize(
    ("node", "expected"),
    [
        ("{type: wait_for_event, event: a, within: forever}", "for ever (for a)"),
        ("{type: delay, for: 1h}", "until 1970-01-01 01:00:00.000"),
        ("{type: delay, until: user.traits.ends, follow: true}",
         "until 1970-01-02 00:00:00.000 (moved by a change of ends)"),
        ("{type: digest, every: 1h}",
         "until 1970-01-01 01:00:00.000 (collects what enters the journey)"),
        ("{type: digest, every: 1h, event: a}", "until 1970-01-01 01:00:00.000 (collects a)"),
    ],
)  # fmt: skip
def test_a_wait_says_for_what_and_until_when(node: str, expected: str) -> None:
    assert waits(f"  w: {node}\n", "1m") == [f"j/w waits {expected}"]
