"""Whatever a record of the engine's own kinds is, it costs at most itself.

Anybody who may write events can write one, so each kind is sent with everything wrong that a field
can be: the processor continues, exactly that record is rejected, and nothing else is different.
"""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from journeys.engine.processor import MAX_CONTROL, Clock, PartitionProcessor
from journeys.ids import action_id
from journeys.records.admission import MAX_EVENT
from journeys.records.effects import Effects
from journeys.records.headers import MAX_ORIGIN, read
from journeys.records.input import Input, Refusal
from journeys.records.outcome import Outcome
from journeys.records.response import MAX_TEXT
from journeys.records.user_record import encode
from journeys.simulation.backtest import MemoryRecords
from tests.journeys.builders import MINUTE, START, Versions, journey

ASKS = journey(
    """
    ask:
      type: trigger
      destination: d
      response: {n: payload.n}
      within: 1h
      next: wait
      on_error: done
    wait: {type: wait_for_event, event: answer, within: 1h, next: done, on_timeout: done}
    done: {type: exit}
    """
)
HERE, ELSEWHERE = ("u", "v"), ("z", "y")


def home(user: str) -> int:
    return 0 if user in HERE else 1


def neighbours(clock: Clock) -> list[Input]:
    """Events around the record: entries, a timer that fires between them, and an answer."""
    sent = [("start", "u", 0), ("start", "v", 5), ("answer", "u", 130), ("start", "v", 140)]
    return [
        Input(
            "events",
            0,
            10 * number,
            user.encode(),
            msgspec.json.encode(
                {"event": name, "userId": user, "timestamp": START + at * MINUTE, "messageId": at}
                | {"messageId": str(at)}
            ),
            START + at * MINUTE if clock == "wall" else None,
        )
        for number, (name, user, at) in enumerate(sent)
    ]


def run(log: list[Input], clock: Clock) -> tuple[list[Outcome], Effects, dict[str, bytes], int]:
    records = MemoryRecords()
    processor = PartitionProcessor(
        records,
        Versions(ASKS).running(),
        clock,
        partition_of=home,
        at_barrier=lambda _: processor.catalog,
    )
    effects = Effects()
    for one in log:
        assert processor.apply([one], effects) == 1
        if one.arrival is not None:
            assert not processor.fire(one.arrival, one.arrival, effects)
    states = {user: encode(record) for user, record in records.records.items()}
    return effects.outcomes, effects, states, processor.partition_time


INSTANCE = "122d2cc0-1ec0-514c-a672-11592d350f49"
GOOD: dict[str, dict[str, Any]] = {
    "response": {
        "action_id": action_id(INSTANCE, "ask", 1),
        "user_id": "u",
        "instance": INSTANCE,
        "ok": True,
        "labels": {"n": 1},
        "status_code": 200,
        "error": "none",
    },
    "barrier": {"config": 5},
    "clock": {"time": START},
    "event": {"event": "start", "userId": "u", "timestamp": START},
}
MISSING = object()
NO_TEXT: list[Any] = [None, 5, 1.5, True, [], {}]
NO_ID: list[Any] = [MISSING, *NO_TEXT, "", "x" * 65, "x" * 100_000]
NO_USER: list[Any] = [
    *NO_TEXT, "", "u\0", "\0", "\0u", "u\0\0", "u" * 1_025, "é" * 513, "\ud800", *ELSEWHERE, "u ",
]  # fmt: skip
# In an event an integer is an id, and what a text can't hold is U+FFFD.
NO_USER_OF_AN_EVENT: list[Any] = [
    None, 1.5, True, [], {}, "", "u" * 1_025, "é" * 513, 2**64, *ELSEWHERE, "u ",
]  # fmt: skip
WRONG: dict[str, dict[str, list[Any]]] = {
    "response": {
        "action_id": NO_ID,
        "user_id": [MISSING, *NO_USER],
        "instance": NO_ID,
        "ok": [MISSING, None, 1, "true", [], {}],
        "labels": [
            None, 5, "x", [], {"": 1}, {"n" * 64: 1}, {"n": None}, {"n": []}, {"n": {}},
            {"n": 2**63}, {"n": -(2**63) - 1}, {"n": 10**400}, {"n": "x" * (MAX_TEXT + 1)},
        ],
        "status_code": [-1, 1_000, 2**63, 10**400, 1.5, "200", True, []],
        "error": [5, [], "x" * (MAX_TEXT + 1)],
    },
    "barrier": {
        "config": [
            MISSING, None, -1, 0, -(2**63), 2**63, 10**400, 1.5, "5", True, [5], {}, "x" * 2_000,
        ],
    },
    "clock": {
        "time": [
            MISSING, None, "", "tomorrow", "2026-01-18", "END", -1, 10**30, 1e40,
            True, [], {}, "x" * 2_000,
        ],
    },
    "event": {
        "userId": NO_USER_OF_AN_EVENT,
        "event": [*NO_TEXT[1:], ""],
        "timestamp": ["x", -1, 10**30, []],
    },
}  # fmt: skip
WHOLES = [
    b"", b" ", b"null", b"5", b'"x"', b"[]", b"{}", b"{", b"\xff\xfe", b'{"a":"\xff"}', b"nonsense",
    b"[" * 100_000, b'{"a":' * 100_000, b"\0", b"{}" + b" " * MAX_EVENT,
]  # fmt: skip
KINDS = [
    "",
    " ",
    "x",
    "Event",
    "event ",
    "event\0",
    "dead-mark",
    "mark ",
    "k" * 1_000_000,
    "\ufffd",
]


def as_json(value: Any) -> bytes:
    return json.dumps(value).encode()


def wrong_records() -> list[tuple[str, bytes, str | None]]:
    """(kind, value, origin) of every record with one thing wrong."""
    found: list[tuple[str, bytes, str | None]] = []
    for kind, fields in WRONG.items():
        for field, values in fields.items():
            for value in values:
                whole = {**GOOD[kind], field: value}
                if value is MISSING:
                    del whole[field]
                found.append((kind, as_json(whole), None))
        found += [(kind, whole, None) for whole in WHOLES]
        padded = as_json(GOOD[kind]) + b" " * MAX_EVENT
        found.append((kind, padded, None))
    found += [(kind, as_json(GOOD["event"]), None) for kind in KINDS]
    found.append(("event", as_json(GOOD["event"]), "o" * (MAX_ORIGIN + 1)))
    return found


def own_record(clock: Clock, kind: str, value: bytes, origin: str | None, at: int = 15) -> Input:
    arrival = START + 100 * MINUTE if clock == "wall" else None
    return Input("events", 0, at, None, value, arrival, kind, origin)


CLOCKS: list[Clock] = ["wall", "stream"]


@pytest.mark.parametrize("clock", CLOCKS)
def test_a_wrong_record_of_any_kind_is_rejected_and_costs_nothing_else(clock: Clock) -> None:
    around = neighbours(clock)
    expected = run(around, clock)
    for kind, value, origin in wrong_records():
        bad = own_record(clock, kind, value, origin)
        log = [*around[:2], bad, *around[2:]]
        if clock == "wall":  # the same place of the log fires the same timers
            bad = msgspec.structs.replace(bad, arrival=around[1].arrival)
            log[2] = bad
        outcomes, effects, states, partition_time = run(log, clock)
        shown = (kind[:20], value[:200], origin)
        about = [one for one in outcomes if one.cause.offset == bad.offset]
        assert [one.type for one in about] == ["event.rejected"], shown
        assert about[0].detail is not None
        assert len(about[0].detail["error"]) < 2_000, shown
        assert [one for one in outcomes if one.cause.offset != bad.offset] == expected[0], shown
        assert effects.actions == expected[1].actions, shown
        assert not effects.dead, shown
        assert not effects.reroutes, shown
        assert (states, partition_time) == expected[2:], shown


@pytest.mark.parametrize("clock", CLOCKS)
def test_a_record_that_the_reader_of_the_log_refuses_is_rejected_whatever_it_is(
    clock: Clock,
) -> None:
    around = neighbours(clock)
    expected = run(around, clock)
    for kind, fields in GOOD.items():
        for replayable in (False, True):
            bad = msgspec.structs.replace(
                own_record(clock, kind, as_json(fields), None),
                refusal=Refusal("unsigned", "found no signature", replayable),
                arrival=around[1].arrival,
            )
            outcomes, effects, states, _ = run([*around[:2], bad, *around[2:]], clock)
            about = [one for one in outcomes if one.cause.offset == bad.offset]
            assert [(one.type, one.detail) for one in about] == [
                ("event.rejected", {"reason": "unsigned", "error": "found no signature"})
            ]
            assert [one for one in outcomes if one.cause.offset != bad.offset] == expected[0]
            assert states == expected[2]
            assert [one.value_bytes() for one in effects.dead] == [bad.value] * replayable


@given(
    clock=st.sampled_from(CLOCKS),
    value=st.binary(max_size=50),
    key=st.none() | st.binary(max_size=5),
    place=st.integers(0, 4),
    count=st.integers(1, 5),
)
def test_marks_change_nothing_whoever_wrote_them(
    clock: Clock, value: bytes, key: bytes | None, place: int, count: int
) -> None:
    around = neighbours(clock)
    arrival = around[min(place, 3)].arrival
    marks = [Input("events", 0, 35 + n, key, value, arrival, "mark") for n in range(count)]
    at = 4 if clock == "stream" else place
    outcomes, _, states, partition_time = run([*around[:at], *marks, *around[at:]], clock)
    expected = run(around, clock)
    assert (states, partition_time) == expected[2:]
    if clock == "stream":
        assert outcomes == expected[0]


@given(
    st.lists(
        st.tuples(
            st.sampled_from(["journeys-record", "journeys-origin", "x"]),
            st.none() | st.binary(max_size=8),
        ),
        max_size=4,
    )
)
def test_any_headers_can_be_read(headers: list[tuple[str, bytes | None]]) -> None:
    found = read(headers)
    assert (found.kind is None) == all(name != "journeys-record" for name, _ in headers)
    assert (found.origin is None) == all(name != "journeys-origin" for name, _ in headers)


def test_control_records_are_small() -> None:
    assert len(as_json(GOOD["barrier"])) < MAX_CONTROL
