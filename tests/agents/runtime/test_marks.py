"""A timer fires behind a place of the log that is stamped at or after its time: never before what
lies before that place is applied, and always at last."""

import asyncio
from typing import Any, cast

from confluent_kafka import Consumer, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic
from hypothesis import given, settings
from hypothesis import strategies as st

from agents.kafka.client import base_config
from agents.runtime.broker_clock import BrokerClock
from agents.runtime.marks import MARK, Marks, NoMarks, Written
from agents.runtime.timers import MARK_INTERVAL_MS, Timers


class Log:
    """One partition and the timers of its owner. Records are stamped when they are appended and can
    be read later, in order, as from a replicated partition whose followers are slow."""

    def __init__(self, skew: int) -> None:
        self.now = 1_000_000
        self.skew = skew  # how far the clock of the partition's leader is behind
        self.stamps: list[int] = []
        self.readable = 0
        self.applied = 0
        self.dues: list[int] = []
        self.fired: list[tuple[int, int]] = []  # (due, next offset)
        self.marks: list[int] = []  # when each was sent
        self.acks: list[tuple[Written, int]] = []
        self.clock = BrokerClock(lambda: self.now, lambda: self.now)
        self.timers = Timers(
            "log", "events", 0, cast(Any, self), self.clock, cast(Any, self), lambda: None
        )

    def next_due(self) -> tuple[int, bytes] | None:
        return (min(self.dues), b"u") if self.dues else None

    def append(self) -> int:
        self.stamps.append(max(self.now - self.skew, self.stamps[-1] if self.stamps else 0))
        return len(self.stamps) - 1

    def write(self, topic: str, partition: int, written: Written) -> None:
        """As Marks does. Nobody sees it before it is acknowledged."""
        assert min(self.dues) <= self.now, "a mark without a timer that is due"
        assert not self.acks, "two marks outstanding"
        self.marks.append(self.now)
        self.acks.append((written, self.append()))

    def acknowledge(self, lost: bool = False) -> None:
        while self.acks:
            written, offset = self.acks.pop()
            written(None if lost else (offset, self.stamps[offset]))

    def read(self, count: int) -> None:
        self.applied = min(self.applied + count, self.readable)
        if self.applied:
            self.timers.log.applied(self.applied, self.stamps[self.applied - 1])

    def turn(self) -> None:
        """What the loop does when it takes a batch."""
        at_end = self.applied == self.readable
        if self.timers.due(self.now, at_end):
            until = self.timers.watermark(self.now)
            for due in sorted(due for due in self.dues if due <= until):
                self.dues.remove(due)
                self.fire(due)
        seconds = self.timers.seconds_until_due(at_end)
        assert seconds is None or seconds >= 0

    def fire(self, due: int) -> None:
        assert due <= self.now
        assert max(self.stamps[: self.applied]) >= due, "no place is stamped so late"
        late = [stamp for stamp in self.stamps[self.applied :] if stamp < due]
        assert not late, "a record that reached the log before the deadline isn't applied"
        self.fired.append((due, self.applied))

    def restart(self) -> None:
        """Another owner: it knows nothing but what was committed."""
        self.acks.clear()
        self.timers = Timers(
            "log", "events", 0, cast(Any, self), self.clock, cast(Any, self), lambda: None
        )
        self.timers.start(self.applied)


STEPS = st.lists(
    st.tuples(st.just("pass"), st.integers(0, 2_500))
    | st.tuples(st.just("append"), st.integers(1, 3))
    | st.tuples(st.just("replicate"), st.integers(1, 4))
    | st.tuples(st.just("read"), st.integers(1, 4))
    | st.tuples(st.just("timer"), st.integers(-3_000, 5_000))
    | st.tuples(st.just("acknowledge"), st.integers(0, 1))
    | st.tuples(st.just("skew"), st.integers(-3_000, 3_000))
    | st.tuples(st.just("restart"), st.just(0)),
    max_size=60,
)


@settings(max_examples=400, deadline=None)
@given(steps=STEPS, skew=st.integers(-3_000, 3_000))
def test_no_timer_overtakes_the_log_and_every_timer_fires(
    steps: list[tuple[str, int]], skew: int
) -> None:
    log = Log(skew)
    timers = 0
    for what, number in steps:
        if what == "pass":
            log.now += number
        elif what == "append":
            for _ in range(number):
                log.append()
        elif what == "replicate":
            log.readable = min(log.readable + number, len(log.stamps))
        elif what == "read":
            log.read(number)
        elif what == "timer":
            log.dues.append(log.now + number)
            timers += 1
        elif what == "acknowledge":
            log.acknowledge(lost=number == 0)
        elif what == "skew":
            log.skew = number
        else:
            log.restart()
        log.turn()
    for _ in range(30):  # a quiet partition: nothing comes but the marks
        log.acknowledge()
        log.readable = len(log.stamps)
        log.turn()
        log.read(len(log.stamps))
        log.turn()
        log.now += MARK_INTERVAL_MS
    assert not log.dues
    assert len(log.fired) == timers


@given(dues=st.lists(st.integers(0, 20_000), max_size=30))
def test_a_quiet_partition_has_a_mark_a_second_at_most_and_none_without_a_timer_that_is_due(
    dues: list[int],
) -> None:
    log = Log(0)
    begun = log.now
    log.dues = [begun + due for due in dues]
    late = []
    while log.now < begun + 25_000:
        before = list(log.dues)
        log.turn()
        log.acknowledge()
        log.readable = len(log.stamps)
        log.read(len(log.stamps))
        log.turn()
        late += [log.now - due for due in before if due not in log.dues]
        log.now += 20
    assert all(b - a >= MARK_INTERVAL_MS for a, b in zip(log.marks, log.marks[1:], strict=False))
    assert len(log.marks) <= len(dues)
    assert max(late, default=0) <= MARK_INTERVAL_MS + 40


def test_with_traffic_that_is_stamped_late_enough_there_are_no_marks() -> None:
    log = Log(0)
    log.dues = [log.now + 1_000]
    log.now += 1_100
    log.append()
    log.readable = 1
    log.turn()  # the record has yet to be read: it says more than a mark
    log.read(1)
    log.turn()
    assert log.fired == [(1_001_000, 1)]
    assert log.marks == []


def test_after_a_stamp_before_the_deadline_the_next_mark_waits_for_what_is_missing() -> None:
    log = Log(5_000)  # the leader's clock is 5 s behind
    log.dues = [log.now]
    begun = log.now
    for _ in range(300):
        log.turn()
        log.acknowledge()
        log.readable = len(log.stamps)
        log.read(len(log.stamps))
        log.turn()
        log.now += 20
    assert len(log.fired) == 1
    assert [sent - begun for sent in log.marks] == [0, 5_000]


async def test_a_mark_is_an_empty_record_with_its_header_and_its_stamp_is_reported(
    broker: str, topic_prefix: str
) -> None:
    topic = f"{topic_prefix}log"
    _make(broker, topic, "LogAppendTime")
    written: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
    marks = Marks(base_config(broker), written.set_exception)
    marks.write(topic, 0, written.set_result)
    async with asyncio.timeout(60):
        offset, stamp = await written
    (message,) = await asyncio.to_thread(_read, broker, topic)
    assert (message.offset(), message.timestamp()[1]) == (offset, stamp) == (0, stamp)
    assert (message.key(), message.value(), message.headers()) == (None, b"", MARK)


async def test_a_topic_that_does_not_stamp_its_records_ends_the_process(
    broker: str, topic_prefix: str
) -> None:
    topic = f"{topic_prefix}log"
    _make(broker, topic, "CreateTime")
    failed: asyncio.Future[BaseException] = asyncio.get_running_loop().create_future()
    marks = Marks(base_config(broker), failed.set_result)
    marks.write(topic, 0, lambda written: None)
    async with asyncio.timeout(60):
        error = await failed
    assert isinstance(error, NoMarks)
    assert "LogAppendTime" in str(error)


async def test_a_mark_that_is_not_written_is_reported_and_after_a_while_ends_the_process() -> None:
    """Its timers would wait for ever and nothing would show it."""
    failed: asyncio.Future[BaseException] = asyncio.get_running_loop().create_future()
    client = {"bootstrap.servers": "127.0.0.1:1"}
    marks = Marks(client, failed.set_result, timeout_ms=300, unwritten=0.5)
    for _ in range(20):
        if failed.done():
            break
        written: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        marks.write("no-such-topic", 0, written.set_result)
        async with asyncio.timeout(60):
            await asyncio.wait([written, failed], return_when=asyncio.FIRST_COMPLETED)
        assert failed.done() or written.result() is None
    assert isinstance(await failed, NoMarks)


async def test_marks_that_fail_now_and_then_are_no_outage() -> None:
    """What is between two of them, when no timer was due, is not known to be one."""
    failed: asyncio.Future[BaseException] = asyncio.get_running_loop().create_future()
    client = {"bootstrap.servers": "127.0.0.1:1"}
    marks = Marks(client, failed.set_result, timeout_ms=300, unwritten=1.5)
    for _ in range(4):
        written: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        marks.write("no-such-topic", 0, written.set_result)
        async with asyncio.timeout(60):
            await asyncio.wait([written, failed], return_when=asyncio.FIRST_COMPLETED)
        assert not failed.done()
        await asyncio.sleep(0.8)  # no timer is due


def _make(broker: str, topic: str, stamps: str) -> None:
    new = NewTopic(topic, 1, 1, config={"message.timestamp.type": stamps})
    admin = AdminClient(base_config(broker))
    admin.create_topics([new])[topic].result()


def _read(broker: str, topic: str) -> list[Any]:
    consumer = Consumer({**base_config(broker), "group.id": topic, "enable.auto.commit": False})
    try:
        consumer.assign([TopicPartition(topic, 0, 0)])
        message = consumer.poll(30)
        assert message is not None
        return [message]
    finally:
        consumer.close()


def test_marks_have_the_header_of_their_kind() -> None:
    assert MARK == [("journeys-record", b"mark")]


async def test_marks_are_written_again_after_errors(broker: str, topic_prefix: str) -> None:
    """The client that had an error is replaced while another partition's mark is on its way."""
    topic = f"{topic_prefix}log"
    _make(broker, topic, "LogAppendTime")
    failed: asyncio.Future[BaseException] = asyncio.get_running_loop().create_future()
    marks = Marks(base_config(broker), failed.set_result, timeout_ms=1_000)
    loop = asyncio.get_running_loop()
    for _ in range(3):
        lost: asyncio.Future[Any] = loop.create_future()
        kept: asyncio.Future[Any] = loop.create_future()
        marks.write("no-such-topic", 0, lost.set_result)
        marks.write(topic, 0, kept.set_result)
        async with asyncio.timeout(60):
            assert await lost is None
            assert await kept is not None
    assert not failed.done()
