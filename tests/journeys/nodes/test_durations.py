"""`for` of a delay and `within` of a wait from data: the same rules for both."""

from __future__ import annotations

import pytest

from journeys.documents.journey import Journey
from tests.journeys.builders import DAY, HOUR, MINUTE, START, World, iso, journey
from tests.journeys.reported import HEAD, told

NODES = """
pause: {{type: {node}, {field}: "{text}"{more}}}
done: {{type: exit, reason: done}}
failed: {{type: exit, reason: failed}}
"""
PLACES = [("delay", "for"), ("wait_for_event, event: x", "within")]
places = pytest.mark.parametrize("place", PLACES, ids=["delay", "wait"])


def tour(place: tuple[str, str], expression: str, more: str = "") -> Journey:
    node, field = place
    return journey(NODES.format(node=node, field=field, text=f"${{{expression}}}", more=more))


@places
@pytest.mark.parametrize(
    ("expression", "value", "length"),
    [
        ("days(event.properties.x)", 3, 3 * DAY),
        ("days(event.properties.x)", 0.5, 12 * HOUR),
        ("weeks(event.properties.x)", 1, 7 * DAY),
        ("hours(event.properties.x)", 2, 2 * HOUR),
        ("minutes(event.properties.x)", 90, 90 * MINUTE),
        ("seconds(event.properties.x)", 1.5, 1_500),
        ("ms(event.properties.x)", 1, 1),
        ("ms(event.properties.x) + hours(1)", 1, HOUR + 1),
        ("seconds(entry.properties.x) + ms(5)", 3, 3_005),
        ("duration(event.properties.x)", "36h", 36 * HOUR),
        ("event.properties.x", "36h", 36 * HOUR),
        ("event.properties.x", "2d", 2 * DAY),
        ("event.properties.x", "P1DT2H", 26 * HOUR),
        ("event.properties.x", "90s", 90_000),
        ("timestamp(event.properties.x) - now", iso(5 * HOUR), 5 * HOUR),
        ("event.properties.x ? hours(1) : days(1)", True, HOUR),
        ("event.properties.x ? hours(1) : days(1)", False, DAY),
        ("duration('1ms')", None, 1),
        ("days(event.properties.x)", 90, 90 * DAY),
        ("event.properties.x > 2 ? '1h' : '2d'", 3, HOUR),
    ],
)
def test_the_expression_says_how_long(
    place: tuple[str, str], expression: str, value: object, length: int
) -> None:
    world = World(tour(place, expression))
    world.event(properties={"x": value})
    assert world.instance().wait.due == START + length
    world.clock("end")
    assert world.story("expression.failed", "journey.exited")[-1].startswith("journey.exited done")


@places
@pytest.mark.parametrize(
    ("expression", "value"),
    [
        ("days(event.properties.x)", 0),
        ("days(event.properties.x)", -1),
        ("timestamp(event.properties.x) - now", iso(-HOUR)),
        ("seconds(event.properties.x)", 0.0001),
        ("event.properties.x", "0s"),
        ("event.properties.x", "-5s"),
    ],
)
def test_a_duration_of_zero_or_less_does_not_wait(
    place: tuple[str, str], expression: str, value: object
) -> None:
    world = World(tour(place, expression))
    world.event(properties={"x": value})
    assert world.told("wait.started") == []
    timed_out = ["wait.timed_out pause"] if place[1] == "within" else []
    assert world.story("wait.timed_out", "journey.exited") == [*timed_out, "journey.exited done"]


BAD = [
    ("event.properties.x", 3, "write hours(x) or days(x), which say what the number counts"),
    ("event.properties.x", 1.5, "found a double, expected a duration"),
    ("event.properties.x", None, "expected a duration"),
    ("event.properties.x", True, "found a boolean, expected a duration"),
    ("event.properties.x", [], "expected a duration"),
    ("event.properties.x", "soon", "'soon' is not a duration such as"),
    ("event.properties.x", "P1M", "is not a duration such as"),
    ("event.properties.x", "", "is not a duration such as"),
    ("event.properties.x", "9" * 15 + "w", "1,000 years"),
    ("days(event.properties.x)", "3", "days"),
    ("days(event.properties.x)", None, "days"),
    ("days(event.properties.x)", 365_001, "longer than 1,000 years"),
    ("days(event.properties.x)", 1e300, "days"),
    ("event.properties.missing.deep", 1, "missing"),
]


@places
@pytest.mark.parametrize(("expression", "value", "why"), BAD)
def test_one_that_fails_ends_the_instance_or_follows_on_error(
    place: tuple[str, str], expression: str, value: object, why: str
) -> None:
    for more, reason in (("", "error"), (", on_error: failed", "failed")):
        world = World(tour(place, expression, more))
        world.event(properties={"x": value})
        assert world.story("expression.failed", "wait.started", "journey.exited") == [
            "expression.failed pause",
            f"journey.exited {reason}",
        ]
        (failed,) = world.told("expression.failed")
        assert why in str(failed.detail["error"])
        assert len(str(failed.detail["error"])) < 400


@places
def test_it_is_read_once_when_the_node_is_reached(place: tuple[str, str]) -> None:
    world = World(tour(place, "days(user.traits.n)"))
    world.event(traits={"n": 2})
    world.event("other", HOUR, traits={"n": 9})
    assert world.instance().wait.due == START + 2 * DAY


def problems(fields: str) -> list[str]:
    return told(f"{HEAD}  pause: {fields}\n")


@places
@pytest.mark.parametrize(
    ("written", "problem"),
    [
        ("${3}", "the value is int, expected a duration or text: write hours(x) or days(x)"),
        ("${now}", "the value is a time, expected a duration or text"),
        ("${true}", "the value is bool, expected a duration or text"),
        ("${days(nwo)}", "unknown name 'nwo': did you mean 'now'?"),
        ("$${days(1)}", "expected one expression alone"),
        (" ${days(1)}", "expected one expression alone"),
        ("${days(1)}${days(2)}", "expected one expression alone"),
        ("${days(1)", "'${' is not closed: expected '}'"),
        ("${days(1)}h", "expected one expression alone, such as ${days(user.traits.trial_days)}"),
        ("${1}d", "expected one expression alone, such as ${days(user.traits.trial_days)}"),
        ("${now - seconds(5)}", "the value is a time, expected a duration"),
    ],
)
def test_what_can_not_be_a_duration_is_refused(
    place: tuple[str, str], written: str, problem: str
) -> None:
    node, field = place
    (found,) = problems(f'{{type: {node}, {field}: "{written}"}}')
    assert problem in found


@places
def test_on_error_needs_what_can_fail(place: tuple[str, str]) -> None:
    node, field = place
    (found,) = problems(f"{{type: {node}, {field}: 1h, on_error: pause}}")
    assert f"expression in '{field}'" in found.replace("`", "'")


def test_outside_of_a_duration_seconds_is_a_time() -> None:
    world = World(journey("pause: {type: delay, until: seconds(event.properties.x)}"))
    world.event(properties={"x": (START + HOUR) // 1_000})
    assert world.instance().wait.due == START + HOUR
