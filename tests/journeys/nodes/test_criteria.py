"""Criteria: the branch of a condition, the case of a value."""

from __future__ import annotations

from typing import Any

import pytest

from tests.journeys.builders import World, journey
from tests.journeys.reported import HEAD, told

CASES = """
pick: {type: criteria, switch: user.traits.tier, cases: {gold: a, "3": b, "true": c}, otherwise: d}
a: {type: exit, reason: a}
b: {type: exit, reason: b}
c: {type: exit, reason: c}
d: {type: exit, reason: d}
"""


@pytest.mark.parametrize(
    ("tier", "reason", "failed"),
    [
        ("gold", "a", 0),
        (3, "b", 0),
        ("3", "b", 0),
        (True, "c", 0),
        ("GOLD", "d", 0),
        (4, "d", 0),
        (3.0, "d", 1),
        ([3], "d", 1),
        (None, "d", 1),
    ],
)
def test_a_value_leads_to_its_case(tier: Any, reason: str, failed: int) -> None:
    world = World(journey(CASES))
    world.event(traits={"tier": tier})
    assert world.told("journey.exited")[0].detail == {"reason": reason}
    assert len(world.told("expression.failed")) == failed


def test_one_condition_of_several_is_enough_and_later_ones_are_not_evaluated() -> None:
    world = World(
        journey("""
        pick:
          type: criteria
          branches:
            - {any_of: [event.properties.a > 0, event.properties.b > 0, 1 / 0 > 0], next: yes_}
          otherwise: no_
        yes_: {type: exit, reason: y}
        no_: {type: exit, reason: n}
        """)
    )
    world.event(properties={"b": 1})
    assert world.told("journey.exited")[0].detail == {"reason": "y"}
    assert len(world.told("expression.failed")) == 1


@pytest.mark.parametrize(
    ("fields", "wrong"),
    [
        ("switch: user.id, otherwise: e", "'switch' and 'cases' need each other"),
        ("cases: {a: e}, otherwise: e", "needs either 'branches' or 'switch'"),
        (
            "switch: user.id, cases: {a: e}, branches: [{when: 'true'}], otherwise: e",
            "needs either 'branches' or 'switch', and not both",
        ),
        ("branches: [{next: e}], otherwise: e", "a branch needs either 'when' or 'any_of'"),
        ("switch: user.id, cases: {a: nowhere}, otherwise: e", "'nowhere' is not a node"),
        (
            "switch: now, cases: {a: e}, otherwise: e",
            "the value is a time, expected text, int or bool",
        ),
        ("switch: user.id, cases: {1: e}, otherwise: e", "a key must be text: found 1"),
    ],
)
def test_what_can_not_be_meant_is_refused(fields: str, wrong: str) -> None:
    problems = told(f"{HEAD}  pick: {{type: criteria, {fields}}}\n  e: {{type: exit}}\n")
    assert any(wrong in problem for problem in problems), problems
