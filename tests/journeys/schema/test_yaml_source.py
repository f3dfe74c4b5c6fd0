"""YAML text becomes documents with positions, or problems with positions, and nothing else."""

import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from journeys.schema.yaml_source import MAX_BYTES, load


def plain(text: str | bytes) -> list[object]:
    source, problems = load(text, "f.yaml")
    assert problems == []
    assert source is not None
    return [document.plain() for document in source.documents]


def told(text: str | bytes) -> list[str]:
    return [str(problem) for problem in load(text, "f.yaml")[1]]


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("yes", "yes"),
        ("on", "on"),
        ("No", "No"),
        ("2020-01-01", "2020-01-01"),
        ("2020-01-01T00:00:00Z", "2020-01-01T00:00:00Z"),
        ("12:30:45", "12:30:45"),
        ("1_000", "1_000"),
        ("0b11", "0b11"),
        ("=", "="),
        ("~", None),
        ("Null", None),
        ("", None),
        ("true", True),
        ("FALSE", False),
        ("'true'", "true"),
        ("5", 5),
        ("-5", -5),
        ("010", 10),
        ("0o10", 8),
        ("0x1F", 31),
        ("1.50", 1.5),
        (".5", 0.5),
        ("5.", 5.0),
        ("1e3", 1000.0),
        ("'5'", "5"),
        ('"5"', "5"),
        ("!!str 5", "5"),
        ("!!float 5", 5),
        ("|\n  5\n", "5\n"),
        ("9223372036854775807", 2**63 - 1),
        ("é 😀", "é 😀"),
    ],
)
def test_only_the_words_of_yaml_1_2_are_not_text(text: str, value: object) -> None:
    (document,) = plain(f"a: {text}")
    assert document == {"a": value}
    assert type(document["a"]) is type(value)  # type: ignore[index]


def test_documents_of_one_text_are_separate_and_empty_ones_are_none() -> None:
    assert plain("---\na: &x 1\nb: *x\n---\n---\n# nothing\n---\nb: 2\n...\n") == [
        {"a": 1, "b": 1},
        {"b": 2},
    ]


def test_a_byte_order_mark_and_windows_line_ends_change_nothing() -> None:
    assert plain(b"\xef\xbb\xbfa: 1\r\nb: |\r\n  x\r\n  y\r\n") == [{"a": 1, "b": "x\ny\n"}]
    assert told("a: 1\r\nb: 2\r\na: 3") == [
        "f.yaml:3:1: the key 'a' is duplicated: the first is on line 1"
    ]


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "1:1: no document: found nothing, expected 'kind', 'name' and what they need"),
        ("# x", "1:1: no document: found nothing, expected 'kind', 'name' and what they need"),
        ("a: 1\nb: 2\na: 3", "3:1: the key 'a' is duplicated: the first is on line 1"),
        ("5: x", "1:1: a key must be text: found 5 (integer), expected text: write it in quotes"),
        (
            "a: {true: x}",
            "1:5: a key must be text: found true (boolean), expected text: write it in quotes",
        ),
        (
            "? [a]\n: b",
            "1:3: a key must be text: found a list, expected text, or write the whole value in "
            "quotes that begins with '{' or '['",
        ),
        ("a:\n  <<: {b: 1}", "2:3: merge keys ('<<') are not supported: write the fields out"),
        ("a: .inf", "1:4: found .inf, expected a finite number"),
        ("a: .NaN", "1:4: found .NaN, expected a finite number"),
        ("a: 1e999", "1:4: found 1e999, expected a finite number"),
        (
            "a: 9223372036854775808",
            "1:4: found an integer beyond 64 bits: write it in quotes",
        ),
        ("a: !!int x", "1:4: found 'x', which is not !!int"),
        (
            "a: ! x",
            "1:4: found the tag '!': expected none, or write the whole value in quotes "
            "where '!' means 'not'",
        ),
        (
            "a: !mine.x == 5",
            "1:4: found the tag '!mine.x': expected none, or write the whole value in quotes "
            "where '!' means 'not'",
        ),
        (
            "a: !!python/object:os.system x",
            "1:4: found the tag '!!python/object:os.system': expected none",
        ),
        ("a: &x [*x]", "1:8: '*x' contains itself"),
        (
            "a: *x",
            "1:4: '*x' is not defined: expected an anchor above it, "
            "or write the whole value in quotes",
        ),
        ("a:\n\t- b", "2:1: found a tab, expected spaces: YAML is not indented with tabs"),
        ("a: @b", "1:4: found '@', which can't start a value: write the whole value in quotes"),
        ("a: b: c", "1:5: found ':' inside a value: write the whole value in quotes"),
        (
            "a: [1,\n  2",
            "1:4: '[' is not closed: expected ']'",
        ),
        (
            "a:\n  b: 1\n c: 2",
            "3:2: found a line whose indentation matches no line above: "
            "the mapping around it starts on line 1",
        ),
        (b"ab: \xff", "1:5: found byte 0xff, which is not UTF-8: expected UTF-8 text"),
        (
            b"a: 1\nb: \xc3\xa9\xe2\x28",
            "2:5: found byte 0xe2, which is not UTF-8: expected UTF-8 text",
        ),
        (
            "a: é\x07",
            "1:5: found the character U+0007, which YAML doesn't allow: "
            'expected printable text or "\\u..."',
        ),
    ],
)
def test_a_text_that_is_no_document_is_reported_at_its_place(
    text: str | bytes, problem: str
) -> None:
    assert told(text) == [f"f.yaml:{problem}"]


def test_every_duplicate_key_is_reported_not_only_the_first() -> None:
    problems = load("a: 1\na: 2\nb: {c: 1, c: 2}\na: 3", "f")[1]
    assert [(problem.line, problem.column) for problem in problems] == [(2, 1), (3, 11), (4, 1)]


@pytest.mark.parametrize(
    "text",
    [
        pytest.param(b"[" * 5_000_000, id="5 MB of ["),
        pytest.param(b"[" * 900_000, id="["),
        pytest.param(b"{a: " * 200_000, id="{a:"),
        pytest.param(b"- " * 400_000, id="-"),
        pytest.param(b"? " * 400_000, id="?"),
        pytest.param(
            b"a: &a " + b"[x," * 40 + b"]" * 40 + b"\nb: " + b"[" * 30 + b"*a", id="alias"
        ),
        pytest.param(
            b"a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n"
            + b"".join(
                b"a%d: &a%d [%s]\n" % (n, n, b", ".join([b"*a%d" % (n - 1)] * 10))
                for n in range(1, 30)
            ),
            id="a billion laughs",
        ),
    ],
)
def test_what_is_too_deep_or_too_large_is_refused_at_once(text: bytes) -> None:
    before = time.process_time()
    (problem,) = told(text)
    assert time.process_time() - before < 10
    assert "too" in problem


def test_sixty_four_levels_and_a_megabyte_are_allowed() -> None:
    assert load("[" * 64 + "]" * 64, "f")[1] == []
    assert "at most 64 levels" in told("[" * 65 + "]" * 65)[0]
    assert load("a: " + "x" * (MAX_BYTES - 3), "f")[1] == []
    assert (
        f"found {MAX_BYTES + 1} bytes, expected at most" in told("a: " + "x" * (MAX_BYTES - 2))[0]
    )


def test_keys_and_values_know_where_they_are() -> None:
    source, _ = load("a: 1\nb:\n  - x\n  - {c: é, d: y}\n", "f")
    assert source is not None
    root = source.documents[0]
    assert root.keys == {"a": (1, 1), "b": (2, 1)}
    inner = root.value["b"].value[1]
    assert (inner.line, inner.column) == (4, 5)
    assert inner.keys["d"] == (4, 12)
    assert (inner.value["d"].line, inner.value["d"].column) == (4, 15)


@pytest.mark.parametrize(
    "text",
    [
        "a: one two §three",
        "a:   'it''s two §three'",
        'a: "one \\"two\\" \\u00e9 §three"',
        "a: |\n  one\n    two\n\n  §three\n",
        "a: >-\n  one\n  two\n\n  §three\n",
        "a: one\n   two  §three\n",
        'a: "one\\\n   two\n   §three"\n',
        "a: |2-\n    one\n   §three",
    ],
)
def test_a_place_inside_a_text_is_found_in_the_source(text: str) -> None:
    line, column = next(
        (number, line.index("§") + 1)
        for number, line in enumerate(text.split("\n"), 1)
        if "§" in line
    )
    source, _ = load(text, "f")
    assert source is not None
    node = source.documents[0].value["a"]
    assert source.position(node, node.value.index("§")) == (line, column)


ALPHABET = st.sampled_from(list("abc:,-?[]{}&*!|>'\"%@`#~<= \n\t0159.\\é😀\x00\x85\u2028\ufeff"))


@settings(max_examples=300, deadline=None)
@given(st.one_of(st.binary(max_size=200), st.text(max_size=200), st.text(ALPHABET, max_size=80)))
def test_whatever_the_text_is_the_answer_is_documents_or_problems(text: str | bytes) -> None:
    source, problems = load(text, "f.yaml")
    assert source is not None or problems
    assert all(problem.line >= 1 and problem.column >= 1 for problem in problems)
    for document in source.documents if source else ():
        assert isinstance(document.plain(), dict | list | str | int | float | bool | None)
