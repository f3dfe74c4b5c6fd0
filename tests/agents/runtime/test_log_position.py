"""A wall-clock timer fires when the log has been applied up to it: not before, and not never."""

import asyncio

import pytest
from confluent_kafka.admin import AdminClient, NewTopic
from hypothesis import given
from hypothesis import strategies as st

from agents.kafka.client import base_config
from agents.runtime import log_position
from agents.runtime.broker_clock import BrokerClock
from agents.runtime.log_position import (
    CLOCK_TOLERANCE_MS,
    HighWatermarks,
    LogPosition,
    NoHighWatermark,
)

steps = st.lists(
    st.tuples(st.just("arrive"), st.integers(0, 3_000))
    | st.tuples(st.just("apply"), st.integers(1, 5))
    | st.tuples(st.just("ask"), st.integers(0, 2_000)),
    max_size=60,
)


@given(steps=steps)
def test_every_event_that_arrived_before_safe_until_has_been_applied(
    steps: list[tuple[str, int]],
) -> None:
    """Answers come late, and while others are waited for; records come in between."""
    now, arrivals = 1_000_000, list[int]()
    position = LogPosition(0)
    before = position.watermark
    for what, number in steps:
        now += 1
        if what == "arrive":
            now += number
            arrivals.append(now)
        elif what == "apply" and position.offset < len(arrivals):
            offset = min(position.offset + number, len(arrivals))
            position.applied(offset, arrivals[offset - 1])
        elif what == "ask":
            asked_at = now
            for _ in range(number // 700):  # records that arrive before the broker looks
                now += 300
                arrivals.append(now)
            position.high_watermark(asked_at, len(arrivals))
            if position.offset == len(arrivals):
                assert position.watermark >= asked_at - CLOCK_TOLERANCE_MS
        assert all(arrived >= position.watermark for arrived in arrivals[position.offset :])
        assert position.watermark >= before
        before = position.watermark


@given(pace=st.integers(1, 20), asks=st.integers(1, 10), backlog=st.integers(0, 100))
def test_under_steady_load_the_proof_keeps_up(pace: int, asks: int, backlog: int) -> None:
    """The end always runs ahead of the position, and newer answers must not push the goal away: a
    timer waits for the backlog twice at most. The records' own times are left out here."""
    position = LogPosition(0)
    for moment in range(backlog + 200):
        if moment % asks == 0:
            position.high_watermark(moment * 1_000, moment * pace + backlog * pace)
        position.applied(moment * pace, None)
    assert position.watermark >= (moment - 2 * (backlog + asks + 1)) * 1_000 - CLOCK_TOLERANCE_MS


def test_an_older_answer_takes_nothing_back() -> None:
    position = LogPosition(10)
    position.high_watermark(50_000, 10)
    assert position.watermark == 50_000 - CLOCK_TOLERANCE_MS
    position.high_watermark(40_000, 10)
    assert position.watermark == 50_000 - CLOCK_TOLERANCE_MS


async def test_a_partition_that_never_has_an_answer_ends_the_process(
    broker: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its timers would wait for ever and nothing would show it; the other partitions go on."""
    monkeypatch.setattr(log_position, "_REQUEST_TIMEOUT_SECONDS", 1.0)
    failed: asyncio.Future[BaseException] = asyncio.get_running_loop().create_future()
    watermarks = HighWatermarks(
        base_config(broker), BrokerClock(), failed.set_result, unanswered=0.3
    )
    watermarks.want("no-such-topic", 0, lambda asked_at, offset: None)
    async with asyncio.timeout(60):
        assert isinstance(await failed, NoHighWatermark)


async def test_an_error_of_who_is_told_ends_the_process(broker: str, topic_prefix: str) -> None:
    topic = f"{topic_prefix}log"
    admin = AdminClient(base_config(broker))
    admin.create_topics([NewTopic(topic, 1, 1)])[topic].result()
    failed: asyncio.Future[BaseException] = asyncio.get_running_loop().create_future()
    watermarks = HighWatermarks(base_config(broker), BrokerClock(), failed.set_result)

    def tell(asked_at: int, offset: int) -> None:
        assert abs(asked_at - BrokerClock().now()) < 60_000
        assert offset == 0
        raise ValueError("a bug of the loop")

    watermarks.want(topic, 0, tell)
    async with asyncio.timeout(60):
        assert isinstance(await failed, ValueError)


async def test_what_is_forgotten_is_not_told(broker: str) -> None:
    told: list[int] = []
    watermarks = HighWatermarks(
        base_config(broker), BrokerClock(), lambda error: None, unanswered=0.1
    )
    watermarks.want("no-such-topic", 0, lambda asked_at, offset: told.append(offset))
    watermarks.forget("no-such-topic", 0)
    assert watermarks._task is not None
    async with asyncio.timeout(60):
        await watermarks._task
    assert told == []
