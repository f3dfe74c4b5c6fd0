"""Functions of texts and times in expressions, compared with what Python makes of the same."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from journeys.expressions.expression import CelError, ExpressionFailed, Scope, compile_cel
from journeys.expressions.functions import DECLARED
from journeys.time import parse_time
from journeys.work import Meter

TEXTS = st.text(alphabet="abAB ,.-ßİŉ\u00e9\U0001d11e\u2003", max_size=12)


def value(text: str, **properties: Any) -> Any:
    return compile_cel(text).evaluate(Scope(event={"properties": properties}, meter=Meter()))


@given(TEXTS, TEXTS, TEXTS, st.integers(-1, 14), st.integers(-1, 14))
def test_texts_are_what_python_makes_of_them(a: str, b: str, c: str, n: int, m: int) -> None:
    data = {"a": a, "b": b, "c": c, "n": n, "m": m}
    read = {name: f"event.properties.{name}" for name in data}

    def same(form: str, expected: Any) -> None:
        assert value(form.format(**read), **data) == expected

    same("{a}.lower()", a.lower())
    same("upper({a})", a.upper())
    same("{a}.trim()", a.strip())
    same("{a}.replace({b}, {c})", a.replace(b, c))
    if n >= 0:
        same("{a}.replace({b}, {c}, {n})", a.replace(b, c, n))
    parts = a.split(b) if b else list(a)
    same("{a}.split({b})", parts)
    same("{a}.split({b}).join({b})", a)
    if n >= 1:
        found = value("{a}.split({b}, {n})".format(**read), **data)
        assert b.join(found) == a
        assert len(found) == min(n, len(parts))
    if 0 <= n <= m <= len(a):
        same("{a}.substring({n}, {m})", a[n:m])
        same("{a}.substring({n})", a[n:])
    else:
        with pytest.raises(ExpressionFailed, match="the text has"):
            value("{a}.substring({n}, {m})".format(**read), **data)


@given(st.integers(-(2**63), 2**63 - 1), st.floats(allow_nan=False, allow_infinity=False), TEXTS)
def test_format_is_what_python_makes_of_it(whole: int, number: float, plain: str) -> None:
    for form, given_, expected in (
        ("%d", whole, f"{whole}"), ("%x", whole, f"{whole:x}"), ("%X", whole, f"{whole:X}"),
        ("%o", whole, f"{whole:o}"), ("%b", whole, f"{whole:b}"), ("%.2f", number, f"{number:.2f}"),
        ("%f", number, f"{number:f}"), ("%.0e", number, f"{number:.0e}"),
        ("%e", whole, f"{whole:e}"), ("%s", plain, plain),
    ):  # fmt: skip
        found = value(
            "event.properties.form.format([event.properties.x])", form=f"<{form}%%>", x=given_
        )
        assert found == f"<{expected}%>"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("'%s %s %s'.format([null, true, 1.0])", "null true 1"),
        ("'%s'.format([timestamp('2026-01-18T10:00:00Z')])", "2026-01-18T10:00:00Z"),
        ("'%s'.format([duration('90s')])", "90s"),
        ("'%s'.format([['a', {'b': 1}]])", '["a",{"b":1}]'),
        ("format('%s', ['a'])", "a"),
        ("split('a b', ' ')", ["a", "b"]),
        ("['a', 'b'].join()", "ab"),
        ("'%.2f'.format([9007199254740993])", "9007199254740993.00"),
        ("next_anniversary('1980-05-01T09:00:00Z')", "2026-05-01T09:00:00.000Z"),
        ("next_anniversary('1980-05-01T23:30:00Z', 'Asia/Tokyo')", "2026-05-01T23:30:00.000Z"),
        ("join([])", ""),
        ("days(1.5)", "129600s"),
        ("weeks(2) == hours(336)", True),
        ("minutes(-1)", "-60s"),
        ("2.hours()", "7200s"),
        ("'2026-01-31T10:00:00Z'.plus('P1M')", "2026-02-28T10:00:00.000Z"),
        ("weekday('2026-01-18T23:30:00Z', 'Asia/Tokyo')", "mon"),
        ("date('2026-01-18T23:30:00Z', '+01:00')", "2026-01-19"),
        ("plus(timestamp('2026-01-31T10:00:00.123456789Z'), 'PT1S') == "
         "timestamp('2026-01-31T10:00:01.123456789Z')", True),
        ("next_anniversary(timestamp('2000-02-29T23:30:00Z'), 'Asia/Tokyo')",
         "2026-02-28T23:30:00.000Z"),
    ],
)  # fmt: skip
def test_by_hand(text: str, expected: Any) -> None:
    scope = Scope(event={"properties": {}}, now=parse_time("2026-01-18T12:00:00Z"))
    assert compile_cel(text).evaluate(scope) == expected


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("'%s'.format([])", "'%s' has no value: found 0 values"),
        ("'a'.format([1])", "found 1 values for 0 places"),
        ("'%'.format([1])", "found '%' at the end, write %% for a percent sign"),
        ("'100%'.format([])", "found '%' at the end, write %% for a percent sign"),
        ("'%q'.format([])", "found '%q', expected %s, %d"),
        ("'%s'.format(dyn(5))", "write '%s'.format([x])"),
        ("plus(now, dyn(duration('1h')))", "write t + duration('1h')"),
        ("[{'a': 1}].join()", "write list.map(x, x.name).join(', ')"),
        ("local('2026-05-01 09:00', dyn(null))", "found null, expected a time zone as text"),
        ("date('2026-05-01T09:00:00Z', dyn(null))", "found null, expected a time zone as text"),
        ("date(dyn(null))", "'date' doesn't take null"),
        ("plus(timestamp('2026-05-01T09:00:00Z'), dyn(null))", "doesn't take a time and null"),
        ("'a'.split(',', dyn(null))", "'split' doesn't take text, text and null"),
        ("['a'].join(dyn(null))", "'join' doesn't take a list and null"),
        ("'a'.substring(0, dyn(null))", "'substring' doesn't take text, int and null"),
        ("timestamp('2026-05-01T09:00:00Z').getHours(dyn(null))", "doesn't take a time and null"),
        ("'%q'.format([1])", "found '%q', expected %s, %d"),
        ("'%.2d'.format([1])", "expected '%.2f' or '%.2e'"),
        ("'%.99f'.format([1])", "with at most 20 digits"),
        ("'%d'.format([true])", "'%d' takes a whole number: found a boolean"),
        ("'%f'.format(['1'])", "'%f' takes a number: found a text"),
        ("['a', 1].join('-')", "join takes texts: found an int"),
        ("'a'.split('b', 0)", "expected 1 or more parts"),
        ("'a'.replace('a', 'b', -1)", "expected 0 or more times"),
        ("plus('yesterday', 'P1D')", "expected a time such as"),
        ("plus('2026-01-18T23:30:00Z', 'P1D', 'Mars')", "'Mars' is not the name of a time zone"),
        ("plus('9999-01-18T23:30:00Z', 'P1Y')", "a time outside the years 1 to 9999"),
        (
            "next_anniversary(timestamp('0001-01-01T00:00:00Z'), 'America/New_York')",
            "a time outside the years 1 to 9999",
        ),
        ("days(1e300)", "a duration of more than 10,000 years"),
        ("days(dyn('3'))", "'days' doesn't take text"),
        ("lower(dyn(3))", "'lower' doesn't take int"),
    ],
)
def test_what_has_no_value_says_why(text: str, why: str) -> None:
    with pytest.raises(ExpressionFailed) as failed:
        compile_cel(text).evaluate(Scope())
    assert why in failed.value.why


@pytest.mark.parametrize("function", DECLARED, ids=lambda one: one.name)
def test_what_is_declared_takes_that_and_nothing_else(function: Any) -> None:
    """When pushed, by the kinds that are written; from data, by those that come."""
    samples = {
        "text": ["'2026-01-18T10:00:00Z'", "'P1D'", "'UTC'"], "int": ["1"], "uint": ["1u"],
        "double": ["1.5"], "time": ["timestamp('2026-01-18T10:00:00Z')"], "list": ["['a']"],
        "bool": ["true"], "duration": ["duration('1s')"], "null": ["null"], "map": ["{'a': 1}"],
    }  # fmt: skip
    firsts = {takes.split()[0] for takes in function.takes}
    for kind, (first, *_) in samples.items():
        for takes in function.takes:
            rest = [samples[one][-1] for one in takes.split()[1:]]
            written = f"{function.name}({', '.join([first, *rest])})"
            if kind in firsts:
                continue
            if kind != "null" or "time" not in firsts:  # null may stand for a time when pushed
                with pytest.raises(CelError, match=f"'{function.name}' doesn't take"):
                    compile_cel(written)
            loose = f"{function.name}({', '.join([f'dyn({first})', *rest])})"
            with pytest.raises(ExpressionFailed):
                compile_cel(loose).evaluate(Scope())


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("local('2026-01-01')", "'local' takes other arguments: local(text, text)"),
        ("plus(now)", "'plus' takes other arguments: plus(time, text) or plus(text, text)"),
        ("'a b'.split()", "'split' takes other arguments: split(text, text) or split("),
        (".lower('a') == 'a'", "unknown function '.lower'"),
        (".size('a') == 1", "unknown function '.size'"),
        ("months(1)", "expected plus(t, 'P1M', zone)"),
    ],
)
def test_a_call_that_can_not_be_is_refused_when_pushed(text: str, message: str) -> None:
    with pytest.raises(CelError) as refused:
        compile_cel(text)
    assert message in refused.value.message


@pytest.mark.parametrize(
    "text",
    [
        "size(event.properties.parts.join('')) > 5",
        "size('%s%s%s%s%s%s%s%s%s'.format(event.properties.parts)) > 5",
        "event.properties.parts[0] + event.properties.parts[8] == ''",
    ],
)
def test_one_wide_character_makes_all_of_a_text_wide_and_is_counted(text: str) -> None:
    parts = ["x" * 4_000_000] * 8 + ["😀"] if "[8]" not in text else ["x" * 9_000_000] * 8 + ["😀"]
    with pytest.raises(ExpressionFailed, match="bytes"):
        value(text, parts=parts)


def test_what_depends_on_now_is_not_constant() -> None:
    assert ("now",) in compile_cel("next_anniversary('1980-02-29')").paths
    assert not compile_cel("plus('2026-01-18T10:00:00Z', 'P1M')").paths


def test_a_text_that_is_no_unicode_is_found_inside_lists_too() -> None:
    lone = json.loads('"\\ud800"')
    for text in ("event.properties.l.join('')", "'%s'.format(event.properties.l)"):
        with pytest.raises(ExpressionFailed, match="not valid Unicode"):
            value(text, l=[lone])
