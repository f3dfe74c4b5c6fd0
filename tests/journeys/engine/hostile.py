"""Documents that nobody should write and somebody will: valid ones, damaged in any way."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml
from hypothesis import strategies as st

from tests.journeys.nodes.test_conformance import AROUND, EXAMPLES, fields_of

ROOT = Path(__file__).parents[3]

# --- Valid documents to begin with ---------------------------------------------------------------


def _of_node(example: str) -> list[dict[str, Any]]:
    """A journey around an example of a node, with its destination."""
    tested = fields_of(example)
    flow = yaml.safe_dump(tested, default_flow_style=True, width=10**6)
    return [
        {
            "kind": "Journey",
            "name": "tour",
            "timezone": "Europe/Berlin",
            "entry": {"event": "start", "key": "event.properties.k"},
            "nodes": yaml.safe_load(AROUND.format(tested=flow)),
        },
        {"kind": "Destination", "name": "mailer", "type": "http", "url": "http://example.com/"},
    ]


def _of_file(path: str) -> list[dict[str, Any]]:
    return list(yaml.safe_load_all((ROOT / path).read_text()))


SEEDS = [
    *map(_of_node, EXAMPLES),
    _of_file("examples/checkout/journey.yaml"),
    _of_file("examples/helpdesk/journey.yaml"),
    _of_file("tests/journeys/engine/hostile.yaml"),
]

# --- What takes the place of a part of them ------------------------------------------------------

NUMBERS: list[Any] = [
    0, -1, 1, 5, 2**31, 2**53 + 1, 2**63 - 1, -(2**63), 2**63, 2**64, 10**30,
    0.0, -0.0, 0.1, 1e-320, 1e308, -1e308, 50.0,
]  # fmt: skip
TEXTS = [
    "", " ", "x", "a", "start", "yes", "no", "on", "null", "~", "5", "1e3", "none", "forever",
    "1h", "0s", "-1h", "1000w", "P1D", "PT", "99999999999999999999h", "1ms", "09:00", "24:00",
    "mon-fri", "Europe/Berlin", "europe/berlin", "../../etc/passwd", "user", "journey",
    "a\0b", "\ud800", "é", "\u202e", "\U0001f600", "\ufeff", "\u2028", "a\nb", "\t", "a" * 300,
    "x" * 70_000, "http://169.254.169.254/", "https://x/${user.id}", "$${", "${", "${}", "${ }",
    "left", "right", "tested", "first", "done", "mailer", "Mailer", "criteria", "exit", "delay",
    "2026-01-01T00:00:00Z", "9999-12-31T23:59:59.999Z", "<<", "*a", "&a", "!!python/name:os",
]  # fmt: skip
CEL = [
    "true", "false", "null", "1", "1.5", "'x'", "[1]", "{'a': 1}", "b'x'", "now", "int", "type(1)",
    "event", "entry", "steps", "attr", "user", "journey", "env", "event.properties",
    "event.properties.n", "event.properties.n > 1", "entry.properties.k", "user.traits",
    "user.audiences", "journey.key", "journey.version", "event.event == 'a'", "steps.tested.event",
    "steps['tested']", "attr.a", "attr['a']", "has(attr.a)", "has(event.userId)", "event[user.id]",
    "event.properties[event.event]", "1/0 == 1", "1 == 1.0", "9223372036854775807 + 1 > 0",
    "event.timestamp", "event.timestamp + duration('1h')", "timestamp('9999-12-31T23:59:59Z')",
    "timestamp('9999-12-31T23:59:59Z') + duration('24h')", "timestamp(0)", "duration('-1h')",
    "timestamp('0001-01-01T00:00:00Z')", "event.properties.map(k, k)", "[1,2].map(x, x * 2)",
    "[1].exists(event, true)", "event.properties.l.all(x, x != null)", "size(event.properties)",
    "count('start', '10m') > 1", "count('start', '0s')", "count(event.event, '1h')", "count()",
    "string(event.properties.n)", "double(event.properties.n) * 2.0", "int('x')", "bytes('x')",
    "event.event.matches('(a+)+$')", "event.event.matches('(')", "a.b.c", "f(x)", "x.f()",
    "event.x", "'a' + 1", "1 +", "(", ")", "{", "}", "'", '"', "\\", "'\\ud800'", "'\\U00110000'",
    "r'\\'", "'''a", "// c", "a ? b : c", "!", "-1", "- - 1", "!!true", "1u", "0x10", "1e400",
    "99999999999999999999", "in", "as", "if", "loop", "package", "dyn(1)", "dyn", "google.protobuf",
    "google.protobuf.Timestamp{seconds: 1}", ".event", "event.`a`", "user.?traits", "[?1]",
    "(" * 30 + "1" + ")" * 30, "(" * 500 + "1" + ")" * 500, "!" * 200 + "true", "[" * 40 + "]" * 40,
    " && ".join(["event.properties.n > 1"] * 60), "1 + " * 300 + "1",
    "[1,2,3,4,5,6,7,8,9].all(a, [1,2,3,4,5,6,7,8,9].all(b, [1,2,3].all(c, a + b + c > 0)))",
    "${event.properties.n}", "{{ user.id }}", "user.traits.a.b.c.d", "é", "event.é", "\ud800", "\0",
    "'\0'", "event.properties['\\u0000']", "event.properties['']", "event.properties.n\n  > 1",
]  # fmt: skip
ODD: list[Any] = [*NUMBERS, *TEXTS, None, True, False, [], {}, [[]], [None], {"": None}, {"a": 1}]


def _deep(levels: int) -> Any:
    value: Any = "x"
    for level in range(levels):
        value = [value] if level % 2 else {"a": value}
    return value


values = (
    st.sampled_from(ODD)
    | st.sampled_from(CEL)
    | st.sampled_from(CEL).map(lambda text: f"${{{text}}}")
    | st.sampled_from([(one, other) for one in CEL[:20] for other in CEL[20:40]]).map(
        lambda two: f"a ${{{two[0]}}} b ${{{two[1]}}}"
    )
    | st.text(max_size=20)
    | st.sampled_from([30, 59, 61, 62, 63, 64, 65, 200]).map(_deep)
    | st.recursive(
        st.sampled_from(ODD),
        lambda below: (
            st.lists(below, max_size=3) | st.dictionaries(st.text(max_size=5), below, max_size=3)
        ),
        max_leaves=8,
    )
)

Place = tuple[Any, Any]


def _places(part: Any) -> Iterator[Place]:
    """Every (container, key) below a part."""
    if isinstance(part, dict | list):
        for key, value in list(part.items() if isinstance(part, dict) else enumerate(part)):
            yield part, key
            yield from _places(value)


def _keys(part: Any) -> Iterator[str]:
    for container, key in _places(part):
        if isinstance(container, dict) and isinstance(key, str):
            yield key


ALL_KEYS = sorted({key for seed in SEEDS for key in _keys(seed)})


@st.composite
def trees(draw: st.DrawFn) -> list[Any]:
    """Valid documents with a few edits."""
    documents = copy.deepcopy(draw(st.sampled_from(SEEDS)))
    for _ in range(draw(st.sampled_from([0, 1, 1, 1, 2, 2, 3, 5]))):
        places = list(_places(documents))
        container, key = draw(st.sampled_from(places))
        edit = draw(st.sampled_from(["put", "put", "put", "drop", "rename", "copy", "add", "swap"]))
        if edit == "put":
            container[key] = copy.deepcopy(draw(values))
        elif edit == "drop":
            del container[key]
        elif edit == "copy":
            other, its = draw(st.sampled_from(places))
            with_it = copy.deepcopy(other[its])
            container[key] = with_it
        elif edit == "swap":
            other, its = draw(st.sampled_from(places))
            if not _holds(container[key], other) and not _holds(other[its], container):
                container[key], other[its] = other[its], container[key]
        elif isinstance(container, dict):
            new = draw(st.sampled_from(ALL_KEYS) | st.sampled_from(TEXTS) | st.text(max_size=5))
            if edit == "rename":
                container[new] = container.pop(key)
            else:
                container[new] = copy.deepcopy(draw(values))
        else:
            container.append(copy.deepcopy(draw(values)))
        if not documents:
            break
    return documents


def _holds(part: Any, container: Any) -> bool:
    return part is container or any(below[0] is container for below in _places(part))


@st.composite
def texts(draw: st.DrawFn) -> str:
    """Documents as text, in any of YAML's forms."""
    documents = draw(trees())
    if draw(st.integers(0, 4)) == 0:
        return "\n---\n".join(json.dumps(one) for one in documents)
    return yaml.safe_dump_all(
        documents,
        default_flow_style=draw(st.sampled_from([None, True, False])),
        allow_unicode=draw(st.booleans()),
        width=draw(st.sampled_from([20, 80, 10**6])),
        sort_keys=False,
    )


SNIPPETS = [
    "\t", "\r\n", "\r", "\n", "---\n", "...\n", "%YAML 1.1\n---\n", "\ufeff", "&a ", "*a", "<<: *a",
    "!!int ", "!x ", "? ", ": ", "- ", "[", "]", "{", "}", "'", '"', "|\n", ">-\n", "#", "@", "`",
    "%", "\\", "\0", "\x85", "\u2028", "\ud800", "\uffff", "\x7f", " ", ",", "é", "\u00a0",
    "&a [*a]", "${", "}", "yes", "5", "null", ".nan", "0x", "1_000", "~",
]  # fmt: skip


@st.composite
def damaged(draw: st.DrawFn) -> str | bytes:
    """A text with a few pieces dropped, doubled or replaced; sometimes bytes that are no text."""
    text = draw(texts())
    for _ in range(draw(st.sampled_from([0, 0, 1, 1, 2, 4]))):
        start = draw(st.integers(0, len(text)))
        end = start + draw(st.sampled_from([0, 0, 1, 2, 5, 40]))
        piece = draw(st.sampled_from([*SNIPPETS, text[start:end] * 2]))
        text = text[:start] + piece + text[end:]
    if draw(st.integers(0, 9)) == 0:
        data = bytearray(text.encode("utf-8", "surrogatepass"))
        for _ in range(draw(st.integers(0, 3))):
            if data:
                data[draw(st.integers(0, len(data) - 1))] = draw(st.integers(0, 255))
        return bytes(data)
    return text


noise = (
    st.binary(max_size=300)
    | st.text(max_size=300)
    | st.lists(st.sampled_from([*SNIPPETS, *ALL_KEYS, *CEL, *TEXTS[:60], "kind: Journey\n"])).map(
        "".join
    )
)
