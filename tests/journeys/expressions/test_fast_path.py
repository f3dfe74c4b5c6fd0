"""The fast path gives what the evaluator gives, in value and in kind.

The source that is executed for it holds nothing of a document but literals.
"""

from __future__ import annotations

import ast
import math
import re
from collections.abc import Callable
from itertools import product
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from journeys.expressions.expression import (
    MAX_EXPRESSION,
    CelError,
    Expression,
    ExpressionFailed,
    Scope,
    _parsed,
    compile_cel,
    prefilter,
)
from journeys.expressions.fast_path import NeedsEvaluator, SourceWriter
from journeys.expressions.scope import ROOTS

TEXTS = ["", "a", "A", "aa", "é", "\ue000", "𝄞", "1", "true", "null", "a\0b", "\ud800"]
NUMBERS = [
    *(0, 1, -1, 5, 2**53 - 1, 2**53, 2**53 + 1, -(2**53) - 1, 2**62, 2**63 - 1, -(2**63)),
    *(2**63, 2**64, 2**70),
    *(0.0, -0.0, 1.0, 5.0, 0.1, 1.5, -1.5, 2.0**53, 2.0**53 + 2, 2.0**62, 2.0**63, -(2.0**63)),
    *(1e300, 5e-324, math.nan, math.inf, -math.inf),
]
SCALARS = st.sampled_from([*TEXTS, *NUMBERS, True, False, None]) | st.integers() | st.floats()
VALUES = (
    SCALARS | st.lists(SCALARS, max_size=2) | st.dictionaries(st.just("a"), SCALARS, max_size=1)
)
FIELDS = st.dictionaries(st.sampled_from("abc"), VALUES, max_size=3)
TIMES = st.sampled_from([0, 1, 999, 1_700_000_000_123, 253_402_300_799_999]) | st.integers()


@st.composite
def events(draw: st.DrawFn) -> dict[str, Any]:
    facts = {
        "event": draw(st.sampled_from(TEXTS)),
        "timestamp": draw(TIMES),
        "messageId": draw(st.sampled_from(TEXTS)),
        "properties": draw(FIELDS),
        "context": {},
        "traits": draw(FIELDS),
    }
    some = draw(st.dictionaries(st.sampled_from(["userId", "sessionId"]), st.sampled_from(TEXTS)))
    gone = draw(st.sets(st.sampled_from(sorted(facts)), max_size=1))
    return {name: value for name, value in (facts | some).items() if name not in gone}


SCOPES = st.builds(
    Scope,
    event=events() | st.none(),
    entry=events() | st.just({}),
    steps=st.fixed_dictionaries(
        {},
        optional={
            "n": st.fixed_dictionaries({}, optional={"event": events(), "variant": SCALARS}),
            "m": SCALARS,
        },
    ),
    attr=FIELDS,
    user=st.fixed_dictionaries({}, optional={"id": st.sampled_from(TEXTS), "traits": FIELDS}),
    journey=st.fixed_dictionaries({}, optional={"key": st.sampled_from([*TEXTS, None])}),
    now=TIMES,
    count=st.just({"a": bytes(16)}),
)

PATHS = [
    *(f"{root}.{part}.{name}" for root in ("event", "entry") for part in ("properties", "traits")
      for name in "abc"),
    *(f"{root}.{name}" for root in ("event", "entry")
      for name in ("event", "messageId", "userId", "sessionId", "timestamp")),
    *(f"attr.{name}" for name in "abc"),
    *(f"user.traits.{name}" for name in "abc"),
    *("event.properties.a.a", "event['properties']['b']", "event.properties", "event", "user.id"),
    *("journey.key", "journey.name", "now", "user.traits.lists", "steps.n.variant", "steps.m"),
    *("steps.n.event", "steps.n.event.timestamp", "steps.n.event.properties.a", "steps.m.event"),
]  # fmt: skip
WRITTEN = [
    *("0", "1", "-1", "5", "9007199254740993", "-9223372036854775808", "9223372036854775807"),
    *("0.0", "-0.0", "1.0", "5.0", "0.1", "9007199254740992.0", "1e300", "1e400", "5u"),
    *('""', '"a"', '"A"', '"é"', '"\\ue000"', '"𝄞"', '"1"', '"a\\x00b"', "r'a'", "b'a'"),
    *("true", "false", "null"),
]
COUNTS = ["count('a', '10m')", "count('b', '1h')"]


def _between(terms: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    operators = st.sampled_from(["==", "!=", "<", "<=", ">", ">=", "&&", "||", "in", "+"])
    lists = st.lists(st.sampled_from(WRITTEN), max_size=3).map(lambda all: f"[{', '.join(all)}]")
    return st.one_of(
        st.builds("({}) {} ({})".format, terms, operators, terms),
        st.builds("({}) {} ({})".format, terms, st.just("=="), terms),
        st.builds("({}) in {}".format, terms, lists),
        st.builds("!({})".format, terms),
        st.builds("({}) ? ({}) : ({})".format, terms, terms, terms),
    )


EXPRESSIONS = st.recursive(
    st.sampled_from(PATHS)
    | st.sampled_from(WRITTEN)
    | st.sampled_from(COUNTS)
    | st.sampled_from([path for path in PATHS if "." in path]).map("has({})".format),
    _between,
    max_leaves=4,
)


def _compiled(text: str) -> Expression | None:
    try:
        return compile_cel(text)
    except CelError:
        return None


def _shown(value: Any) -> Any:
    """With its kind: 1, 1.0 and true are equal in Python, and so are 0.0 and -0.0."""
    return type(value), repr(value)


def _directly(expression: Expression, scope: Scope) -> Any:
    assert expression.direct is not None
    try:
        return _shown(expression.direct(scope))
    except NeedsEvaluator:
        return None


def _value(evaluate: Callable[[Scope], Any], scope: Scope) -> tuple[bool, Any]:
    """Whether there is a value, and the value, or why there is none."""
    try:
        return True, _shown(evaluate(scope))
    except ExpressionFailed as failed:
        return False, failed.why


def _assert_same(expression: Expression, scope: Scope) -> bool:
    """Whether it was found directly, and is then the evaluator's."""
    wanted = _value(expression.by_evaluator, scope)
    direct = _directly(expression, scope)
    told = f"{expression.text} of {scope}"
    assert direct is None or (True, direct) == wanted, told
    assert _value(expression.evaluate, scope) == wanted, told
    return direct is not None


@settings(max_examples=3 * settings.default.max_examples, deadline=None)
@given(EXPRESSIONS, SCOPES)
def test_a_value_found_directly_is_the_evaluators(text: str, scope: Scope) -> None:
    expression = _compiled(text)
    if expression is not None and expression.direct is not None:
        _assert_same(expression, scope)


@pytest.mark.parametrize("operator", ["==", "!=", "<", "<=", ">", ">=", "&&", "||"])
def test_any_two_values_compare_as_in_the_evaluator(operator: str) -> None:
    expression = compile_cel(f"event.properties.a {operator} event.properties.b")
    values = [*TEXTS, *NUMBERS, True, False, None]
    direct = sum(
        _assert_same(expression, Scope(event={"properties": {"a": one, "b": other}}))
        for one, other in product(values, values)
    )
    assert direct >= (4 if operator in ("&&", "||") else len(values))


@pytest.mark.parametrize("operator", ["== {}", "!= {}", "< {}", ">= {}", "in [{}]"])
def test_any_value_compares_as_in_the_evaluator_with_what_is_written(operator: str) -> None:
    for written in WRITTEN:
        expression = _compiled(f"event.properties.a {operator.format(written)}")
        if expression is not None and expression.direct is not None:
            for value in (*TEXTS, *NUMBERS, True, False, None):
                _assert_same(expression, Scope(event={"properties": {"a": value}}))


SCOPE = Scope(
    event={
        "event": "Paid",
        "timestamp": 1_700_000_000_123,
        "messageId": "m",
        "properties": {"total": 120, "price": 1.5, "id": "t-1", "none": None, "ok": True},
        "context": {},
        "traits": {},
    },
    entry={"timestamp": 5, "properties": {"id": "t-1"}},
    attr={"tone": "no"},
    journey={"name": "j", "version": "v", "instance": "i", "key": "t-1"},
    now=1_700_000_001_000,
)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("event.properties.id", "t-1"),
        ("event.properties.total >= 50.0", True),
        ("event.properties.price > 1", True),
        ("event.properties.id == entry.properties.id && attr.tone != 'no'", False),
        ("event.properties.id in ['t-0', 't-1']", True),
        ("!has(event.properties.nope) || event.properties.nope > 5", True),
        ("event.properties.none == null", True),
        ("event.properties.ok ? journey.key : ''", "t-1"),
        ("entry.timestamp", "1970-01-01T00:00:00.005Z"),
        ("now", "2023-11-14T22:13:21.000Z"),
        ("count('a', '10m') > 0", False),
    ],
)
def test_what_most_documents_ask_needs_no_evaluator(text: str, value: Any) -> None:
    expression = compile_cel(text)
    assert _directly(expression, SCOPE) == _shown(value)


@pytest.mark.parametrize(
    "text",
    [
        "event.properties.nope > 1",
        "event.properties.id > 1",
        "event.properties.total && true",
        "entry.properties.nope == 't-1' || true",
    ],
)
def test_what_has_no_plain_value_is_left_to_the_evaluator(text: str) -> None:
    assert _directly(compile_cel(text), SCOPE) is None


# What may reach `exec`.

HOSTILE = [
    *(
        "'",
        '"',
        "\\",
        "\\'",
        "'''",
        '"""',
        "{",
        "}",
        "{0}",
        "{{x}}",
        "%s",
        "#",
        ";",
        "\n",
        "\r",
        "\t",
    ),
    *("\x0b", "\x0c", "\x1c", "\x85", "\u2028", "\u2029", "\ufeff", "\u202e", "\x7f", "é", "𝄞"),
    *("', MISSING) or __import__('os').system('true') or ('", "\n    import os\n", "\\\n", "None"),
    *("__class__", "__builtins__", "v0", "scope", "True", "lambda: 0", "a\\", "\\N{DOLLAR SIGN}"),
    *("x" * 3_000, "'" * 900, "{" * 900),
]
NAMES = {
    *("type", "bool", "int", "float", "str", "dict", "NeedsEvaluator", "MISSING", "LARGEST"),
    *("fit", "fit_text", "present", "truth", "equal", "among", "lt", "le", "gt", "ge"),
    *("scope", "properties", "context", "traits"),
}


def _quoted(text: str) -> str:
    """A CEL literal of any text without NUL and surrogates."""
    return '"' + "".join(
        char if char.isalnum() and char.isascii() else f"\\U{ord(char):08x}" for char in text
    ) + '"'  # fmt: skip


def _assert_only_literals(source: str, texts: set[str]) -> None:
    """The source is one function of known names and forms; all else in it is a constant."""
    (function,) = ast.parse(source).body
    assert isinstance(function, ast.FunctionDef)
    assert function.name == "found"
    for node in ast.walk(function):
        if isinstance(node, ast.Name):
            assert node.id in NAMES or re.fullmatch(r"(v|count)[0-9]{1,3}", node.id), node.id
        elif isinstance(node, ast.Attribute):
            assert node.attr == "get" or node.attr in ROOTS, node.attr
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            assert node.value in texts, node.value
        else:
            assert not isinstance(
                node, ast.Import | ast.ImportFrom | ast.Lambda | ast.JoinedStr | ast.Starred
            )


def _hostile(name: str, value: str) -> list[str]:
    """Expressions that have two texts in every place where the fast path takes one."""
    path, text = f"event.properties[{_quoted(name)}]", _quoted(value)
    return [
        f"{path} == {text}",
        f"{path} in [{text}, 'a']",
        f"{path} < {text} || {text} != {path}",
        f"has(event.properties.a) ? {path} : {text}",
        f"count({text}, '10m') > 1 && {path} == {text}",
    ]


def _assert_safe(name: str, value: str) -> None:
    scope = Scope(event={"properties": {name: value, "a": 1}}, count={})
    for text in _hostile(name, value):
        if len(text) > MAX_EXPRESSION:
            continue
        expression = _compiled(text)
        if expression is None:
            continue  # as where the name of the event is empty
        tree = _parsed(text).tree
        variables = {path[-2]: lambda _: 0 for path in expression.paths if path[0] == "count"}
        counts = {f"count:10m:{event}": read for event, read in variables.items()}
        source = SourceWriter(counts).source("scope", tree)
        assert source is not None
        _assert_only_literals(source, {name, value, "a", "properties", "event"})
        _assert_same(expression, scope)
        for_filter = SourceWriter({}, prefilter=True).source("properties, context, traits", tree)
        if for_filter is not None:
            _assert_only_literals(for_filter, {name, value, "a"})
            assert prefilter(text) is not None


@pytest.mark.parametrize("name", HOSTILE)
def test_nothing_of_a_document_is_executed(name: str) -> None:
    for value in (name, "a", "'"):
        _assert_safe(name, value)


TEXT = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=40)


@given(TEXT, TEXT)
def test_no_text_of_a_document_is_executed(name: str, value: str) -> None:
    _assert_safe(name, value)


def test_no_name_of_the_generated_source_is_a_documents() -> None:
    assert compile_cel("event.properties.fit == 'x'").direct is not None
    for text in ("fit", "scope", "v0", "__builtins__", "event.properties.exists(v0, v0 == 'x')"):
        expression = _compiled(text)
        assert expression is None or expression.direct is None, text


def test_the_generated_source_can_reach_no_other_builtins() -> None:
    function = compile_cel("event.properties.a == 'x'").direct
    assert function is not None
    assert set(function.__globals__["__builtins__"]) == {
        *("type", "bool", "int", "float", "str", "dict")
    }
