"""count('event', '10m'): how often a user's events came lately."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agents.kinds import KINDS
from journeys.checks.check import check
from journeys.records import event_counts as counts
from journeys.records.user_record import decode, encode
from tests.journeys.builders import DAY, HOUR, MINUTE, SECOND, START, World, journey
from tests.journeys.reported import told

SEND = "send: {type: destination, destination: d, payload: \"${count('view', '10m')}\"}"


def seen(world: World) -> list[Any]:
    return [one.payload for one in world.actions()]


def test_it_is_the_number_of_the_users_events_in_the_window_this_one_included() -> None:
    world = World(journey(SEND, entry="event: view"))
    for at in (0, 4 * MINUTE, 10 * MINUTE - 1, 10 * MINUTE, 14 * MINUTE):
        world.event("view", at=at)
    world.event("view", at=14 * MINUTE, user="other")
    world.event("click", at=15 * MINUTE)
    world.event("view", at=DAY)
    assert seen(world) == [1, 2, 3, 3, 3, 1, 1]


def test_the_third_of_an_hour_enters() -> None:
    world = World(
        journey("done: {type: exit}", entry="event: failed\nwhere: count('failed', '1h') == 3")
    )
    for n in range(5):
        world.event("failed", at=n * MINUTE)
    assert [one.at for one in world.told("journey.entered")] == ["2026-01-18T12:02:00.000Z"]


def test_several_windows_and_several_events() -> None:
    world = World(
        journey(
            """
            send:
              type: destination
              destination: d
              payload:
                a: ${count('a', '1m')}
                b: ${count('a', 'PT1H')}
                c: ${count('b', '1d')}
            """
        )
    )
    for n in range(3):
        world.event("a", at=n * MINUTE)
        world.event("b", at=n * MINUTE)
    world.event(at=2 * MINUTE + 30 * SECOND)
    assert seen(world) == [{"a": 1, "b": 3, "c": 3}]


def test_a_repeat_is_not_counted_twice() -> None:
    world = World(journey(SEND, entry="event: start"))
    for _ in range(3):
        world.event("view", messageId="m")
    world.event(at=MINUTE)
    assert seen(world) == [1]


def test_a_late_event_counts_what_was_before_it_and_no_later_one() -> None:
    world = World(journey(SEND, entry="event: view"))
    for at in (0, 8 * MINUTE, 5 * MINUTE):
        world.event("view", at=at)
    assert seen(world) == [1, 2, 2]


def test_an_event_older_than_the_newest_thousand_still_counts_itself() -> None:
    world = World(journey(SEND, entry="event: view"))
    for at in range(1_000):
        world.event("view", at=HOUR + at)
    world.event("view", at=0)
    world.event("view", at=1)
    assert seen(world)[-3:] == [1_000, 1, 1]


def test_a_backfill_is_counted_though_it_starts_nothing() -> None:
    world = World(journey(SEND, entry="event: view"))
    world.event("view", backfill=True)
    world.event("view", at=MINUTE)
    assert seen(world) == [2]


def test_an_emitted_event_is_counted() -> None:
    emits = journey("tell: {type: emit_event, event: view}", name="emits")
    world = World(emits, journey(SEND, entry="event: view", name="counts"))
    world.event()
    world.event(at=MINUTE)
    assert seen(world) == [1, 2]


def test_a_later_node_counts_as_of_its_own_time_under_both_clocks() -> None:
    nodes = "pause: {type: delay, for: 8m}\n" + SEND
    for clock in ("stream", "wall"):
        world = World(journey(nodes), clock=clock)
        world.event("view", at=0, arrival=0, received=0)
        world.event("view", at=5 * MINUTE, arrival=5 * MINUTE, received=5 * MINUTE)
        world.event(at=5 * MINUTE, arrival=5 * MINUTE, received=5 * MINUTE)
        world.clock(HOUR)
        world.fire(HOUR, now=13 * MINUTE)
        assert seen(world) == [1], clock


def test_only_events_that_a_journey_counts_are_kept() -> None:
    world = World(journey(SEND))
    for name in ("view", "other", "start"):
        world.event(name)
    assert list(world.record().event_counts) == ["view"]
    assert decode(encode(world.record())).event_counts == world.record().event_counts


def test_what_only_an_archived_journey_counted_is_let_go() -> None:
    world = World(journey(SEND), journey(SEND.replace("view", "click"), name="other"))
    world.event("view")
    world.event("click")
    world.turn("tour", "archived")
    world.event("view", at=MINUTE)
    world.event("click", at=MINUTE)
    assert {name: len(ring) for name, ring in world.record().event_counts.items()} == {"click": 9}


def test_a_new_version_that_counts_more_counts_from_then_on() -> None:
    world = World(journey("done: {type: exit}"))
    world.event("view")
    world.push(journey(SEND))
    world.event("view", at=MINUTE)
    world.event(at=2 * MINUTE)
    assert seen(world) == [1]


@pytest.mark.parametrize("backwards", [False, True])
def test_the_newest_thousand_are_kept_in_whatever_order_they_come(backwards: bool) -> None:
    ring = b""
    for n in sorted(range(1_500), reverse=backwards):
        ring = counts.add(ring, START + n)
    if backwards:  # the last one counts itself, and goes with the next one
        assert counts.count(ring, START, DAY) == 1
        ring = counts.add(ring, START + 1_500)
    assert counts.count(ring, START + 1_500, DAY) == 1_000
    assert counts.count(ring, START + 500 + backwards, DAY) == 1
    assert counts.count(ring, START + 499 + backwards, DAY) == 0


def test_what_is_kept_of_a_busy_user_is_small() -> None:
    ring = counts.ring_of(START + n * MINUTE + n % 7 * SECOND for n in range(3_000))
    assert counts.count(ring, START + 3_000 * MINUTE, 365 * DAY) == 1_000
    assert len(ring) <= 6 + 3 * 999


TIMES = st.lists(
    st.one_of(
        st.integers(START, START + 100),
        st.integers(START, START + 400 * DAY),
        st.integers(0, 253_402_300_799_999),
    ),
    max_size=60,
)


@given(TIMES, st.integers(1, 400 * DAY), st.integers(2, 30))
def test_a_count_is_exact_in_any_order_within_the_newest_that_are_kept(
    times: list[int], window: int, most: int
) -> None:
    """Against a list of all times, of which the newest are sought anew at each event."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(counts, "MOST", most)
        ring, known = b"", list[int]()
        for time in times:
            ring = counts.add(ring, time)
            known = sorted([*known, time])[-most:]
            kept = known if time in known else [time, *known]
            for now in (time, time + window // 2, max(kept)):
                expected = sum(now - window < one <= now for one in kept)
                assert counts.count(ring, now, window) == min(expected, most)


@given(st.permutations(range(12)), st.sampled_from([5 * MINUTE, HOUR, DAY]))
def test_a_late_event_sees_its_whole_window_whatever_else_is_counted(
    order: list[int], window: int
) -> None:
    sees = journey(SEND, entry="event: view")
    other = journey(
        "done: {type: exit}",
        name="other",
        entry=f"event: never\nwhere: count('view', '{window // 1000}s') > 900",
    )
    alone, beside = World(sees), World(sees, other)
    for number, at in enumerate(order):
        for world in (alone, beside):
            world.event("view", at=at * 4 * MINUTE)
        before = order[: number + 1]
        expected = sum(at - 2.5 < one <= at for one in before)
        assert seen(alone)[-1] == seen(beside)[-1] == expected


@pytest.mark.parametrize(
    ("expression", "problem"),
    [
        ("count('view') > 1", "5:33: 'where' in the entry: 'count' takes the name of an event and"),
        ("count('view', event.event) > 1", "a duration, both written out: count('event', '10m')"),
        ("event.count('view', '1m') > 1", "'count' takes the name of an event"),
        ("count('view', '10x') > 1", "'count': '10x' is not a duration such as 90s"),
        ("count('view', '0s') > 1", "'count': the window must be longer than 0"),
        ("count('view', '1m')", "the condition is int, expected true or false"),
        ("count('view', '1m') > '1'", "'>' doesn't take int and text"),
        ("cuont('view', '1m') > 1", "unknown function 'cuont': did you mean 'count'?"),
    ],
)
def test_a_count_that_has_no_answer_is_refused_when_it_is_pushed(
    expression: str, problem: str
) -> None:
    text = (
        "kind: Journey\nname: tour\nnodes: {done: {type: exit}}\nentry:\n"
        f'  {{event: view, where:         "{expression}"}}\n'
    )
    problems = told(text)
    assert len(problems) == 1, problems
    assert problem in problems[0]


def test_a_destination_counts_nothing() -> None:
    text = (
        "kind: Destination\nname: d\ntype: http\n"
        "url: \"https://x.example/${count('view', '1m')}\"\n"
    )
    (problem,) = check([("d.yaml", text)], KINDS)[1]
    assert "'count' is not known to a destination" in problem.message
