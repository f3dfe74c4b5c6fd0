"""An input whose expressions cost too much becomes a dead letter, and the rest continue."""

from __future__ import annotations

import json
from typing import Any

from journeys.engine.processor import PartitionProcessor
from journeys.records.dead_letter import TOO_MUCH_WORK
from journeys.records.effects import Effects
from journeys.records.input import Input
from journeys.simulation.backtest import MemoryRecords
from tests.journeys.builders import HOUR, START, Versions, journey

SEARCH = "event.properties.tags.exists(t, event.properties.text.contains(t))"
ENTERS = journey(
    "done: {type: exit}",
    entry=f"event: post\nwhere: {SEARCH}",
)
BIG = {"text": "a" * 470_000, "tags": ["bcdefg"] * 9_000}
SMALL = {"text": "tea and milk", "tags": ["milk"]}


def _event(user: str, offset: int, name: str, properties: dict[str, Any]) -> Input:
    event = {"event": name, "userId": user, "timestamp": START, "properties": properties}
    value = json.dumps(event).encode()
    return Input("journeys.events", 0, offset, user.encode(), value, START)


def _applied(processor: PartitionProcessor, inputs: list[Input]) -> tuple[Effects, int]:
    """All effects, and in how many calls the inputs were consumed."""
    everything, calls = Effects(), 0
    while inputs:
        effects = Effects()
        inputs = inputs[processor.apply(inputs, effects) :]
        everything.outcomes += effects.outcomes
        everything.dead += effects.dead
        calls += 1
        assert calls < 100
    return everything, calls


def test_an_event_over_the_budget_is_a_dead_letter_and_the_rest_go_on() -> None:
    processor = PartitionProcessor(MemoryRecords(), Versions(ENTERS).running(), "wall")
    events = [("a", SMALL), ("b", BIG), ("c", SMALL), ("d", BIG), ("e", BIG), ("f", SMALL)]
    inputs = [_event(user, at, "post", data) for at, (user, data) in enumerate(events)]
    effects, calls = _applied(processor, inputs)
    assert [dead.reason for dead in effects.dead] == [TOO_MUCH_WORK] * 3
    assert [dead.cause.offset for dead in effects.dead] == [1, 3, 4]
    assert "units of work" in effects.dead[0].detail
    assert "Traceback" not in effects.dead[0].detail
    entered = [one.user_id for one in effects.outcomes if one.type == "journey.entered"]
    assert entered == ["a", "c", "f"]
    assert calls > 1  # so much work is no batch of one transaction


def test_a_timer_over_the_budget_ends_its_own_instance_alone() -> None:
    after = journey(
        f"""
        wait: {{type: delay, for: 1h}}
        ask:
          type: criteria
          branches:
            - {{when: '{SEARCH.replace("event.", "entry.")}', next: found}}
          otherwise: done
        found: {{type: exit, reason: found}}
        done: {{type: exit}}
        """,
        entry="event: post",
    )
    processor = PartitionProcessor(MemoryRecords(), Versions(after).running(), "wall")
    _applied(processor, [_event("a", 0, "post", BIG), _event("b", 1, "post", SMALL)])
    effects = Effects()
    while processor.fire(START + HOUR, START + HOUR, effects):
        pass
    ended = {one.user_id: one.detail for one in effects.outcomes if one.type == "journey.exited"}
    assert ended["b"] == {"reason": "found"}
    assert ended["a"] is not None
    assert ended["a"]["reason"] == "error"
    assert "units of work" in ended["a"]["error"]
