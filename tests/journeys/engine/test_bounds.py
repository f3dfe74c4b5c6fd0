"""One event, one timer and one call are bounded in bytes, whatever data makes of them."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from agents.compiled import is_compiled
from journeys.engine.processor import MAX_BYTES, PartitionProcessor
from journeys.engine.step_context import MAX_ACTIONS, MAX_STEP_BYTES
from journeys.records.action import MAX_PAYLOAD
from journeys.records.effects import Effects
from journeys.records.input import Input
from journeys.records.outcome import MAX_SHOWN, shown
from journeys.records.traits import changed_names
from journeys.records.user_record import MAX_KEY, UserRecord, encode
from journeys.simulation.backtest import MemoryRecords
from tests.journeys.builders import HOUR, MINUTE, START, Versions, World, journey

BIG = "x" * 900_000
SENDS = """
wait: {type: wait_for_event, event: go, within: 2h, next: send, on_timeout: send, match: none}
send:
  type: destination
  destination: d
  payload: {text: "${entry.properties.text}"}
  next: done
  on_error: done
done: {type: exit}
"""


def size_of(effects: Effects) -> int:
    return len(msgspec.json.encode([effects.outcomes, effects.actions, effects.dead]))


def event(name: str, user: str, offset: int, **fields: object) -> Input:
    wire = {"event": name, "userId": user, "timestamp": START, **fields}
    return Input("events", 0, offset, None, msgspec.json.encode(wire))


def test_a_key_of_nearly_a_megabyte_is_rejected_in_a_few_bytes() -> None:
    world = World(journey("done: {type: exit}", entry="event: start, key: event.properties.k"))
    world.event(properties={"k": BIG})
    assert [(one.type, one.detail) for one in world.effects.outcomes] == [
        (
            "journey.rejected",
            {
                "reason": "no_key",
                "error": f"event.properties.k: found a text of more than {MAX_KEY} bytes",
            },
        )
    ]
    world.event(properties={"k": "k" * MAX_KEY})
    world.event(properties={"k": "é" * (MAX_KEY // 2 + 1)})
    entered = [one.key for one in world.effects.outcomes if one.type == "journey.entered"]
    assert entered == ["k" * MAX_KEY]


@pytest.mark.parametrize("id", [BIG, "é" * 513, "x" * 1_025])
def test_a_long_message_id_is_rejected(id: str) -> None:
    world = World(journey("done: {type: exit}"))
    world.event(messageId=id)
    (told,) = world.effects.outcomes
    assert told.detail is not None
    assert (told.type, told.detail["reason"]) == ("event.rejected", "malformed")
    assert size_of(world.effects) < 3_000


def test_what_outcomes_show_of_data_is_cut() -> None:
    world = World(
        journey(
            "a: {type: criteria, branches: [{when: 'int(event.properties.n) > 1', next: b}],"
            " otherwise: b}\nb: {type: exit}"
        )
    )
    traits = {f"{n}" * 40_000: n for n in range(10)}
    world.event(properties={"n": "x" * 400_000}, traits=traits)
    assert {one.type for one in world.effects.outcomes} >= {"expression.failed", "profile.changed"}
    assert all(len(msgspec.json.encode(one)) < 4_000 for one in world.effects.outcomes)


@given(st.text(max_size=20), st.integers(0, 2_000))
def test_a_text_is_shown_in_a_kilobyte_at_most(text: str, times: int) -> None:
    long = text * times
    cut = shown(long)
    assert len(cut.encode(errors="replace")) <= max(MAX_SHOWN, 0)
    assert cut == long or long.startswith(cut[:-1])


@given(st.lists(st.text(max_size=300), max_size=150, unique=True))
def test_names_of_traits_are_listed_up_to_a_kilobyte_and_the_rest_is_counted(
    names: list[str],
) -> None:
    told = changed_names(names)
    assert sum(len(name.encode()) for name in told["traits"]) <= MAX_SHOWN
    assert len(told["traits"]) + told.get("more", 0) == len(names)


def test_the_actions_of_one_event_are_limited_and_the_rest_is_reported() -> None:
    """20 actions of each of 500 instances: 10,000 of one event."""
    nodes = "w: {type: wait_for_event, event: go, within: 2h, match: none}\n" + "\n".join(
        f"s{n}: {{type: destination, destination: d, payload: {{}}}}" for n in range(20)
    )
    world = World(journey(nodes, entry="event: start, key: event.properties.k"))
    for k in range(500):
        world.event(properties={"k": k})
    world.event("go", at=MINUTE)
    assert len(world.effects.actions) == MAX_ACTIONS
    skipped = [one for one in world.effects.outcomes if one.type == "action.skipped"]
    assert len(skipped) == 500 * 20 - MAX_ACTIONS
    assert {(one.detail or {})["reason"] for one in skipped} == {"too_many"}
    world.event("go", at=2 * MINUTE, messageId="again")
    assert len(world.effects.actions) == MAX_ACTIONS  # nobody waits any more


def test_the_payloads_of_one_event_are_limited_in_bytes() -> None:
    """Instances that each send a quarter of a megabyte of one trait."""
    nodes = SENDS.replace("entry.properties.text", "user.traits.text")
    world = World(journey(nodes, entry="event: start, key: event.properties.k"))
    world.event("other", traits={"text": "x" * (MAX_PAYLOAD - 100)})
    for k in range(200):
        world.event(properties={"k": k}, messageId=f"m{k}")
    before = world.effects.size
    world.event("go", at=MINUTE)
    sent = sum(len(msgspec.json.encode(one.payload)) for one in world.effects.actions)
    assert MAX_STEP_BYTES - MAX_PAYLOAD < sent <= MAX_STEP_BYTES
    assert sent <= world.effects.size - before <= sent + 2_000_000
    ended = [one for one in world.effects.outcomes if one.type == "journey.exited"]
    assert len(ended) == 200, "those that were not sent go on, too"


def test_emitted_events_of_one_step_are_limited_in_bytes() -> None:
    emits = "\n".join(
        f"e{n}: {{type: emit_event, event: other, properties: {{t: '${{user.traits.text}}'}}}}"
        for n in range(60)
    )
    world = World(journey(emits))
    world.event(traits={"text": "x" * (MAX_PAYLOAD - 100)})
    types = [one.type for one in world.effects.outcomes]
    assert types.count("event.emitted") == MAX_STEP_BYTES // MAX_PAYLOAD
    rejected = [one.detail for one in world.effects.outcomes if one.type == "event.rejected"]
    assert {(detail or {})["reason"] for detail in rejected} == {"too_many"}


def test_a_call_fires_timers_up_to_a_size_and_the_next_one_the_rest() -> None:
    records = MemoryRecords()
    catalog = Versions(journey(SENDS)).running()
    processor = PartitionProcessor(records, catalog, "wall")
    text = {"text": "x" * (MAX_PAYLOAD - 100)}
    starts = [
        msgspec.structs.replace(event("start", f"u{n}", n, properties=text), arrival=START)
        for n in range(300)
    ]
    left, effects = starts, Effects()
    while left:
        left = left[processor.apply(left, Effects()) :]
    calls, sizes = 0, []
    more = True
    while more:
        effects = Effects()
        more = processor.fire(START + 3 * HOUR, START + 3 * HOUR, effects)
        sizes.append(size_of(effects))
        calls += 1
    assert sum(len(record.instances) for record in records.records.values()) == 0
    assert calls > 2
    assert max(sizes) < MAX_BYTES + MAX_STEP_BYTES + 5_000_000


@pytest.mark.skipif(is_compiled(), reason="a test's class can't stand in for a compiled one")
def test_small_events_that_rewrite_large_records_end_a_call() -> None:
    """120 events of 60 bytes, each of a user whose record is nearly a megabyte."""
    records = MemoryRecords()
    changes: dict[str, UserRecord] = {}

    class Watched(MemoryRecords):
        def put(self, user: str, record: UserRecord) -> None:
            changes[user] = record
            super().put(user, record)

    records = Watched()
    processor = PartitionProcessor(records, Versions(journey("w: {type: exit}")).running(), "wall")
    for n in range(120):
        one = event("other", f"u{n}", n, traits={"text": BIG})
        assert processor.apply([one], Effects()) == 1
    small = [event("other", f"u{n}", 1_000 + n, traits={"n": n}) for n in range(120)]
    assert max(len(one.value) for one in small) < 120
    calls = 0
    while small:
        changes.clear()
        consumed = processor.apply(small, Effects())
        assert consumed
        assert sum(len(encode(record)) for record in changes.values()) < MAX_BYTES + 2_000_000
        small = small[consumed:]
        calls += 1
    assert calls > 2


def test_events_that_leave_a_large_record_as_it_is_share_a_call() -> None:
    """Only their messageIds are written."""
    processor = PartitionProcessor(
        MemoryRecords(), Versions(journey("w: {type: exit}")).running(), "wall"
    )
    processor.apply([event("other", "u", 0, traits={"text": BIG})], Effects())
    many = [event("other", "u", 1 + n) for n in range(2_000)]
    assert processor.apply(many, Effects()) == 2_000
