"""Records of the events' log from broken producers: what is barely JSON, and odd values."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import strategies as st

from journeys.records.input import Input
from tests.journeys.builders import DAY, HOUR, MINUTE, START, iso

LITERALS = [
    "0", "1", "2", "5", "-0", "1.5", "0.1", "1e308", "1e400", "-1e400", "1e-400", "NaN", "Infinity",
    str(2**63), str(-(2**63) - 1), str(2**63 - 1), str(2**64), "9" * 400, "true", "null", "nul", "",
    '""', '"k"', '"x"', '"\\ud800"', '"\\ud83d\\ude00"', '"a\\u0000b"', '"\\u202e"', '"\\x"', '"',
    f'"{"x" * 3_000}"', "[]", "{}", "[[]]", '{"":""}', '{"a":1,"a":2}', '{"a":1,}', "[1,]",
    '"2026-01-18T13:00:00Z"', '"9999-12-31T23:59:59.999Z"', '"1970-01-01T00:00:00Z"', "-1",
    '"2026-02-30T00:00:00Z"', "253402300799999", "253402300800000", '[{"price":2}]', '[1,"a",null]',
    '{"x":{"y":[1]}}', '{"timezone":"Europe/Berlin"}', '{"timezone":5}', '{"email":null}', '"gold"',
    '{"tier":"gold","email":"a@b"}', '{"k":"k","n":5,"l":[{"price":2}]}', '{"k":1,"n":2}',
    '{"k":"k","n":5,"at":"2026-01-19T00:00:00Z"}', '{"k":true,"n":2,"at":253402300799999}',
    '{"k":"\\u0000","n":2}', '{"k":9223372036854775807,"n":2}', '{"k":9223372036854775808,"n":2}',
]  # fmt: skip
FIELDS = """
    event userId anonymousId timestamp messageId properties context traits sessionId type backfill
    receivedAt traits_once extra
""".split()
TIMES = [0, 1, MINUTE, HOUR - 1, HOUR, 2 * HOUR, DAY, 8 * DAY]


def _nested(levels: int) -> st.SearchStrategy[str]:
    return st.sampled_from(["[" * levels + "]" * levels, '{"a":' * levels + "1" + "}" * levels])


_deep = st.sampled_from([5, 50, 63, 64, 65, 98, 99, 100, 101, 500, 3_000]).flatmap(_nested)
_odd = st.dictionaries(
    st.sampled_from(["k", "n", "at", "l", "email", "tier", "timezone", "", "é", "\0"]),
    st.sampled_from(LITERALS),
    max_size=5,
).map(lambda some: "{" + ",".join(f"{json.dumps(k)}:{v}" for k, v in some.items()) + "}")
_values = st.sampled_from(LITERALS) | st.sampled_from(LITERALS) | _deep | _odd


def _good(name: str, user: str, after: int, properties: dict[str, Any]) -> dict[str, str]:
    wire = {
        "event": name,
        "userId": user,
        "timestamp": iso(after),
        "properties": {"k": "k", "n": 5, "l": [{"price": 2}], **properties},
    }
    return {field: json.dumps(value) for field, value in wire.items()}


good = st.builds(
    _good,
    st.sampled_from(["a", "a", "b", "b", "c", "won", "bye", "gone", "a\0b"]),
    st.sampled_from("uuv"),
    st.sampled_from(TIMES),
    st.sampled_from([{}, {}, {"n": 2}, {"at": "2026-01-18T12:30:00Z"}, {"at": "x"}, {"k": 1}]),
)


@st.composite
def events(draw: st.DrawFn) -> bytes:
    """An event as it should be, or with some of its fields or bytes changed."""
    fields = dict(draw(good))
    for _ in range(draw(st.sampled_from([0, 0, 0, 1, 1, 2, 4]))):
        field = draw(st.sampled_from(FIELDS))
        if draw(st.integers(0, 7)) == 0:
            fields.pop(field, None)
        else:
            fields[field] = draw(_values)
    text = "{" + ",".join(f'"{field}":{value}' for field, value in fields.items()) + "}"
    data = bytearray(text.encode("utf-8", "surrogatepass"))
    if draw(st.integers(0, 9)) == 0:
        for _ in range(draw(st.integers(1, 3))):
            data[draw(st.integers(0, len(data) - 1))] = draw(st.integers(0, 255))
        del data[draw(st.integers(0, len(data))) :]
    return bytes(data)


_clocks = st.sampled_from(
    [b'{"time":"end"}', b'{"time":5}', b'{"time":"x"}', b"{}", b"\xff", b'{"time":1e300}', b"["]
)
_responses = st.sampled_from(
    [
        b"{}",
        b"\xff",
        b'{"action_id":"x","user_id":"u","instance":"i","ok":true}',
        b'{"action_id":"x","user_id":"","instance":"i","ok":true,"labels":{"a":1e999}}',
        b'{"action_id":"x","user_id":"\\u0000","instance":"i","ok":1}',
        b'{"action_id":"x","user_id":"u","instance":"i","ok":true,"status_code":99999999999999999999}',
    ]
)
_kinds = st.sampled_from(["barrier", "zzz", "", "\ud800"]).flatmap(
    lambda kind: st.tuples(st.just(kind), st.binary(max_size=5))
)
_plain = st.tuples(st.none() | st.just("event"), events() | events() | st.binary(max_size=50))
_records = (
    _plain
    | _plain
    | _plain
    | st.tuples(st.just("clock"), _clocks)
    | st.tuples(st.just("response"), _responses)
    | _kinds
)


def _log(records: list[Any], gaps: list[int], origin: str | None) -> list[Input]:
    now, log = START, []
    for offset, ((kind, value), gap) in enumerate(zip(records, gaps, strict=False)):
        now += gap
        log.append(Input("events", 0, offset, b"\xff", value, now, kind, origin))
    return log


logs = st.builds(
    _log,
    st.lists(_records, min_size=1, max_size=20),
    st.lists(st.sampled_from([0, 1, 1_000, MINUTE, HOUR, DAY]), min_size=20, max_size=20),
    st.sampled_from([None, "o"]),
)
