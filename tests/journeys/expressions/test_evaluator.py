"""The evaluator gives the library's results, except that numbers are compared exactly and errors
have their own messages."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from fractions import Fraction
from itertools import islice, product
from typing import Any

import pytest
from cel_expr_python import cel
from hypothesis import given, settings
from hypothesis import strategies as st

from journeys.expressions.expression import CelError, ExpressionFailed, Scope, compile_cel

SAMPLES = """
1
-7
2
0
9223372036854775807
-9223372036854775808
5u
0u
1.5
-0.5
2.0
1e300
true
false
null
'a'
'12'
'é𝄞'
''
'2026-01-18T10:00:00Z'
'90s'
'true'
'('
b'a'
[1, 2]
[]
['a']
[1, 'a', null]
{'a': 1}
{}
{1: 'x', true: 'y'}
timestamp('2026-01-18T10:00:00.5Z')
duration('90m')
type(1)
""".strip().split("\n")
BINARY = ["+", "-", "*", "/", "%", "==", "!=", "<", "<=", ">", ">=", "&&", "||", "in"]
UNARY = [
    *("-{}", "!{}", "size({})", "int({})", "uint({})", "double({})", "bool({})", "bytes({})"),
    *("string({})", "timestamp({})", "duration({})", "type({}) == int", "{}.getHours()"),
    *("{}.getDayOfYear()", "{}.getDayOfWeek()", "{}.getMilliseconds()", "{}.getMonth()", "{}.x"),
    *("has({}.a)", "{}.exists(i, i == 1)", "{}.all(i, i > 0)", "{}.map(i, i)", "{}.size()"),
    *("{}.filter(i, i == 'a')", "{}.exists_one(i, i == 2)", "{}.map(i, i == 1, [i])"),
    "({}) ? 1 : 2",
]
METHODS = ["contains", "startsWith", "endsWith", "matches"]


def _dyn(sample: str) -> str:
    return f"dyn({sample})"


_ENV = cel.NewEnv()


def _library(text: str) -> Any:
    """What the library makes of it: ("value", value) or ("failed",); None: it is refused."""
    try:
        checked = _ENV.compile(text)
    except RuntimeError:
        return None
    try:
        found = checked.eval(data={})
        if found.type() == cel.Type.ERROR:
            return ("failed",)
        return "value", _plain(found.plain_value())
    except RuntimeError:
        return ("failed",)


def _plain(value: Any) -> Any:
    """With kinds; 1, 1.0 and true are equal in Python."""
    if isinstance(value, list):
        return [_plain(one) for one in value]
    if isinstance(value, dict):
        return sorted((str(key).lower(), _plain(one)) for key, one in value.items())
    return type(value).__name__, repr(value)


def _ours(text: str) -> Any:
    try:
        return "value", _plain(compile_cel(text).by_evaluator(Scope()))
    except ExpressionFailed as error:
        _assert_no_internals(error.why, text)
        if "which JSON has no form for" in error.why or "not a finite number" in error.why:
            return None
        return ("failed",)
    except CelError as error:
        _assert_no_internals(error.message, text)
        return None


INTERNALS = re.compile(
    r"_[-+*/%=!<>&|?\[]|[-!+*/%=<>&|]_|<jump|<iter|<input>|overload|ERROR|INVALID_ARG"
    r"|\[[A-Z_]{6,}\]|OUT_OF_RANGE|UNKNOWN|NOT_FOUND|Activation|SELECT|non-message|timedelta"
    r"|null_type|\*error|T%\d|int64|uint64|<EOF>|IDENTIFIER|mismatched|extraneous|viable"
    r"|token rec|google.protobuf.(?!Timestamp\{\.\.\.\})"
    r"|found 'True'|found 'False'|found 'None'|NoneType|Traceback|object at 0x|container ''",
)


def _assert_no_internals(message: str, text: str = "") -> None:
    """In what a message says itself; it may quote the expression."""
    found = next((one for one in INTERNALS.finditer(message) if one[0] not in text), None)
    assert found is None, (found and found[0], message)


def _share(texts: Iterable[str]) -> Iterator[str]:
    """One in nine, which has every operator with every kind; all of them when thorough."""
    thorough = settings.get_current_profile_name() == "thorough"
    return islice(texts, 0, None, 1 if thorough else 9)


def _all_texts() -> list[str]:
    return [
        *(f"{_dyn(a)} {sign} {_dyn(b)}" for a, b in product(SAMPLES, SAMPLES) for sign in BINARY),
        *(form.format(_dyn(one)) for form in UNARY for one in SAMPLES),
        *(f"{_dyn(a)}.{name}({_dyn(b)})" for name in METHODS for a in SAMPLES for b in SAMPLES),
        *(f"{_dyn(a)}[{_dyn(b)}]" for a, b in product(SAMPLES, SAMPLES)),
        *(f"{{{_dyn(a)}: 1}}" for a in SAMPLES),
    ]


def _differs_by_design(text: str) -> bool:
    """Where doubles become text, and where a macro would go through a map."""
    macro = re.search(r"\.(exists|all|map|filter|exists_one)\(", text)
    return "string(" in text or (macro is not None and "{" in text[: macro.start()])


@pytest.mark.slow
def test_every_operator_and_function_gives_for_every_kind_what_the_library_gives() -> None:
    differing = []
    for text in _share(_all_texts()):
        ours = _ours(text)
        if ours is None or _differs_by_design(text):
            continue
        wanted = _library(f"[{text}]")  # in a list times and the like come back, too
        if wanted is None or wanted[0] == "failed" or ours[0] == "failed":
            if (wanted or ours)[0] != ours[0]:
                differing.append((text, ours, wanted))
        elif not re.search(r"timestamp|duration|type\(|b'|bytes", text) and [ours[1]] != wanted[1]:
            differing.append((text, ours, wanted))
    assert not differing, (len(differing), differing[:30])


@pytest.mark.parametrize("form", ["{} {} {}", "[{}].map(i, i {} {})", "({}) {} ({}) ? 1 : 2"])
def test_no_message_at_push_has_the_librarys_spellings(form: str) -> None:
    for text in _share(form.format(*one) for one in product(SAMPLES, BINARY, SAMPLES)):
        _ours(text)


WRONG = """
true ? 1 : 'a'
true ? 'a' : null
true ? 1 : 2.0
1 ? 2 : 3
dyn(1) ? 2 : 3
[1].filter(x, 1)
[1].filter(x, dyn(1))
[1].all(x, 'a')
[1].exists(x, dyn(x))
[1].exists_one(x, 1)
[1].map(x, 1, x)
[1].map(1, x)
[1].map(a.b, x)
[1].map()
[1].exists(x, y, true)
1.map(x, x)
'ab'.all(c, c == 'a')
has(1)
has(event)
has(event.properties)
has('a'.b)
1.x
'a'.x
event.timestamp.x
null.x
[1].x
dyn
size
int + 1
type
list(1)
map([1], x)
exists([1], x, true)
f()
1 +
(1
[1
{1
{1:
'a
"a
'''a
r'a
b'a
1 2
a b
)
]
}
event.
event..a
event.$a
event.properties.$browser == 'x'
${event}
#
\\
`
event.properties.`a b`
a.?b
a[?1]
[?1]
{?1: 2}
for
if (1) 2
let x = 1
0x
1e
1e999
99999999999999999999
99999999999999999999u
'\\u12'
'\\q'
'\\x'
google.protobuf.Timestamp{seconds: 1}
Foo{}
event{}
google.protobuf.Any
a.b.c()
optional.none()
cel.bind(x, 1, x)
math.abs(1)
'a'.format([1])
1 == 1 == 1 == 'a'
timestamp('2026-13-01T00:00:00Z')
timestamp('2026-01-01T00:00:00+25:00')
duration('2d')
timestamp(1.5)
now + 5
now - 5
now > 5
now.getHours(5)
now.getHours('x')
now + timestamp('2026-01-01T00:00:00Z')
-now
!now
now[0]
now in [1]
1 in 'a'
(size('a') > 2.5) + 1
size('a') > 2.5 ? 1 : 'a'
size('a') > 2.5 && 'a'
!(1 > 1.5) + 1
{1.5: 2}
{null: 2}
{1: 1} == {1.5: 1}
{[1]: 1}
[] == [[]] == 1
[][0]
{}['a']
[1][5]
[1][-1]
[1]['a']
[1][1.5]
{'a': 1}[1.5]
seconds('a')
ms(true)
count()
count('a')
'a'.count('b')
@in(1, [1])
_+_(1, 2)
@result
[1].map(@x, 1)
------------------------------------------------------------1
!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!true
""".strip().split("\n")
WRONG += [
    *("(" * 60 + "1" + ")" * 60, "-" * 60 + "1", "!" * 60 + "true", "[" * 60 + "]" * 60),
    *("1" + "+1" * 4_000, "event" + ".a" * 4_000, "true" + "&&true" * 1_500),
    " && ".join(["size('a') > 2.5"] * 150 + ["'a' + 1 == 2"]),
]


@pytest.mark.parametrize("text", WRONG)
def test_no_message_about_a_wrong_expression_has_the_librarys_spellings(text: str) -> None:
    for one in (text, f"[{text}]", f"user.id == {text}", f"{text} == 1"):
        _ours(one)


@settings(max_examples=4 * settings.default.max_examples, deadline=None)
@given(
    st.lists(
        st.sampled_from(
            "event user now . ( ) [ ] { } , : ? + - * / % == != < > && || ! in 'a' 1 1.5 null x "
            "has map exists $ @ # \\ \" ' ` ; = & | ~ ^ é \u00a0 true event.properties.a".split(" ")
        ),
        max_size=9,
    )
)
def test_no_message_about_any_text_has_the_librarys_spellings(words: list[str]) -> None:
    _ours(" ".join(words))
    _ours("".join(words))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "user.id == 'ann' ? 'gold' : 0",
            "the two sides of ':' are a text and an int: expected one kind, write string(x)",
        ),
        (
            "true ? 1 : 2.0",
            "the two sides of ':' are an int and a double: expected one kind, write double(x)",
        ),
        (
            'true ? "a" : null',
            "the two sides of ':' are a text and null: expected one kind, "
            "or dyn(x) around both where they may differ",
        ),
        ("1 ? 2 : 3", "'? :' needs true or false before the '?', found int"),
        (
            "event.properties.$browser == 'x'",
            "a name with a '$' is written in brackets: event.properties[\"$browser\"]",
        ),
        (
            "[1].filter(x, 'a')",
            "a macro such as filter or exists needs a condition that is true or false: found text",
        ),
        (
            "google.protobuf.Timestamp{seconds: 1}",
            "'google.protobuf.Timestamp{...}' is not data: expected a map {'name': value}",
        ),
        ("dyn", "'dyn' is a function: write dyn(...)"),
    ],
)
def test_what_is_wrong_is_named_as_what_it_is(text: str, message: str) -> None:
    with pytest.raises(CelError) as error:
        compile_cel(text)
    assert error.value.message == message


# Numbers of different kinds.

INTS = st.integers(-(2**63), 2**63 - 1) | st.sampled_from(
    [0, 1, 2**53 - 1, 2**53, 2**53 + 1, -(2**53) - 1, 2**62 + 1, 2**63 - 1, -(2**63)]
)
FLOATS = st.floats(allow_nan=False, allow_infinity=False) | st.integers(-(2**64), 2**64).map(float)


@settings(max_examples=4 * settings.default.max_examples, deadline=None)
@given(INTS | FLOATS, INTS | FLOATS)
def test_numbers_compare_by_their_exact_value_whatever_their_kinds(one: Any, other: Any) -> None:
    scope = Scope(event={"properties": {"a": one, "b": other, "l": [other], "m": {"x": other}}})
    left, right = Fraction(one), Fraction(other)
    wanted = {
        "==": left == right,
        "!=": left != right,
        "<": left < right,
        "<=": left <= right,
        ">": left > right,
        ">=": left >= right,
    }
    for sign, result in wanted.items():
        for text in (
            f"event.properties.a {sign} event.properties.b",
            f"[event.properties.a].all(x, x {sign} event.properties.m.x)",
        ):
            expression = compile_cel(text)
            assert expression.evaluate(scope) is result, text
            assert expression.by_evaluator(scope) is result, text
    for text in (
        "event.properties.a in event.properties.l",
        "[event.properties.a] == event.properties.l",
        "{'x': event.properties.a} == event.properties.m",
    ):
        assert compile_cel(text).evaluate(scope) is wanted["=="], text


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("size(event.properties.items) > 2.5", True),
        ("now.getHours() < 12.5", True),
        ("count('x', '1d') >= 1.0", False),
        ("size(event.properties.items) == 3.0", True),
        ("3.0 != size(event.properties.items)", False),
        ("size(event.properties.items) in [1.0, 3.0]", True),
        ("3.0 in [1, 2, 3]", True),
        ("1u < 1.5 && 2 > 1u && 1u == 1.0", True),
        ("[1, 2] == [1.0, 2.0]", True),
        ("{'a': 1} == {'a': 1.0}", True),
        ("9007199254740993 > 9007199254740992.0", True),
        ("9223372036854775807 == 9223372036854775807.0", False),
        ("[1].exists(x, size(event.properties.items) > 2.5 && x >= 0.5)", True),
        ("size(event.properties.items) > 2.5 ? 'many' : 'few'", "many"),
    ],
)
def test_int_and_double_compare_also_where_their_kinds_are_known_when_pushed(
    text: str, value: Any
) -> None:
    scope = Scope(event={"properties": {"items": [1, 2, 3]}}, now=0)
    expression = compile_cel(text)
    assert expression.evaluate(scope) == value
    assert expression.type in ("bool", "string")


def test_arithmetic_still_takes_one_kind_of_number() -> None:
    for text in ("1 + 1.5", "size('a') * 2.0", "1 < 2.5 && 1 + 1.5 > 2.0"):
        with pytest.raises(CelError, match="int and double don't mix"):
            compile_cel(text)


def test_a_text_with_a_nul_is_data_and_no_condition_reads_it() -> None:
    scope = Scope(event={"properties": {"a": "x\0y", "l": ["x\0y"]}})
    for text in ("event.properties.a == 'x'", "event.properties.l.exists(t, t == 'x')"):
        with pytest.raises(ExpressionFailed, match="a text with a NUL character"):
            compile_cel(text).evaluate(scope)
    for text in ("event.properties.a", "event.properties.l[0]"):
        assert compile_cel(text).evaluate(scope, nul=True) == "x\0y"


def test_a_number_beyond_a_double_is_null() -> None:
    properties = {"a": float("inf"), "b": 10**400, "c": [float("-inf")]}
    scope = Scope(event={"properties": properties})
    for text in ("event.properties.a", "event.properties.b", "event.properties.c[0]"):
        assert compile_cel(f"{text} == null").evaluate(scope) is True
        with pytest.raises(ExpressionFailed, match="'>' doesn't take null and int"):
            compile_cel(f"{text} > 1").evaluate(scope)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("seconds(1)", "1970-01-01T00:00:01.000Z"),
        ("seconds(1.2)", "1970-01-01T00:00:01.200Z"),
        ("ms(1500)", "1970-01-01T00:00:01.500Z"),
        ("seconds(event.properties.birthday)", "1972-01-01T00:00:00.000Z"),
        ("string(1234567.5)", "1234567.5"),
        ("string(3.0)", "3"),
    ],
)
def test_numbers_become_times_and_texts(text: str, value: Any) -> None:
    scope = Scope(event={"properties": {"birthday": 63_072_000}})
    assert compile_cel(text).evaluate(scope) == value


def test_a_pattern_is_compiled_once() -> None:
    from journeys.expressions.frame import _compiled

    _compiled.cache_clear()
    scope = Scope(event={"properties": {"l": ["a1", "b2"] * 50}})
    assert compile_cel("event.properties.l.all(t, t.matches('^[ab][0-9]$'))").evaluate(scope)
    assert _compiled.cache_info().misses == 1
