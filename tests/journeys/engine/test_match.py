"""Which instance an awaited event belongs to, where several instances ask."""

from __future__ import annotations

from typing import Any

import pytest

from tests.journeys.builders import KEYED, World, journey

WAIT = """
waiting: {type: wait_for_event, event: answer, within: 1h, match: event.properties.k}
"""


@pytest.mark.parametrize("k", ["5", 5, 1.5, None, []])
def test_without_a_key_of_its_own_no_instance_matches_a_key(k: Any) -> None:
    world = World(journey(WAIT))
    world.event()
    world.event()
    world.event("answer", at=1, properties={"k": k})
    assert world.told("wait.matched") == []
    assert len(world.record().instances) == 2


def test_a_failing_match_is_reported_whatever_other_journeys_await() -> None:
    silent = WAIT.replace(", match: event.properties.k", "")
    world = World(journey(silent, name="a", entry=KEYED), journey(WAIT, name="b", entry=KEYED))
    world.event(properties={"k": 1})
    world.event("answer", at=1)
    assert [one.journey for one in world.told("expression.failed")] == ["b"]
