"""The user's record: small, exact, and never misread."""

from __future__ import annotations

import struct
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from journeys.ids import message_hash
from journeys.records import message_ids as message_ids
from journeys.records.event_counts import ring_of
from journeys.records.user_record import (
    Branch,
    Goal,
    Held,
    Instance,
    UnknownRecordVersion,
    UserRecord,
    Wait,
    decode,
    encode,
)
from journeys.time import HOUR
from tests.journeys.builders import START, World, journey

JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63)
    | st.floats(allow_nan=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)
TIMES = st.integers(0, 2**47)
INSTANCES = st.builds(
    Instance,
    id=st.text(),
    journey=st.text(),
    version=st.text(),
    key=st.none() | st.text(),
    started=TIMES,
    node=st.text(),
    visit=st.integers(0, 2**31),
    wait=st.builds(Wait, st.none() | TIMES, st.none() | TIMES),
    context=st.dictionaries(st.text(), JSON, max_size=3),
    lifecycle_seen=TIMES,
    held=st.none()
    | st.builds(
        Held,
        decided=st.booleans(),
        to=st.none() | st.text(),
        event=st.none() | st.dictionaries(st.text(), JSON, max_size=3),
        mute=st.booleans(),
    ),
    branch=st.none()
    | st.builds(
        Branch, parent=st.text(), name=st.text(), at=st.text(), visit=st.integers(0, 2**31)
    ),
)
GOALS = st.builds(
    Goal,
    instance=st.text(),
    journey=st.text(),
    version=st.text(),
    key=st.none() | st.text(),
    started=TIMES,
    until=st.none() | TIMES,
    entry=st.dictionaries(st.text(), JSON, max_size=3),
)
RECORDS = st.builds(
    UserRecord,
    traits=st.dictionaries(st.text(), JSON, max_size=3),
    message_ids=st.binary(),
    instances=st.lists(INSTANCES, max_size=4).map(tuple),
    past=st.dictionaries(st.text(), TIMES, max_size=3),
    event_counts=st.dictionaries(st.text(), st.binary(), max_size=3),
    goals=st.lists(GOALS, max_size=3).map(tuple),
)


@given(RECORDS)
def test_a_record_survives_its_bytes_and_equal_records_have_equal_bytes(record: UserRecord) -> None:
    data = encode(record)
    assert decode(data) == msgspec.structs.replace(record, size=len(data))
    assert encode(decode(data)) == data


@pytest.mark.parametrize("data", [b"", b"\x00", b"\x07" + encode(UserRecord())[1:], b"\x90"])
def test_bytes_of_another_version_are_a_clear_error(data: bytes) -> None:
    with pytest.raises(UnknownRecordVersion, match="expected at most 6"):
        decode(data)


OLD = {
    b"\x01": ("traits", "message_ids", "instances", "past"),
    b"\x02": ("traits", "message_ids", "instances", "past", "event_counts"),
    b"\x03": ("traits", "message_ids", "instances", "past", "event_counts", "goals"),
    b"\x04": ("traits", "message_ids", "instances", "past", "event_counts", "goals", "deadline"),
    b"\x05": ("traits", "message_ids", "instances", "past", "event_counts", "goals", "deadline"),
}
"""What the records of older versions hold; the instances of the first two have nine fields,
those of the others eleven."""


@pytest.mark.parametrize("version", OLD)
@given(record=RECORDS, times=st.lists(st.integers(START, START + HOUR), max_size=5))
def test_a_record_of_an_older_version_is_read_without_what_came_later(
    version: bytes, record: UserRecord, times: list[int]
) -> None:
    replace = msgspec.structs.replace
    old_counts = {"view": struct.pack(f">{len(times)}q", *times)}
    if version == b"\x05":
        old_counts = {"view": ring_of(times)}
    record = replace(record, event_counts=old_counts)
    fields: list[Any] = [getattr(record, name) for name in OLD[version]]
    instances = record.instances
    if version in (b"\x03", b"\x04"):
        fields[2] = [msgspec.structs.astuple(one)[:11] for one in instances]
    if version in (b"\x01", b"\x02"):
        fields[2] = [msgspec.structs.astuple(one)[:9] for one in instances]
        instances = tuple(replace(one, lifecycle_seen=0, held=None) for one in instances)
    elif version == b"\x05":
        fields[2] = [msgspec.structs.astuple(one)[:11] for one in instances]
    instances = tuple(replace(one, branch=None) for one in instances)
    old = version + msgspec.msgpack.encode(fields)
    dues = [one.wait.due for one in instances if one.wait.due is not None]
    expected = replace(
        record,
        event_counts={"view": ring_of(times)} if "event_counts" in OLD[version] else {},
        goals=record.goals if "goals" in OLD[version] else (),
        instances=instances,
        deadline=min(dues, default=None),
        size=len(old),
    )
    assert decode(old) == expected
    assert encode(decode(old))[:1] == b"\x06"


def test_a_record_that_holds_nothing_is_a_few_bytes() -> None:
    assert len(encode(UserRecord())) == 10


def test_the_next_due_time_is_the_earliest_that_a_clock_may_fire() -> None:
    def waiting(*times: int | None) -> UserRecord:
        return UserRecord(
            instances=tuple(
                Instance("i", "j", "v", None, 0, "n", 1, Wait(1, at), {}) for at in times
            )
        )

    assert waiting().next_due() is None
    assert waiting(None).next_due() is None
    assert waiting(7, None, 5, 9).next_due() == 5


def test_a_record_with_hundreds_of_instances_stays_small() -> None:
    nodes = """
    waiting: {type: wait_for_event, event: answer, within: 7d}
    send: {type: destination, destination: d, payload: {a: '${entry.properties.a}'}}
    """
    world = World(journey(nodes, entry="event: start, key: event.properties.k"))
    for n in range(500):
        world.event(properties={"k": f"key-{n}", "a": n, "big": "x" * 5_000}, at=n)
    record = world.record()
    assert record.instances[7].context == {"entry": {"properties": {"a": 7}}}
    assert len(encode(record)) < 500 * 150 + 512 * message_ids.ENTRY


# The memory of messageIds.


def _model(marks: list[tuple[bytes, int]]) -> list[tuple[bytes, int]]:
    now = marks[-1][1]
    kept = [
        one
        for at, one in enumerate(marks)
        if at >= len(marks) - message_ids.LEAST or one[1] >= now - HOUR
    ]
    return kept[-message_ids.MOST :]


@given(st.lists(st.sampled_from([0, 0, 1, 30_000, 600_000, HOUR, HOUR + 1]), max_size=1_300))
def test_the_memory_is_the_last_64_and_those_of_the_last_hour_and_at_most_1024(
    steps: list[int],
) -> None:
    memory, now, marks = b"", START, []
    for n, step in enumerate(steps):
        now += step
        message = n.to_bytes(8, "big")
        memory = message_ids.remember(memory, message, now)
        marks.append((message, now))
        marks = _model(marks)
    held = [memory[at : at + 8] for at in range(0, len(memory), message_ids.ENTRY)]
    assert held == [message for message, _ in marks]
    assert all(message_ids.find(memory, message, now) >= 0 for message in held)


@pytest.mark.parametrize(("later", "held"), [(0, True), (1, False)])
def test_beyond_the_last_64_a_message_is_remembered_for_an_hour_to_the_millisecond(
    later: int, held: bool
) -> None:
    memory = b""
    for n in range(65):
        memory = message_ids.remember(memory, message_hash(str(n)), START)
    first, second = message_hash("0"), message_hash("1")
    assert (message_ids.find(memory, first, START + HOUR + later) >= 0) == held
    assert message_ids.find(memory, second, START + HOUR + later) >= 0
    memory = message_ids.remember(memory, b"the next", START + HOUR + later)
    assert (first in memory) == held


def test_a_hash_is_not_found_across_the_border_of_two_entries() -> None:
    memory = message_ids.remember(b"", b"abcdefgh", 0x494A4B4C4D4E)
    memory = message_ids.remember(memory, b"opqrstuv", 0x494A4B4C4D4E)
    assert message_ids.find(memory, b"abcdefgh", 0) >= 0
    assert message_ids.find(memory, b"opqrstuv", 0) >= 0
    for at in range(len(memory) - 8):
        if at % message_ids.ENTRY:
            assert message_ids.find(memory, memory[at : at + 8], 0) < 0


def test_a_message_that_comes_again_is_new_again() -> None:
    memory = b""
    for n in range(70):
        memory = message_ids.remember(memory, message_hash(str(n)), START)
    first = message_hash("0")
    memory = message_ids.refresh(memory, message_ids.find(memory, first, START), START + HOUR)
    assert len(memory) == 70 * message_ids.ENTRY
    assert message_ids.find(memory, first, START + 2 * HOUR) >= 0
    assert message_ids.find(memory, message_hash("1"), START + 2 * HOUR) < 0
