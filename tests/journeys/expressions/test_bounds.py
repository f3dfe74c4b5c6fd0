"""Whatever the expression and the data, an evaluation takes bounded memory and counted work."""

from __future__ import annotations

import json
import resource
import subprocess
import sys
import time
from contextlib import suppress
from itertools import product
from typing import Any

import pytest

from journeys.expressions.expression import CelError, ExpressionFailed, Scope, compile_cel
from journeys.expressions.frame import MAX_BUILT
from journeys.work import MAX_WORK, Meter, TooMuchWork

BIG = 400_000
"""Bytes of the largest values: whatever is larger meets the same bounds."""


def _nested(macro: str, depth: int, start: str) -> str:
    """`[s + s].exists(a, [a + a].exists(b, ...))`"""
    text, name = "true", "abcdefghijklmnopqrstuvwxyz"
    for level in reversed(range(depth)):
        inner = start if level == 0 else name[level - 1]
        text = f"[{inner} + {inner}].{macro}({name[level]}, {text})"
    return text


GROWING = [
    *(_nested(macro, 10, start) for macro in ("exists", "all", "map", "filter", "exists_one")
      for start in ("event.properties.text", "event.properties.tags", "'x'", "[1]", "b'x'")),
    "event.properties.tags.map(t, event.properties.text + t)",
    "event.properties.tags.map(t, event.properties.tags)",
    "event.properties.tags.map(t, event.properties)",
    "event.properties.tags.map(t, [t, event, event, event])",
    "event.properties.tags.map(t, {t: event.properties.text, 'a': event})",
    "event.properties.tags.map(t, string(bytes(event.properties.text)))",
    "event.properties.tags.map(a, event.properties.tags.map(b, event.properties.tags))",
    "[[event, event]].map(a, [[a, a]].map(b, [[b, b]].map(c, [[c, c]].map(d, [[d, d]]))))",
    "[[event, event]].exists(a, [[a, a]].exists(b, [[b, b]].exists(c, [[c, c]] == [[c, c]])))",
    "event.properties.tags.exists(t, event.properties.text.contains(t))",
    "event.properties.tags.exists(t, event.properties.text.endsWith(t + '!'))",
    "event.properties.tags.exists(t, event.properties.text.matches(t))",
    "event.properties.tags.exists(t, event.properties.text.matches('(a|b|ab)*c'))",
    "event.properties.tags.exists(t, event.properties.text == event.properties.text + t)",
    "event.properties.tags.exists(t, event.properties.text < event.properties.other)",
    "event.properties.tags.exists(t, t in event.properties.tags)",
    "event.properties.tags.all(t, event.properties.tags == event.properties.tags)",
    "event.properties.tags.all(t, size(event.properties.tags + event.properties.tags) > 0)",
    "event.properties.text.contains(event.properties.other)",
    "event.properties.text.matches(event.properties.other)",
    "'x'.matches('((a{1,100}){1,100}){1,100}')",
    "'x'.matches('[[:alpha:]]{1000}' + event.properties.other)",
    "event.properties.text + event.properties.text",
    "event.properties.text.replace('a', event.properties.other)",
    "event.properties.text.replace('', event.properties.text)",
    "event.properties.text.replace(event.properties.other, '')",
    "event.properties.tags.map(t, event.properties.text.split(t))",
    "event.properties.text.split('').join(event.properties.other)",
    "event.properties.tags.map(t, event.properties.text.upper().lower().trim())",
    "event.properties.tags.join(event.properties.text)",
    "event.properties.tags.map(t, event.properties.text.substring(1))",
    "event.properties.tags.map(t, '%s%s'.format([event.properties, event]))",
    "event.properties.text.format(event.properties.tags)",
    "event.properties.tags.map(t, plus(event.properties.text, event.properties.text))",
    "event",
    *("[0,1,2,3,4,5,6,7,8,9].map(a, " * depth + "event.properties.text" + ")" * depth
      for depth in (2, 4, 8)),
]  # fmt: skip


def _events() -> dict[str, dict[str, Any]]:
    half = BIG // 2
    return {
        "many short tags": {"text": "ab" * (half // 2), "tags": ["xyz"] * (half // 6), "other": ""},
        "few long tags": {"text": "a" * half, "tags": ["a" * 100_000 + "b"] * 4, "other": "a"},
        "quadratic": {"text": "a" * half, "other": f"{'a' * 200_000}b{'a' * 200_000}", "tags": []},
        "wide": {"text": "\U0001d11e" * (half // 4), "tags": ["é"] * 9_000, "other": "é"},
        "nested": {"text": "", "tags": [[[["x"] * 10] * 10] * 10] * 60, "other": "("},
        "patterns": {"text": "a" * 9_000, "tags": [f"(a|{n})*b{{1,99}}" for n in range(9_000)],
                     "other": "(((a{1,30}){1,30}){1,30}){1,30}"},
        "empty": {"text": "", "tags": [], "other": ""},
    }  # fmt: skip


def _ends(text: str, properties: dict[str, Any]) -> tuple[str, str, int]:
    """How an expression ends for an event, and the work that was counted."""
    meter = Meter()
    try:
        value = compile_cel(text).evaluate(Scope(event={"properties": properties}, meter=meter))
        return "value", str(len(json.dumps(value))), meter.spent
    except CelError as error:
        return "refused", error.message, 0
    except ExpressionFailed as error:
        return "failed", error.why, meter.spent
    except TooMuchWork as error:
        return "too much", str(error), meter.spent


HEADROOM = 700_000_000
"""Bytes that all of it may take on top of the interpreter: MAX_BUILT of the widest characters, the
JSON of it, and what the allocator keeps."""


def all_ends() -> list[list[Any]]:
    """How every expression above ends for every event, in a process with little memory."""
    with open("/proc/self/statm") as sizes:
        now = int(sizes.read().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (now + HEADROOM, now + HEADROOM))
    every = int(sys.argv[2])
    cases = list(product(_events().items(), GROWING))[::every]
    return [[name, text, *_ends(text, event)] for (name, event), text in cases]


_CODE = """
import importlib.util, json, sys
spec = importlib.util.spec_from_file_location("bounds", sys.argv[1])
bounds = importlib.util.module_from_spec(spec)
spec.loader.exec_module(bounds)
print(json.dumps(bounds.all_ends()))
"""


@pytest.mark.slow
def test_no_expression_and_no_event_exhaust_memory_or_time_and_all_runs_end_alike() -> None:
    """In processes with little memory: a MemoryError would end them."""
    ends, again = (
        json.loads(
            subprocess.run(
                [sys.executable, "-c", _CODE, __file__, str(every)],
                stdout=subprocess.PIPE,
                timeout=250,
                check=True,
            ).stdout
        )
        for every in (3, 15)
    )
    assert again == ends[::5]
    for name, text, end, why, spent in ends:
        # One operation may go over, by what it is allowed to scan or build.
        assert spent <= MAX_WORK * 5, (name, text, end, why, spent)
    assert {end for _, _, end, _, _ in ends} == {"value", "refused", "failed", "too much"}


def test_a_text_that_is_doubled_too_often_is_refused_when_it_is_pushed() -> None:
    for start in ("event.properties.text", "'x'", "event.properties.tags"):
        with pytest.raises(CelError, match="it builds texts and lists of more than 32000000 bytes"):
            compile_cel(_nested("exists", 24, start))
    compile_cel(_nested("exists", 8, "event.properties.text"))


def test_a_text_that_would_grow_too_large_has_no_value() -> None:
    properties = {"text": "x" * 900_000, "items": [{"name": f"n{n}"} for n in range(1_000)]}
    scope = Scope(event={"properties": properties})
    with pytest.raises(ExpressionFailed, match=f"texts, lists and maps of more than {MAX_BUILT}"):
        compile_cel("event.properties.items.map(one, event.properties.text + one.name)").evaluate(
            scope
        )
    names = compile_cel("event.properties.items.map(one, one.name)").evaluate(scope)
    assert names == [f"n{n}" for n in range(1_000)]


def test_work_is_counted_for_all_expressions_of_an_input_together() -> None:
    meter = Meter()
    properties = {"text": "a" * 400_000, "tags": ["bcdefgh"] * 300}
    scope = Scope(event={"properties": properties}, meter=meter)
    search = compile_cel("event.properties.tags.exists(t, event.properties.text.contains(t))")
    assert search.evaluate(scope) is False
    meter.left //= 2
    with pytest.raises(TooMuchWork):
        search.evaluate(scope)
    meter.begin()
    assert search.evaluate(scope) is False


@pytest.mark.parametrize(
    "text",
    [
        "event.properties.items.exists(i, i.price > 4.0)",
        "event.properties.items.map(i, i.name + '!')",
        "event.properties.note.matches('(?i)tea|milk')",
        "event.properties.note.contains('tea') && event.properties.items.all(i, i.price > 0.0)",
        "event.properties.items.filter(i, event.properties.note.contains(i.name))",
    ],
)
def test_what_ordinary_expressions_cost_is_far_below_the_budget(text: str) -> None:
    items = [{"name": f"item {n}", "price": n * 1.5} for n in range(100)]
    meter = Meter()
    scope = Scope(event={"properties": {"items": items, "note": "tea " * 200}}, meter=meter)
    compile_cel(text).evaluate(scope)
    assert meter.spent < MAX_WORK / 100


@pytest.mark.parametrize("text", [r"\pL{1000}", r"(?i:[\pL\pN]{900})", "(", "(a|b)*c"])
def test_a_pattern_of_the_data_is_compiled_once_whatever_becomes_of_it(text: str) -> None:
    """Ten thousand uses cost one compilation, which may take milliseconds, also where it fails."""
    properties = {"pattern": text, "items": ["x"] * 9_000}
    condition = compile_cel("event.properties.items.exists(i, i.matches(event.properties.pattern))")
    meter = Meter()
    began = time.process_time()
    with suppress(ExpressionFailed):
        assert condition.evaluate(Scope(event={"properties": properties}, meter=meter)) is False
    assert time.process_time() - began < 2
    assert meter.spent < MAX_WORK
