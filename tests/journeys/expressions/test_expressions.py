"""Expressions are checked when they are compiled, and have a value or fail with a reason."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from journeys.expressions.expression import (
    CelError,
    ExpressionFailed,
    Scope,
    compile_cel,
    condition,
)
from journeys.expressions.templates import data_paths, render
from journeys.time import parse_time

SCOPE = Scope(
    event={
        "event": "Paid",
        "timestamp": 1_700_000_000_123,
        "messageId": "m",
        "userId": "u",
        "properties": {
            "total": 120,
            "price": 1.5,
            "round": 120.0,
            "huge": 2**70,
            "nul": "a\0b",
            "half": "\ud800",
            "none": None,
            "nulls": [None, {"a": None}],
            "items": [{"price": 1}, {"price": 4.5}],
            "utm": {"source": "x"},
        },
        "context": {},
        "traits": {},
    },
    steps={"my-wait": {"event": {"event": "E", "timestamp": 5, "properties": {"x": 1}}}},
    attr={"offer": "vip"},
    user={"id": "u", "traits": {"tier": "gold", "lists": ["vips"]}},
    journey={"name": "j", "version": "v", "instance": "i", "key": "k"},
    now=1_700_000_001_000,
)

TEXT_AND_INT = (
    "'+' doesn't take text and int: write string(x), or int(x) where the text is a number"
)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("event.properties.total >= 50.0", True),
        ('user.traits.tier == "gold" && "vips" in user.traits.lists', True),
        ("event.properties.total + 1", 121),
        ("double(event.properties.total) * event.properties.price", 180.0),
        ("event.timestamp < now", True),
        ("event.timestamp", "2023-11-14T22:13:20.123Z"),
        ("event['timestamp']", "2023-11-14T22:13:20.123Z"),
        ("now - event.timestamp", "0.877s"),
        ("duration('90m')", "5400s"),
        ("timestamp('0001-01-01T00:00:00Z')", "0001-01-01T00:00:00.000Z"),
        ("steps['my-wait'].event.timestamp < now", True),
        (
            "steps['my-wait'].event",
            {"event": "E", "properties": {"x": 1}, "timestamp": "1970-01-01T00:00:00.005Z"},
        ),
        ("has(event.userId)", True),
        ("has(event.sessionId)", False),
        ("has(event.userId) && event.userId == 'u'", True),
        ("has(event.properties.nope)", False),
        ("event.properties.items.map(i, i.price)", [1, 4.5]),
        ("event.properties.items.exists(i, i.price > 4.0)", True),
        ("event.properties.none == null", True),
        ("{1: [now]}", {"1": ["2023-11-14T22:13:21.000Z"]}),
        ("attr", {"offer": "vip"}),
        ("journey.key", "k"),
        ("// a comment\n  event.event", "Paid"),
    ],
)
def test_an_expression_has_a_json_value(text: str, value: Any) -> None:
    found = compile_cel(text).evaluate(SCOPE)
    assert found == value
    assert type(found) is type(value)
    json.dumps(found, allow_nan=False)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("event.properties.nope > 1", "event.properties.nope is missing"),
        ("event.sessionId", "event.sessionId is missing"),
        ("steps['my-wait'].event.properties.y", "steps.my-wait.event.properties.y is missing"),
        ("attr.label", "attr.label is missing"),
        ("entry.properties.x", "there is no entry in this step"),
        ("event.properties.items[5]", "there is no item 5 in a list of 2"),
        ("event.properties.items.exists(i, i.nope > 3)", 'missing key "nope"'),
        (
            "event.properties.price * event.properties.total",
            "'*' doesn't take double and int: int and double don't mix, write double(x)",
        ),
        ("event.properties.total / 0", "divided by zero"),
        ("1.0 / 0.0", "the value is not a finite number"),
        ("event.properties.nul == 'a'", "a text with a NUL character"),
        ("event.properties.half == 'a'", "a text that is not valid Unicode"),
        ("b'abc'", "the value is bytes, which JSON has no form for"),
        (
            "event.properties.utm.map(k, k)",
            "a macro such as map or exists needs a list: found a map, whose keys have no order",
        ),
    ],
)
def test_an_expression_without_a_value_says_why(text: str, why: str) -> None:
    with pytest.raises(ExpressionFailed) as failed:
        compile_cel(text).evaluate(SCOPE)
    assert (failed.value.text, failed.value.why) == (text, why)


def test_an_integer_beyond_64_bits_fails_only_what_reads_it() -> None:
    with pytest.raises(ExpressionFailed, match="beyond 64 bits"):
        condition("event.properties.huge > 1", SCOPE)
    assert condition("event.properties.total > 1", SCOPE)


@pytest.mark.parametrize(
    "value", ["event.properties.none", "event.properties.total", "event.event"]
)
def test_a_condition_is_true_or_false_or_fails(value: str) -> None:
    with pytest.raises(ExpressionFailed, match="expected true or false"):
        condition("dyn(" + value + ")", SCOPE)


@pytest.mark.parametrize(
    ("text", "place", "message"),
    [
        ("", (1, 1), "an empty expression: expected CEL"),
        (" \n ", (1, 1), "an empty expression: expected CEL"),
        ("evnt.event == 'a'", (1, 1), "unknown name 'evnt': did you mean 'event'?"),
        ("event.evnt == 'a'", (1, 7), "'event' has no field 'evnt': did you mean 'event'?"),
        ("event['evnt']", (1, 8), "'event' has no field 'evnt': did you mean 'event'?"),
        ("has(entry.usrId)", (1, 11), "'entry' has no field 'usrId': did you mean 'userId'?"),
        ("user.trait.x", (1, 6), "'user' has no field 'trait': did you mean 'traits'?"),
        ("journey.verion", (1, 9), "'journey' has no field 'verion': did you mean 'version'?"),
        (
            "steps.a.event.tiemstamp",
            (1, 15),
            "'steps.a.event' has no field 'tiemstamp': did you mean 'timestamp'?",
        ),
        ("steps", (1, 1), "'steps' needs the name of a node: steps.<node>"),
        ("'a'.startWith('b')", (1, 5), "unknown function 'startWith': did you mean 'startsWith'?"),
        ("frob(1)", (1, 1), "unknown function 'frob'"),
        ("_in_(event.properties.a, [1])", (1, 1), "unknown function '_in_'"),
        (
            "true || __not_strictly_false__(true)",
            (1, 9),
            "unknown function '__not_strictly_false__'",
        ),
        ("[1].exists(event, true)", (1, 12), "'event' is already defined: choose another name"),
        ("env.HOME", (1, 1), "'env' can be read only in the headers of a Destination"),
        ("'a' + 1", (1, 5), TEXT_AND_INT),
        (
            "'héé' == '' &&\n  event.sessionId + 1 == 2",
            (2, 19),
            TEXT_AND_INT,
        ),
        (
            "1.5 * 2",
            (1, 5),
            "'*' doesn't take double and int: int and double don't mix, write double(x)",
        ),
        ("1 +", (1, 4), "the expression ends too early: found its end, expected a value"),
        ("a and b", (1, 3), "found 'and', expected '&&'"),
        (
            "event.properties.map(k, k)",
            (1, 1),
            "a macro such as map or exists needs a list: found a map, whose keys have no order",
        ),
        (
            "(" * 40 + "1" + ")" * 40,
            (1, 1),
            "the expression is nested too deeply: at most 32 levels",
        ),
        ("1" * 10_001, (1, 1), "an expression of 10001 characters: at most 10000 are allowed"),
    ],
)
def test_an_invalid_expression_is_reported_at_its_place(
    text: str, place: tuple[int, int], message: str
) -> None:
    with pytest.raises(CelError) as error:
        compile_cel(text)
    assert (error.value.line, error.value.column) == place
    assert error.value.message == message


@pytest.mark.parametrize(
    ("text", "paths"),
    [
        ("event", {("event",)}),
        ("event.properties.a.b > 1", {("event", "properties", "a", "b")}),
        ("entry['properties']['a b']", {("entry", "properties", "a b")}),
        (
            "event.properties[user.id]",
            {("event", "properties"), ("user", "id")},
        ),
        (
            "event.properties.items.exists(i, i.price > entry.properties.max)",
            {("event", "properties", "items"), ("entry", "properties", "max")},
        ),
        ("has(steps.w.event.properties.x)", {("steps", "w", "event", "properties", "x")}),
        ("now > timestamp('2020-01-01T00:00:00Z')", {("now",)}),
        ("1 == 2", set()),
    ],
)
def test_an_expression_lists_what_it_reads(text: str, paths: set[tuple[str, ...]]) -> None:
    assert compile_cel(text).paths == paths


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**40), 2**40) | st.text("abc", max_size=3),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["a", "b", "c"]), inner, max_size=3)
    ),
    max_leaves=12,
)
EXPRESSIONS = st.sampled_from(
    [
        "event.properties.a.b.c",
        "event.properties.a == event.properties.b",
        "has(event.properties.a.b) ? event.properties.a.b : event.properties.c",
        "event.properties.a.exists(x, x == event.properties.b)",
        "event.properties.a.map(x, x.b)",
        "event.properties[event.properties.a]",
        "size(event.properties.a) > 1 || event.properties.b",
        "entry.properties.a.b < event.properties.a.b",
        "event.properties.a[0].b",
        "event.properties.a + event.properties.b",
        "'a' in event.properties.a",
        "steps['n'].event.properties.a == attr.a",
    ]
)


@settings(max_examples=400, deadline=None)
@given(EXPRESSIONS, st.dictionaries(st.sampled_from(["a", "b", "c"]), JSON, max_size=3), JSON)
def test_what_an_expression_does_not_name_never_changes_its_value(
    text: str, properties: dict[str, Any], other: Any
) -> None:
    def value(more: dict[str, Any]) -> tuple[str, Any]:
        event = {"event": "x", "properties": {**more, **properties}, "traits": more}
        scope = Scope(event=event, entry=event, steps={"n": {"event": event}}, attr={"a": 1})
        try:
            return "value", compile_cel(text).evaluate(scope)
        except ExpressionFailed as failed:
            return "failed", failed.why

    assert value({}) == value({"unnamed": other})


def test_the_same_value_is_the_same_bytes_in_every_process() -> None:
    program = (
        "from journeys.expressions.expression import *\n"
        "import json\n"
        "p = {k: 1 for k in 'zyxwabcd'}\n"
        'print(json.dumps(compile_cel(\'{"b": event, "a": 1}\')'
        ".evaluate(Scope(event={'properties': p}))))"
    )
    outputs = {
        subprocess.run([sys.executable, "-c", program], capture_output=True, check=True).stdout
        for _ in range(3)
    }
    assert len(outputs) == 1


@pytest.mark.parametrize(
    ("data", "value"),
    [
        ("${event.properties.total}", 120),
        ("${event.properties.items}", [{"price": 1}, {"price": 4.5}]),
        ("total: ${event.properties.total}", "total: 120"),
        ("${event.properties.round}|${event.properties.price}", "120|1.5"),
        ("at ${now}, after ${now - event.timestamp}", "at 2023-11-14T22:13:21.000Z, after 0.877s"),
        ("${true}${'x'}", "truex"),
        ("$${event.event} ${event.event}", "${event.event} Paid"),
        ("$5 {x} }", "$5 {x} }"),
        ("${ {'a': '}'}.a + \"}\" }", "}}"),
        ("<${'''it's }''' + r'\\}'}>", "<it's }\\}>"),
        ({"a": ["${user.id}", 1, None]}, {"a": ["u", 1, None]}),
        (7, 7),
    ],
)
def test_data_is_filled_in(data: Any, value: Any) -> None:
    assert render(data, SCOPE) == value


@pytest.mark.parametrize(
    ("data", "why"),
    [
        ("x ${event.properties.none}", "null has no form as text"),
        ("x ${event.properties.items}", "a list has no form as text"),
        ("x ${user.traits}", "a map has no form as text"),
        ({"a": "${user.traits.nope}"}, "user.traits.nope is missing"),
    ],
)
def test_data_that_has_no_value_fails(data: Any, why: str) -> None:
    with pytest.raises(ExpressionFailed) as failed:
        render(data, SCOPE)
    assert failed.value.why == why


def test_data_lists_what_it_reads() -> None:
    data = {"a": ["${user.id} $${event.event}", 5], "b": "${entry.properties.x + 1}"}
    assert data_paths(data) == {("user", "id"), ("entry", "properties", "x")}


def test_headers_read_the_environment_by_name() -> None:
    scope = Scope(env={"MAILER_TOKEN": "t"})
    assert render("Bearer ${env.MAILER_TOKEN}", scope, env=True) == "Bearer t"
    for text in ("env", "env.A.B"):
        with pytest.raises(CelError, match=r"expected env\.NAME"):
            compile_cel(text, env=True)


def test_a_loop_that_is_too_long_fails() -> None:
    scope = Scope(event={"properties": {"a": list(range(200))}})
    with pytest.raises(ExpressionFailed, match="more than 10000 iterations of macros"):
        condition("event.properties.a.all(x, event.properties.a.all(y, x + y >= 0))", scope)


def test_a_value_that_is_too_deep_fails_the_same_on_every_stack() -> None:
    deep: dict[str, Any] = {}
    inner = deep
    for _ in range(100_000):
        inner["a"] = inner = {}
    scope = Scope(event={"properties": {"deep": deep, "total": 1}})
    for text in ("event.properties", "[event.properties.deep]", "event == event"):
        with pytest.raises(ExpressionFailed, match="a value of more than 64 levels"):
            compile_cel(text).evaluate(scope)
    assert condition("event.properties.total == 1 && size(event) == 1", scope)


# Parts of a time, in a zone.


@pytest.mark.parametrize(
    ("zone", "hour", "day"),
    [("Europe/Rome", 1, 0), ("America/New_York", 19, 6), ("UTC", 23, 6), ("-02:30", 21, 6)],
)
def test_parts_of_a_time_are_those_that_a_clock_in_the_zone_shows(
    zone: str, hour: int, day: int
) -> None:
    scope = Scope(now=parse_time("2026-07-18T23:30:00Z"), user={"traits": {"tz": zone}})
    for text in (f"now.getHours('{zone}')", "now.getHours(user.traits.tz)"):
        assert compile_cel(text).evaluate(scope) == hour
    assert compile_cel(f"[now].map(t, t.getDayOfWeek('{zone}'))").evaluate(scope) == [day]


@pytest.mark.parametrize("zone", ["localtime", "posixrules", "../../etc/passwd", "", "Europe/Rom"])
def test_a_zone_is_one_of_the_locked_package_and_never_a_file(zone: str) -> None:
    with pytest.raises(ExpressionFailed, match="is not the name of a time zone"):
        compile_cel("now.getHours(user.id)").evaluate(Scope(user={"id": zone}))


def test_zones_are_the_same_on_a_machine_that_has_none() -> None:
    code = (
        "from journeys.expressions.expression import Scope, compile_cel;"
        "print(compile_cel(\"now.getHours('Europe/Rome')\").evaluate(Scope(now=0)))"
    )
    environment = {**os.environ, "TZDIR": "/nonexistent", "TZ": "Asia/Tokyo"}
    done = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True
    )
    assert done.stdout == "1\n"
