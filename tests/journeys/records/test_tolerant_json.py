"""JSON with odd fields: each costs at most itself, and what is strict JSON stays what it is."""

from __future__ import annotations

import json
import math
import time
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from journeys.records.tolerant_json import MAX_DEPTH, NotJson, read_json, read_odd_json

ODD: dict[str, tuple[bytes, Any]] = {
    "half an emoji": (rb'"cut \ud83c"', "cut \ufffd"),
    "the other half": (rb'"\udf89 cut"', "\ufffd cut"),
    "halves in the wrong order": (rb'"\udf89\ud83c"', "\ufffd\ufffd"),
    "a half before a whole": (rb'"\ud83c\ud83c\udf89"', "\ufffd\U0001f389"),
    "a half as bytes": (b'"\xed\xa0\xbc"', "\ufffd\ufffd\ufffd"),
    "latin-1": ('"é"'.encode("latin-1"), "\ufffd"),
    "a text cut in a character": (b'"\xf0\x9f\x8e"', "\ufffd"),
    "an overlong NUL": (b'"\xc0\x80"', "\ufffd\ufffd"),
    "a raw NUL": (b'"a\x00b"', "a\0b"),
    "a written NUL": (rb'"a\u0000b"', "a\0b"),
    "a raw line break": (b'"a\nb"', "a\nb"),
    "a raw escape": (b'"\x1b[31m"', "\x1b[31m"),
    "beyond double": (b"1e400", None),
    "beyond double below zero": (b"-1e400", None),
    "beyond double, written out": (b"1" * 400, int("1" * 400)),
    "a million digits": (b"-" + b"9" * 1_000_000, None),
    "a large exponent": (b"1E+999999999", None),
    "next to nothing": (b"1e-400", 0.0),
    "beyond 64 bits": (b"18446744073709551616", 18446744073709551616),
    "NaN": (b"NaN", None),
    "Infinity": (b"Infinity", None),
    "-Infinity": (b"-Infinity", None),
    "a repeated key": (b'{"a": 1, "a": 2}', {"a": 2}),
    "a key cut in two": (rb'{"\ud83c": 1}', {"\ufffd": 1}),
    "an empty key": (b'{"": 1}', {"": 1}),
    "nesting": (b"[" * 100_000 + b"]" * 100_000, ...),
    "nesting of objects": (b'{"a":' * 100_000 + b"1" + b"}" * 100_000, ...),
    "a mark inside": ('"a\ufeffb"'.encode(), "a\ufeffb"),
}
"""An odd value, and what is read of it; `...` where that is bounded and doesn't matter."""


@pytest.mark.parametrize("mark", [b"", b"\xef\xbb\xbf"], ids=["", "with a mark"])
@pytest.mark.parametrize("name", ODD)
def test_an_odd_field_costs_at_most_itself(name: str, mark: bytes) -> None:
    written, expected = ODD[name]
    found = read_json(mark + b'{"before": 1.5, "odd": ' + written + b', "list": [{"x": "y"}]}')
    assert found.value["before"] == 1.5
    assert found.value["list"] == [{"x": "y"}]
    if expected is not ...:
        assert found.value["odd"] == expected
    msgspec.json.encode(found.value)  # anyone who writes it on can


@given(st.lists(st.sampled_from(sorted(ODD)), min_size=1, max_size=6), st.booleans())
def test_any_odd_fields_together_leave_the_others(names: list[str], mark: bool) -> None:
    fields = b"".join(b'"%d": %s, ' % (n, ODD[name][0]) for n, name in enumerate(names))
    found = read_json((b"\xef\xbb\xbf" if mark else b"") + b"{" + fields + b'"score": 0.9}')
    assert found.value["score"] == 0.9
    for number, name in enumerate(names):
        if ODD[name][1] is not ...:
            assert found.value[str(number)] == ODD[name][1]


_JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**70), 2**70)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=20,
)


@given(_JSON, st.booleans())
def test_strict_json_means_the_same_to_both_readers(value: Any, ascii: bool) -> None:
    text = json.dumps(value, ensure_ascii=ascii).encode()
    assert read_json(text) == (msgspec.json.decode(text), ())
    assert read_odd_json(text) == read_json(text)


@given(_JSON.filter(lambda value: isinstance(value, dict | list)))
def test_without_its_end_it_is_no_json(value: Any) -> None:
    with pytest.raises(NotJson):
        read_json(json.dumps(value).encode()[:-1])


@given(st.binary(max_size=60) | st.text('[]{}",:\\u0dnaf1e. \ufeff', max_size=60))
def test_whatever_it_is_it_is_read_or_refused(data: bytes | str) -> None:
    try:
        found = read_json(data)
    except NotJson:
        return
    msgspec.json.encode(found.value)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (rb'{"a": {"b": [1, 1e400]}}', "a.b.1: a number beyond the range of a double: 1e400"),
        (rb'{"a": "\ud83c"}', "a: half of a surrogate pair"),
        (b"\xef\xbb\xbf{}", "a byte order mark"),
        (b'{"a": "\xe9"}', "bytes that are not UTF-8, the first one at byte 7"),
        (b"[" * 101 + b"]" * 101, "JSON nested more deeply than 100 levels"),
        (b'{"a": NaN}', "a: NaN, which is not a JSON number"),
    ],
)
def test_every_repair_is_reported_with_its_place(text: bytes, told: str) -> None:
    assert [str(oddity) for oddity in read_odd_json(text).oddities] == [told]


def test_a_bracket_in_a_text_is_no_level() -> None:
    text = ('{"a": "' + "[" * 1_000 + r"\"{" + '", "b": 1e400, "c": 1}').encode()
    found = read_json(text)
    assert found.value == {"a": "[" * 1_000 + '"{', "b": None, "c": 1}


def test_the_deepest_level_that_is_read_is_whole() -> None:
    inner = "[" * MAX_DEPTH + "1" + "]" * MAX_DEPTH
    assert read_odd_json(inner).oddities == ()
    assert read_odd_json(inner).value == json.loads(inner)


@pytest.mark.parametrize("part", ["[", '{"a":', '"\\', "[1e400,", '{"":"\\ud83c",', "[[],", "9"])
def test_a_megabyte_of_anything_takes_a_moment(part: str) -> None:
    text = (part * (1_000_000 // len(part))).encode()
    started = time.process_time()
    try:
        found = read_json(text)
    except NotJson:
        pass
    else:
        assert found.value is None or not math.isfinite(found.value)
    assert time.process_time() - started < 2


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (b"", "found the end of the text where a value is expected (line 1, column 1)"),
        (b'{"a": }', "found no value where one is expected (line 1, column 7)"),
        (b"{a: 1}", "found no field name in double quotes (line 1, column 2)"),
        (b'{"a": 1', "found no ',' between two values (line 1, column 8)"),
        (b'{"a" 1}', "found no ':' after a field name (line 1, column 6)"),
        (b'{"a": "b', "found a text without its closing quote (line 1, column 7)"),
        (rb'{"a": "\x"}', "found an unknown escape in a text (line 1, column 8)"),
        (rb'{"a": "\ud8"}', "found an unfinished \\u escape in a text (line 1, column 9)"),
        (b"{}\n{}", "found more after the end of the value (line 2, column 1)"),
        (b"<html>", "found no value where one is expected (line 1, column 1)"),
    ],
)
def test_what_is_not_json_is_reported_in_words(text: bytes, told: str) -> None:
    with pytest.raises(NotJson) as raised:
        read_json(text)
    assert str(raised.value) == told
