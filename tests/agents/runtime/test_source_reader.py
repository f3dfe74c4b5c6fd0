"""A partition's records arrive once each, in order, from the offset that was asked for."""

import asyncio
import contextlib
import time
import uuid
from collections.abc import AsyncIterator, Callable, Iterator
from typing import cast

import pytest
from confluent_kafka import KafkaError, Message, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic

from agents.kafka.client import base_config
from agents.runtime.source_reader import OffsetGone, SourceReader, Where, _by_partition


class Partition:
    """A receiver that can refuse to take more."""

    def __init__(self, limit: int = 1 << 30) -> None:
        self.offsets: list[int] = []
        self.taken = 0
        self.end: int | None = None
        self.limit = limit
        self.changed = asyncio.Event()

    def feed(self, messages: list[Message]) -> None:
        self.offsets += [message.offset() for message in messages]
        self.changed.set()

    def reached_end(self, offset: int) -> None:
        self.end = offset
        self.changed.set()

    def full(self) -> bool:
        return len(self.offsets) - self.taken >= self.limit

    def drained(self) -> bool:
        return len(self.offsets) - self.taken < self.limit // 2

    def take_all(self) -> None:
        self.taken = len(self.offsets)

    async def until(self, reached: Callable[[], bool], seconds: float = 60) -> None:
        async with asyncio.timeout(seconds):
            while not reached():
                self.changed.clear()
                await self.changed.wait()


class Polled:
    """A message of librdkafka's."""

    def __init__(self, offset: int, code: int | None = None) -> None:
        self._offset = offset
        self._error = None if code is None else KafkaError(code)

    def topic(self) -> str:
        return "t"

    def partition(self) -> int:
        return 0

    def offset(self) -> int:
        return self._offset

    def error(self) -> KafkaError | None:
        return self._error


def test_an_end_that_records_follow_is_none() -> None:
    end = KafkaError._PARTITION_EOF
    polled = [Polled(4), Polled(5, end), Polled(5), Polled(6)]
    slices, ends = _by_partition(cast("list[Message]", polled))
    assert [one.offset() for one in slices["t", 0]] == [4, 5, 6]
    assert ends == {}
    assert _by_partition(cast("list[Message]", [*polled, Polled(7, end)]))[1] == {("t", 0): 7}


class Log:
    """A topic and a reader of it."""

    def __init__(self, broker: str) -> None:
        self.client = base_config(broker)
        self.topic = f"log-{uuid.uuid4().hex[:8]}"
        self.admin = AdminClient(self.client)
        self.admin.create_topics([NewTopic(self.topic, 2, 1)])[self.topic].result()
        self.errors: list[BaseException] = []
        self.failed = asyncio.Event()
        self.reader = SourceReader(self.client, self.topic, self._fail)

    def _fail(self, error: BaseException) -> None:
        self.errors.append(error)
        self.failed.set()

    def where(self, partition: int) -> Where:
        return self.topic, partition

    def write(self, partition: int, count: int) -> None:
        producer = Producer({**self.client, "linger.ms": 5})
        for number in range(count):
            producer.produce(self.topic, b"%d" % number, partition=partition)
            producer.poll(0)
        assert producer.flush(30) == 0

    @contextlib.contextmanager
    def transaction(self, partition: int, count: int) -> Iterator[Producer]:
        producer = Producer({**self.client, "transactional.id": uuid.uuid4().hex})
        producer.init_transactions(30)
        producer.begin_transaction()
        for number in range(count):
            producer.produce(self.topic, b"%d" % number, partition=partition)
        assert producer.flush(30) == 0
        yield producer

    def forget(self, partition: int, before: int) -> None:
        """Deletes as retention does."""
        where = TopicPartition(self.topic, partition, before)
        self.admin.delete_records([where])[where].result()


@pytest.fixture
async def log(broker: str) -> AsyncIterator[Log]:
    log = Log(broker)
    yield log
    await log.reader.stop()
    log.reader.close()


async def test_everything_in_order_from_the_offset_asked_for(log: Log) -> None:
    log.write(0, 9_000)
    log.write(1, 100)
    first, second = Partition(), Partition()
    log.reader.start({log.where(0): (first, 1_234), log.where(1): (second, 0)})
    await first.until(lambda: first.end == 9_000)
    await second.until(lambda: second.end == 100)
    assert first.offsets == list(range(1_234, 9_000))
    assert second.offsets == list(range(100))
    log.write(1, 50)
    await second.until(lambda: second.end == 150)
    assert second.offsets == list(range(150))
    assert log.errors == []


async def test_only_the_partition_that_is_full_is_paused(log: Log) -> None:
    log.write(0, 30_000)
    slow, other = Partition(limit=2_000), Partition()
    log.reader.start({log.where(0): (slow, 0), log.where(1): (other, 0)})
    await slow.until(slow.full)
    log.write(1, 20_000)
    await other.until(lambda: len(other.offsets) == 20_000)
    assert len(slow.offsets) < 15_000
    while slow.end != 30_000:
        slow.take_all()
        log.reader.capacity.set()
        await slow.until(lambda: slow.full() or slow.end == 30_000)
    assert slow.offsets == list(range(30_000))
    assert log.errors == []


async def test_a_start_after_a_hold_begins_where_it_is_told(log: Log) -> None:
    """librdkafka keeps a pause over a new assignment."""
    log.write(0, 20_000)
    log.write(1, 10)
    slow, other = Partition(limit=1_000), Partition()
    log.reader.start({log.where(0): (slow, 0), log.where(1): (other, 0)})
    await other.until(lambda: other.end == 10)
    await slow.until(slow.full)
    log.write(1, 10)
    await other.until(lambda: other.end == 20)  # so the reader goes round while it holds the other
    await log.reader.stop()
    for offset in (700, 0, 19_990):
        again = Partition()
        log.reader.start({log.where(0): (again, offset)})
        await again.until(lambda again=again: again.end == 20_000)
        await log.reader.stop()
        assert again.offsets == list(range(offset, 20_000))


async def test_nothing_comes_after_a_stop_and_a_stop_is_prompt(log: Log) -> None:
    log.write(0, 50_000)
    partition = Partition(limit=500)
    for _ in range(5):
        log.reader.start({log.where(0): (partition, 0)})
        await partition.until(partition.full)
        begun = time.monotonic()
        await asyncio.gather(log.reader.stop(), log.reader.stop())
        assert time.monotonic() - begun < 10
        count = len(partition.offsets)
        await asyncio.sleep(0.05)
        assert len(partition.offsets) == count
        partition.offsets.clear()


async def test_a_stop_that_is_interrupted_can_be_repeated(log: Log) -> None:
    log.write(0, 100)
    log.reader.start({log.where(0): (Partition(), 0)})
    stopping = asyncio.ensure_future(log.reader.stop())
    await asyncio.sleep(0)
    stopping.cancel()
    await log.reader.stop()
    partition = Partition()
    log.reader.start({log.where(0): (partition, 40)})
    await partition.until(lambda: partition.end == 100)
    assert partition.offsets == list(range(40, 100))


async def test_a_busy_event_loop_is_not_buried_under_records(log: Log) -> None:
    log.write(0, 60_000)
    partition = Partition(limit=4_000)
    log.reader.start({log.where(0): (partition, 0)})
    time.sleep(1.5)  # noqa: ASYNC251 - the loop is busy; the reader could read all of it meanwhile
    await partition.until(lambda: partition.full())
    await asyncio.sleep(0.3)
    assert len(partition.offsets) < 20_000


async def test_the_end_is_past_control_records_and_aborted_records(log: Log) -> None:
    partition = Partition()
    log.reader.start({log.where(0): (partition, 0)})
    with log.transaction(0, 3) as committed:
        committed.commit_transaction(30)
    await partition.until(lambda: partition.end == 4)
    with log.transaction(0, 5) as aborted:
        aborted.abort_transaction(30)
    await partition.until(lambda: partition.end == 10)
    assert partition.offsets == [0, 1, 2]


async def test_an_open_transaction_ends_what_can_be_read(log: Log) -> None:
    log.write(0, 2)
    partition = Partition()
    with log.transaction(0, 3) as open_one:
        log.write(0, 2)
        log.reader.start({log.where(0): (partition, 0)})
        await partition.until(lambda: partition.end == 2)
        assert partition.offsets == [0, 1]
        open_one.commit_transaction(30)
    await partition.until(lambda: partition.end == 8)
    assert partition.offsets == [0, 1, 2, 3, 4, 5, 6]


@pytest.mark.parametrize("wanted", [0, 5])
async def test_an_offset_that_retention_deleted_is_an_error(log: Log, wanted: int) -> None:
    log.write(0, 20)
    log.forget(0, 10)
    partition = Partition()
    log.reader.start({log.where(0): (partition, wanted)})
    async with asyncio.timeout(60):
        await log.failed.wait()
    assert isinstance(log.errors[0], OffsetGone)
    assert partition.offsets == []


async def test_an_offset_past_the_end_is_an_error(log: Log) -> None:
    log.write(0, 20)
    log.reader.start({log.where(0): (Partition(), 21)})
    async with asyncio.timeout(60):
        await log.failed.wait()
    assert isinstance(log.errors[0], OffsetGone)


async def test_an_error_of_a_receiver_is_reported(log: Log) -> None:
    class Broken(Partition):
        def feed(self, messages: list[Message]) -> None:
            raise ValueError("a bug of the loop")

    log.write(0, 1)
    log.reader.start({log.where(0): (Broken(), 0)})
    async with asyncio.timeout(60):
        await log.failed.wait()
    assert isinstance(log.errors[0], ValueError)
