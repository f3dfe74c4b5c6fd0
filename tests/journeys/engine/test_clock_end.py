"""A clock record `end` fires what waits and leaves the clock at the last timer fired."""

from __future__ import annotations

import pytest

from journeys.engine.processor import PartitionProcessor
from journeys.records.effects import Effects
from journeys.records.input import Input
from journeys.simulation.canned_responses import Canned, CannedResponseQueue, read_responses
from journeys.time import HOUR
from tests.journeys.builders import START, World, journey

WAITS = "a: {type: delay, for: 1h}\nb: {type: delay, for: 2h}\nc: {type: exit}"
LOOP = "a: {type: delay, for: 1d, next: a}"


def test_what_waits_fires_and_the_clock_stands_at_the_last_timer() -> None:
    world = World(journey(WAITS))
    world.event()
    world.clock("end")
    assert len(world.told("journey.exited")) == 1
    assert world.processor.partition_time == START + 3 * HOUR
    world.event("start", at=4 * HOUR, user="v")
    world.clock(5 * HOUR)
    assert world.processor.partition_time == START + 5 * HOUR


def test_where_nothing_waits_the_clock_stays() -> None:
    world = World(journey("c: {type: exit}"))
    world.event()
    world.clock("end")
    world.clock("end")
    assert world.processor.partition_time == START


@pytest.mark.parametrize("timers", [1, 2, 3, 1_000])
def test_wherever_a_call_or_a_worker_ends_the_clock_stands_at_the_same_time(timers: int) -> None:
    world = World(journey(WAITS))
    for number in range(3):
        world.event(user=f"u{number}", at=number)
    end = Input("events", 0, 9, None, b'{"time": "end"}', None, "clock")
    while True:
        # A worker that takes over knows the records and the time, and nothing else.
        processor = PartitionProcessor(
            world.records, world.processor.catalog, "stream", world.processor.partition_time
        )
        if processor.apply([end], Effects(), timers=timers):
            break
        assert processor.partition_time == START + 2
    assert processor.partition_time == START + 2 + 3 * HOUR


def test_a_journey_in_circles_ends_within_ten_years() -> None:
    world = World(journey(LOOP))
    world.event()
    world.clock("end")
    waits = world.instance().wait.due
    assert waits is not None
    assert 0 < waits - world.processor.partition_time <= 24 * HOUR


@pytest.mark.parametrize("timers", [1, 3, 1_000])
def test_responses_do_not_make_the_ten_years_longer(timers: int) -> None:
    """Each moves the time on; the clock ends where it would have in a single call."""
    canned = read_responses("responses: [{destination: d, after: 1s, payload: {}}]", "r.yaml")
    responses = CannedResponseQueue(one for one in canned if isinstance(one, Canned))
    ask = "ask: {type: trigger, destination: d, payload: {}, next: rest, on_error: rest}"
    world = World(
        journey(f"{ask}\nrest: {{type: delay, for: 30d, next: ask}}"), responses=responses
    )
    world.event()
    end = Input("events", 0, 9, None, b'{"time": "end"}', None, "clock")
    while not world.processor.apply([end], world.effects, timers=timers):
        pass
    assert len(world.actions()) == 1 + 10 * 365 * 24 * HOUR // (30 * 24 * HOUR + 1_000)
    assert 0 <= START + 10 * 365 * 24 * HOUR - world.processor.partition_time < 31 * 24 * HOUR
