"""`let`: what a journey with named expressions does is what it does with them written out."""

from __future__ import annotations

from typing import Any

import pytest

from journeys.expressions.expression import ExpressionFailed, Scope, compile_cel
from journeys.expressions.lets import Lets
from journeys.expressions.templates import render
from journeys.work import Meter
from tests.journeys.builders import World, journey

LETS = Lets(
    {
        "vip": 'user.traits.tier == "gold" // of the shop',
        "city": "user.traits.address.city",
        "home": 'let.vip && let.city == "Ulm"',
        "items": "event.properties.items",
        "sum": "1 + 2",
    }
)
PLAIN = {
    "let.vip": 'user.traits.tier == "gold"',
    "!let.vip || false": '!(user.traits.tier == "gold") || false',
    "has(let.city)": "has(user.traits.address.city)",
    "let.city.size()": "user.traits.address.city.size()",
    "let.sum * 3": "(1 + 2) * 3",
    "let.home ? let.city : 'none'": (
        "((user.traits.tier == 'gold') && user.traits.address.city == 'Ulm')"
        " ? user.traits.address.city : 'none'"
    ),
    "let.items.filter(x, x != let.city)": (
        "event.properties.items.filter(x, x != user.traits.address.city)"
    ),
    "let.items[0]": "event.properties.items[0]",
}
USERS: list[dict[str, Any]] = [
    {"tier": "gold", "address": {"city": "Ulm"}},
    {"tier": "gold", "address": {}},
    {"tier": "gold"},
    {"address": {"city": "Bonn"}},
    {},
]


@pytest.mark.parametrize("text", PLAIN)
@pytest.mark.parametrize("traits", USERS)
def test_value_paths_type_and_cost_are_those_of_the_text_written_out(
    text: str, traits: dict[str, Any]
) -> None:
    one, other = compile_cel(LETS.write_out(text)), compile_cel(PLAIN[text])
    assert (one.paths, one.type, one.written) == (other.paths, other.type, text)
    assert (one.direct is None) == (other.direct is None)
    results = []
    for expression in (one, other):
        meter = Meter()
        scope = Scope(
            user={"id": "u", "traits": traits},
            event={"properties": {"items": ["Ulm", "Bonn"]}},
            meter=meter,
        )
        try:
            value = expression.by_evaluator(scope)
            assert expression.evaluate(scope) == value
        except ExpressionFailed as error:
            value = error.why.rpartition(": ")[2]
        results.append((value, meter.spent if expression.direct is None else None))
    assert results[0] == results[1]


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("let.city", "let.city: user.traits.address is missing"),
        ("let.home", "let.home: in let.vip: user.traits.tier is missing"),
        ("let.city + let.city", "let.city + let.city: in let.city: user.traits.address is missing"),
        ("let.city.name == 1", "let.city.name == 1: in let.city: user.traits.address is missing"),
        ("has(let.city)", "has(let.city): in let.city: user.traits.address is missing"),
        ("user.traits.x + let.sum", "user.traits.x + let.sum: user.traits.x is missing"),
    ],
)
def test_an_error_shows_the_expression_as_written_and_names_the_let(text: str, error: str) -> None:
    with pytest.raises(ExpressionFailed) as failed:
        compile_cel(LETS.write_out(text)).evaluate(Scope(user={"id": "u", "traits": {}}))
    assert str(failed.value) == error


def test_data_with_lets() -> None:
    scope = Scope(user={"id": "u", "traits": {"tier": "gold", "address": {"city": "Ulm"}}})
    data = {"a": ["To ${let.city}, $${let.city} ${'let.city'} }"], "b": "${let.vip}", "c": 1}
    rendered = render(LETS.write_out_data(data), scope)
    assert rendered == {"a": ["To Ulm, ${let.city} let.city }"], "b": True, "c": 1}
    with pytest.raises(ExpressionFailed, match=r"^let\.items: a list has no form as text$"):
        render(LETS.write_out_data("x ${let.items}"), Scope(event={"properties": {"items": []}}))


NODES = """
pick: {type: criteria, switch: let.tier, cases: {gold: wait}, otherwise: late}
wait: {type: wait_for_event, event: answer, where: event.properties.n >= let.least,
  within: "${let.patience}", next: write, on_timeout: late}
write: {type: update_profile, traits: {note: "${let.tier} of ${let.start}"}, next: done}
done: {type: exit, reason: answered}
late: {type: exit, reason: late}
"""
MORE = """
let:
  tier: user.traits.tier
  start: entry.properties.city
  least: entry.properties.least
  patience: seconds(let.least * 10)
"""


def test_a_journey_keeps_and_reads_what_its_lets_read() -> None:
    world = World(journey(NODES, entry="event: start, where: let.tier != 'none'", more=MORE))
    world.event(traits={"tier": "gold"}, properties={"city": "Ulm", "least": 3, "other": "x"})
    (instance,) = world.record().instances
    assert instance.context == {"entry": {"properties": {"city": "Ulm", "least": 3}}}
    world.event("answer", at=29_000, properties={"n": 2})
    assert not world.told("journey.exited")
    world.event("answer", at=29_000, properties={"n": 3})
    assert world.told("journey.exited")[0].detail == {"reason": "answered"}
    assert world.record().traits["note"] == "gold of Ulm"


def test_a_failure_in_an_instance_names_the_let() -> None:
    world = World(journey(NODES, more=MORE))
    world.event(traits={"tier": "gold"}, properties={"city": "Ulm"})
    (failed,) = world.told("expression.failed")
    assert failed.detail == {
        "error": "let.patience: in let.least: entry.properties.least is missing"
    }
