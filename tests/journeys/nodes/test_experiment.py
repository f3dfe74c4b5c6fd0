"""Experiments: who gets which variant."""

from __future__ import annotations

from journeys.nodes.experiment import choose
from tests.journeys.builders import World, journey

SPLIT = """
split:
  type: experiment
  variants: {{a: {{weight: {a}, next: x}}, b: {{weight: {b}, next: y}}, c: {{weight: {c}}}}}
z: {{type: exit, reason: c}}
x: {{type: exit, reason: a}}
y: {{type: exit, reason: b}}
"""


def _reason(nodes: str, user: str) -> str:
    world = World(journey(nodes))
    world.event(user=user)
    return str(world.told("journey.exited")[0].detail["reason"])


def test_the_variant_follows_the_weights_and_the_user_alone() -> None:
    nodes = SPLIT.format(a=50, b=30, c=20)
    assert _reason(nodes, "u-1") == _reason(nodes, "u-1")
    assert choose("tour/split", "u-1", {"a": 50, "b": 30, "c": 20}) == _reason(nodes, "u-1")
    split = [choose("s", f"u-{n}", {"a": 50, "b": 30, "c": 20}) for n in range(20_000)]
    for variant, share in (("a", 0.5), ("b", 0.3), ("c", 0.2)):
        assert abs(split.count(variant) / len(split) - share) < 0.015


def test_weights_are_relative_and_a_change_moves_only_the_users_it_must() -> None:
    users = [f"u-{n}" for n in range(5_000)]
    before = {user: choose("s", user, {"a": 1, "b": 1}) for user in users}
    assert before == {user: choose("s", user, {"a": 50, "b": 50}) for user in users}
    after = {user: choose("s", user, {"a": 1, "b": 1, "c": 1}) for user in users}
    assert all(after[user] in (before[user], "c") for user in users)
    more = {user: choose("s", user, {"a": 3, "b": 1}) for user in users}
    assert not any(before[user] == "a" and more[user] == "b" for user in users)


def test_a_weight_of_zero_gets_no_user_and_a_winner_every_user() -> None:
    assert {choose("s", f"u{n}", {"a": 0, "b": 1}) for n in range(1000)} == {"b"}
    nodes = SPLIT.format(a=50, b=30, c=0).replace("experiment", "experiment\n  winner: c")
    assert {_reason(nodes, f"u{n}") for n in range(20)} == {"c"}


def test_an_experiment_stores_nothing_that_no_later_node_reads() -> None:
    nodes = """
    split: {type: experiment, variants: {a: {weight: 1}}}
    w: {type: wait_for_event, event: answer, within: forever}
    """
    world = World(journey(nodes))
    world.event(properties={"big": "x" * 1000})
    assert world.instance().context == {}


def test_a_group_gets_one_variant_whoever_its_members_are() -> None:
    nodes = SPLIT.format(a=1, b=1, c=1).replace(
        "experiment", "experiment\n  by: event.properties.company"
    )

    def reason(user: str, **properties: object) -> str:
        world = World(journey(nodes))
        world.event(user=user, properties=properties)
        return str(world.told("journey.exited")[0].detail["reason"])

    for company in ("acme", "globex", 7, True):
        text = company if isinstance(company, str) else str(company).lower()
        group = choose("tour/split", text, {"a": 1, "b": 1, "c": 1})
        assert {reason(f"u{n}", company=company) for n in range(10)} == {group}
    alone = choose("tour/split", "u-1", {"a": 1, "b": 1, "c": 1})
    for nobody in ({}, {"company": None}, {"company": 1.5}, {"company": ["acme"]}):
        assert reason("u-1", **nobody) == alone
