"""One stray clock in a history moves nobody else's timers."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from journeys.records.admission import admit
from journeys.records.event import Event
from journeys.simulation import stray_times
from journeys.simulation.stray_times import Stray, cut_back
from journeys.time import DAY, HOUR, MINUTE, YEAR, parse_time

START = parse_time("2026-03-02T09:00:00Z")


def _line(time: Any) -> bytes:
    fields = {} if time is None else {"timestamp": time}
    return json.dumps({"event": "e", "userId": "u", **fields}).encode()


def _run(times: list[Any], ahead: int = HOUR) -> tuple[list[int | None], list[Stray]]:
    """The times by which the events count, and those that were cut back."""
    strays: list[Stray] = []
    found: list[int | None] = []
    for line in cut_back(map(_line, times), ahead, strays.append):
        event = admit(line, "")
        assert isinstance(event, Event)
        both = [one for one in (event.timestamp, event.received_at) if one is not None]
        found.append(min(both, default=None))
    return found, strays


def test_a_stamp_of_2099_gets_the_time_of_its_neighbours() -> None:
    times = [START, START + MINUTE, START + 70 * YEAR, *(START + n * MINUTE for n in range(2, 9))]
    found, strays = _run(times)
    assert strays == [Stray(3, times[2], START + MINUTE)]
    assert found == [*times[:2], START + MINUTE, *times[3:]]


def test_it_may_come_first_and_several_times_in_a_row() -> None:
    normal = [START + n * MINUTE for n in range(12)]
    found, strays = _run([START + 2 * HOUR, *normal])
    assert (found[0], len(strays)) == (START, 1)
    found, strays = _run([*normal[:2], START + 3 * HOUR, START + 3 * HOUR + 1, *normal[2:]])
    assert found == [*normal[:2], normal[1], normal[1], *normal[2:]]


def test_every_form_of_a_time_is_judged_and_what_has_none_passes() -> None:
    times = [START // 1_000 + n for n in range(9)]
    odd = [None, "+10m", "yesterday", True, START * 1_000_000 + 10**18]
    lines = [_line(one) for one in (*times[:1], *odd, *times[1:])]
    strays: list[Stray] = []
    found = list(cut_back(lines, HOUR, strays.append))
    assert [one.line for one in strays] == [6]
    assert found[:5] == lines[:5]
    assert found[6:] == lines[6:]


def test_an_event_that_arrived_in_time_is_none() -> None:
    line = b'{"event":"e","userId":"u","timestamp":"2099-01-01T00:00:00Z","receivedAt":"%s"}'
    lines = [_line(START), line % b"2026-03-02T09:00:01Z", *(_line(START + n) for n in range(9))]
    strays: list[Stray] = []
    assert list(cut_back(lines, HOUR, strays.append)) == lines
    assert strays == []


@given(st.lists(st.integers(0, 90 * DAY), max_size=60), st.integers(0, 3 * HOUR))
def test_a_history_in_order_passes_unchanged(times: list[int], ahead: int) -> None:
    times = [START + one for one in sorted(times)]
    assert _run(times, ahead) == (times, [])


@given(
    st.lists(st.integers(0, MINUTE), min_size=8, max_size=60),
    st.data(),
)
def test_late_events_among_it_change_nothing(gaps: list[int], data: st.DataObject) -> None:
    times, now = [], START
    for gap in gaps:
        now += gap
        times.append(now)
    for index in data.draw(st.sets(st.integers(1, len(times) - 1), max_size=len(times) // 2)):
        times[index] -= data.draw(st.integers(0, 30 * DAY))
    if times[0] == START + gaps[0]:
        assert _run(times) == (times, [])


def test_a_clock_that_is_always_ahead_is_cut_back_in_a_long_history() -> None:
    ahead = set(range(0, 30_000, 20))
    times = [START + n * 1_000 + (5 * HOUR if n in ahead else 0) for n in range(30_000)]
    found, strays = _run(times)
    assert {one.line - 1 for one in strays} == ahead
    assert all(time == START + n * 1_000 for n, time in enumerate(found) if n not in ahead)


def test_no_more_lines_are_held_than_it_looks_ahead() -> None:
    read = 0

    def lines() -> Any:
        nonlocal read
        for read in range(1, 50_001):
            yield _line(START + read)

    for number, _ in enumerate(cut_back(lines(), HOUR, lambda _: None), 1):
        assert read - number <= stray_times.LOOK_AHEAD


ODD_LINES = {
    "NaN": b'{"event":"e","userId":"u","x":NaN,"timestamp":%d}',
    "half a pair": b'{"event":"e","userId":"u","x":"\\ud83c","timestamp":%d}',
    "Latin-1": b'{"event":"e","userId":"u","x":"M\xfcller","timestamp":%d}',
    "a mark before the name": b'{"event":"e","userId":"u","\xef\xbb\xbftimestamp":%d}',
    "a mark before the time": b'{"event":"e","userId":"u",'
    b'"timestamp":"\xef\xbb\xbf2099-01-01T00:00:00Z"}',
    "beyond a double": b'{"event":"e","userId":"u","x":1e400,"timestamp":%d}',
    "twice": b'{"event":"e","userId":"u","timestamp":0,"timestamp":%d}',
    "no event": b'{"timestamp":%d',
}


@pytest.mark.parametrize("odd", ODD_LINES)
def test_a_line_has_the_time_that_it_is_admitted_with(odd: str) -> None:
    line = ODD_LINES[odd]
    stray = parse_time("2099-01-01T00:00:00Z")
    line = line % stray if b"%d" in line else line
    lines = [_line(START), line, *(_line(START + n * MINUTE) for n in range(9))]
    told: list[Stray] = []
    out = list(cut_back(lines, HOUR, told.append))
    if odd == "no event":
        assert (told, out) == ([], lines)
        return
    assert told == [Stray(2, stray, START)]
    event = admit(out[1], "")
    assert isinstance(event, Event)
    assert event.received_at == START
