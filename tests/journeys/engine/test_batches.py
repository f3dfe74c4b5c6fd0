"""How the log is cut into batches never changes a result, and the same log gives the same bytes."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from journeys.engine.processor import MAX_EFFECTS, Clock, Input, PartitionProcessor
from journeys.records.effects import Effects
from journeys.records.user_record import decode, encode
from journeys.simulation.backtest import MemoryRecords
from tests.journeys.builders import MINUTE, START, Versions, journey

TOUR = journey(
    """
    w:
      type: wait_for_event
      any_of: [{event: b, next: split}, {event: c, where: event.properties.n > 1, next: send}]
      within: 10m
      on_timeout: pick
    split: {type: experiment, variants: {x: {weight: 1, next: send}, y: {weight: 1, next: pause}}}
    pause: {type: delay, for: 5m}
    send: {type: destination, destination: d, payload: {n: '${entry.properties.n}', v: '${user}'}}
    pick:
      type: criteria
      branches: [{when: entry.properties.n > 1, next: w, set: {again: true}}]
      otherwise: done
    done: {type: exit}
    """,
    entry="event: a, key: event.properties.k",
)
OTHER = journey(
    "pause: {type: delay, for: 7m}\nsend: {type: destination, destination: d, payload: 1}",
    name="other",
    entry="event: b, reentry: after_exit, min_gap: 20m",
)
CHAIN = journey(
    """
    mark: {type: update_profile, traits: {d: '${entry.timestamp}', t: null}}
    begin: {type: emit_event, event: a, properties: {k: 1, n: "${count('a', '20m')}"}}
    pause: {type: delay, until: 'now + duration("180s")', offset: -1m}
    tell: {type: emit_event, event: b}
    again:
      type: criteria
      branches: [{when: entry.properties.n == 1, next: round}]
      otherwise: morning
    round: {type: emit_event, event: d, properties: {n: 1}, next: morning}
    morning: {type: delay, until_local: {time: "12:20", timezone: UTC}}
    last: {type: emit_event, event: c, properties: {n: 2}}
    """,
    name="chain",
    entry="event: d, reentry: after_exit",
)
ALL = (TOUR, OTHER, CHAIN)

EVENTS = st.fixed_dictionaries(
    {
        "event": st.sampled_from("abcd"),
        "userId": st.sampled_from("uvw"),
        "timestamp": st.integers(-5, 60).map(lambda minutes: START + minutes * MINUTE),
        "properties": st.fixed_dictionaries(
            {}, optional={"k": st.integers(0, 2), "n": st.integers(0, 3)}
        ),
    },
    optional={
        "messageId": st.integers(0, 5).map(str),
        "traits": st.fixed_dictionaries({"t": st.none() | st.integers(0, 3)}),
        "receivedAt": st.integers(0, 90).map(lambda minutes: START + minutes * MINUTE),
    },
)
LINES = st.lists(
    EVENTS.map(lambda event: (None, msgspec.json.encode(event)))
    | st.integers(0, 90).map(
        lambda minutes: ("clock", msgspec.json.encode({"time": START + minutes * MINUTE}))
    )
    | st.just((None, b"nonsense")),
    max_size=40,
)
CUTS = st.lists(st.tuples(st.integers(1, 9), st.integers(1, 3)), min_size=1, max_size=20)


class Stored:
    """Records that go through their bytes, as a worker's do."""

    def __init__(self) -> None:
        self._kept = MemoryRecords()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._kept, name)

    def get(self, user: str) -> Any:
        record = self._kept.get(user)
        return None if record is None else decode(encode(record))


def _inputs(lines: Iterable[tuple[str | None, bytes]], clock: Clock) -> list[Input]:
    return [
        Input(
            "events", 0, offset, None, value, START + offset * MINUTE if clock == "wall" else None,
            kind,
        )
        for offset, (kind, value) in enumerate(lines)
    ]  # fmt: skip


def _run(
    lines: list[tuple[str | None, bytes]],
    clock: Clock,
    cuts: Iterable[tuple[int, int]],
    records: Callable[[], MemoryRecords | Stored] = MemoryRecords,
) -> tuple[dict[str, bytes], bytes]:
    """The bytes of all records and effects, when the log is cut so: (inputs, timers) a batch."""
    store = records()
    catalog = Versions(*ALL).running()
    processor = PartitionProcessor(store, catalog, clock)
    told: list[Any] = []
    left = _inputs(lines, clock)
    sizes = iter(cuts)
    while left:
        size, timers = next(sizes, (len(left), 1_000))
        effects = Effects()
        left = left[processor.apply(left[:size], effects, timers=timers) :]
        told += [*effects.outcomes, *effects.actions]
        assert not effects.dead
    order = [one for one in told if hasattr(one, "outcome_id")]
    sent = [one for one in told if hasattr(one, "action_id")]
    bytes_of = {user: encode(record) for user, record in store.records.items()}
    return bytes_of, msgspec.json.encode([order, sent, processor.partition_time])


@pytest.mark.parametrize("clock", ["stream", "wall"])
@settings(max_examples=150, deadline=None)
@given(lines=LINES, cuts=CUTS)
def test_any_cut_gives_byte_equal_records_and_effects(
    clock: Clock, lines: list[tuple[str | None, bytes]], cuts: list[tuple[int, int]]
) -> None:
    whole = _run(lines, clock, [])
    assert _run(lines, clock, cuts) == whole
    assert _run(lines, clock, [(1, 1)] * 10_000) == whole


@settings(max_examples=60, deadline=None)
@given(lines=LINES)
def test_records_that_go_through_their_bytes_give_the_same(
    lines: list[tuple[str | None, bytes]],
) -> None:
    assert _run(lines, "stream", [], Stored) == _run(lines, "stream", [])


@settings(max_examples=60, deadline=None)
@given(lines=LINES, at=st.integers(0, 40))
def test_a_processor_that_starts_anew_from_the_records_gives_the_same(
    lines: list[tuple[str | None, bytes]], at: int
) -> None:
    """As a worker does after a crash: records and the partition's time are all it needs."""
    store = MemoryRecords()
    told: list[Any] = []
    inputs = _inputs(lines, "stream")
    time = 0
    for part in (inputs[:at], inputs[at:]):
        processor = PartitionProcessor(store, Versions(*ALL).running(), "stream", time)
        effects = Effects()
        assert processor.apply(part, effects) == len(part)
        told += effects.outcomes
        time = processor.partition_time
    whole = PartitionProcessor(MemoryRecords(), Versions(*ALL).running(), "stream")
    expected = Effects()
    whole.apply(inputs, expected)
    assert told == expected.outcomes


@settings(max_examples=60, deadline=None)
@given(lines=LINES)
def test_no_id_is_ever_used_twice(lines: list[tuple[str | None, bytes]]) -> None:
    effects = Effects()
    processor = PartitionProcessor(MemoryRecords(), Versions(*ALL).running(), "stream")
    processor.apply(_inputs(lines, "stream"), effects)
    ids = [one.outcome_id for one in effects.outcomes]
    ids += [one.action_id for one in effects.actions]
    assert len(ids) == len(set(ids))


def test_a_call_returns_when_its_effects_are_many_and_the_next_goes_on_where_it_stopped() -> None:
    lines = [
        (None, msgspec.json.encode({"event": "b", "userId": f"u{n}", "timestamp": START}))
        for n in range(3_000)
    ]
    left = _inputs([*lines, ("clock", b'{"time": "end"}')], "stream")
    processor = PartitionProcessor(MemoryRecords(), Versions(OTHER).running(), "stream")
    sizes = []
    while left:
        effects = Effects()
        left = left[processor.apply(left, effects, timers=400) :]
        sizes.append(len(effects.outcomes))
    assert max(sizes) < MAX_EFFECTS + 10
    assert sum(sizes) == 3_000 * 6
    assert [size for size in sizes if size > 400 * 3] == sizes[:2]
