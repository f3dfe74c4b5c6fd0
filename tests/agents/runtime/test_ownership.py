"""Partitions are taken over and given up whole, however often a rebalance interrupts."""

import asyncio
import random
import uuid
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from confluent_kafka import KafkaException, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic

from agents.host.app import App
from agents.kafka.client import base_config
from agents.runtime.ownership import _begin
from agents.runtime.partition import PartitionLoop
from agents.runtime.source_reader import OffsetGone, Where
from agents.runtime.transaction import Outputs
from tables.changelog import Position
from tables.log_ends import LogEnds
from tables.store import Change, Store
from tests.agents.runtime.counting import CODEC, State
from tests.loopback import delete_topics

PARTITIONS = 6
LOG = LogEnds("now", 10, 50)


class Job:
    """A role's topics, and the ownership of a process that takes part in it."""

    def __init__(self, broker: str, directory: Path) -> None:
        self.broker = broker
        self.directory = directory
        self.client = base_config(broker)
        self.name = uuid.uuid4().hex[:8]
        self.source, self.changelog = f"in-{self.name}", f"log-{self.name}"
        self.admin = AdminClient(self.client)
        topics = [NewTopic(self.source, PARTITIONS, 1), NewTopic(self.changelog, PARTITIONS, 1)]
        for created in self.admin.create_topics(topics).values():
            created.result()
        self.released: list[int] = []
        self._processes: list[App] = []

    def process(self, number: int = 0, *, accept_loss: bool = False) -> App:
        app = App(
            self.name,
            broker=self.broker,
            client=self.client,
            state_dir=self.directory / str(number),
            accept_loss=accept_loss,
        )
        app.source(
            self.source, changelog=self.changelog, codec=CODEC, released=self.released.append
        )
        self._processes.append(app)
        return app

    def where(self, *partitions: int) -> set[Where]:
        return {(self.source, partition) for partition in partitions}

    def write(self, count: int, partition: int = 0) -> None:
        producer = Producer(self.client)
        for _ in range(count):
            producer.produce(self.source, b"x", partition=partition)
        assert producer.flush(30) == 0

    def forget(self, before: int) -> None:
        where = TopicPartition(self.source, 0, before)
        self.admin.delete_records([where])[where].result()

    async def close(self) -> None:
        for app in self._processes:
            await app.ownership.release()


@pytest.fixture
async def job(broker: str, tmp_path: Path) -> AsyncIterator[Job]:
    job = Job(broker, tmp_path)
    yield job
    await job.close()


def apply(
    loop: PartitionLoop, records: dict[bytes, State], source: int, topic_id: str = ""
) -> None:
    """A batch's transaction and its write to the store."""
    changes = [Change(k, CODEC.pack(record, None), None, None) for k, record in records.items()]
    loop._commit(Outputs.none(), changes, Position(source, -1, topic_id))


async def test_takes_over_and_gives_up(job: Job) -> None:
    app = job.process()
    await app.own(job.where(0, 1, 2), 1)
    assert set(app.ownership.loops) == job.where(0, 1, 2)
    kept = app.ownership.loops[job.source, 1]
    await app.own(job.where(1, 3), 2)
    assert set(app.ownership.loops) == job.where(1, 3)
    assert app.ownership.loops[job.source, 1] is kept
    assert sorted(job.released) == [0, 2]
    Store(app.state_dir / job.changelog / "0").close()  # nobody holds its lock


async def test_a_missed_generation_keeps_nothing(job: Job) -> None:
    """Somebody else may have owned the partition meanwhile."""
    app = job.process()
    await app.own(job.where(0), 1)
    before = app.ownership.loops[job.source, 0]
    await app.own(job.where(0), 3)
    assert app.ownership.loops[job.source, 0] is not before
    assert job.released == [0]


async def test_the_new_owner_has_all_that_the_old_one_wrote_and_the_old_one_writes_no_more(
    job: Job,
) -> None:
    job.write(9)
    old, new = job.process(1), job.process(2)
    await old.own(job.where(0), 1)
    apply(old.ownership.loops[job.source, 0], {b"u": State(1)}, 5)
    await new.own(job.where(0), 1)
    loop = new.ownership.loops[job.source, 0]
    assert loop.position == 5
    assert loop.view.get(b"u") == State(1)
    with pytest.raises(KafkaException, match=r"(?i)fenced|newer"):
        apply(old.ownership.loops[job.source, 0], {b"u": State(2)}, 9)
    apply(loop, {b"u": State(3)}, 6)


async def test_interrupted_anywhere_it_can_be_called_again(job: Job) -> None:
    app = job.process()
    chance = random.Random(3)
    generation = 0
    for _ in range(25):
        generation += chance.choice((1, 1, 1, 2))
        wanted = job.where(*chance.sample(range(PARTITIONS), chance.randrange(PARTITIONS + 1)))
        owning = asyncio.ensure_future(app.own(wanted, generation))
        await asyncio.sleep(chance.choice((0, 0.002, 0.01, 0.03, 0.1, 0.2)))
        owning.cancel()
        await asyncio.wait([owning])
    everything = job.where(*range(PARTITIONS))
    await app.own(everything, generation + 1)
    assert set(app.ownership.loops) == everything
    for number, loop in enumerate(app.ownership.loops.values()):
        apply(loop, {b"u": State(number)}, 7)  # none of them was fenced by ourselves
    await app.ownership.release()
    for number in range(PARTITIONS):
        Store(app.state_dir / job.changelog / str(number)).close()


async def test_a_release_waits_for_a_take_over(job: Job) -> None:
    app = job.process()
    owning = asyncio.ensure_future(app.own(job.where(0, 1, 2, 3), 1))
    await asyncio.sleep(0.05)
    owning.cancel()
    await app.ownership.release()
    await asyncio.wait([owning])
    assert app.ownership.loops == {}
    for number in range(4):
        Store(app.state_dir / job.changelog / str(number)).close()


async def test_an_open_that_fails_is_reported(job: Job) -> None:
    app = job.process()
    (app.state_dir / job.changelog).mkdir(parents=True)
    (app.state_dir / job.changelog / "0").write_text("no directory")
    with pytest.raises(Exception, match="exists"):
        await app.own(job.where(0, 1), 1)


async def test_a_new_group_begins_at_the_log_s_first_record(job: Job) -> None:
    job.write(10)
    job.forget(4)
    app = job.process()
    await app.own(job.where(0, 1), 1)
    assert app.ownership.loops[job.source, 0].position == 4
    assert app.ownership.loops[job.source, 1].position == 0


async def test_records_that_are_deleted_before_the_first_was_applied_are_missed(job: Job) -> None:
    """The first owner has applied nothing, but where it began is known to the next one."""
    job.write(10)
    first, second = job.process(1), job.process(2)
    await first.own(job.where(0), 1)
    await first.ownership.release()
    job.forget(4)
    with pytest.raises(OffsetGone, match=f"{job.source}/0: 0 to 3 are no longer in the log"):
        await second.own(job.where(0), 1)


async def test_accepting_the_loss_continues_and_reports_what_is_lost(
    job: Job, capfd: pytest.CaptureFixture[str]
) -> None:
    job.write(10)
    first, second = job.process(1), job.process(2, accept_loss=True)
    await first.own(job.where(0), 1)
    await first.ownership.release()
    job.forget(4)
    await second.own(job.where(0), 1)
    assert second.ownership.loops[job.source, 0].position == 4
    assert f"{job.source}/0: 0 to 3 were lost" in capfd.readouterr().err


@pytest.mark.parametrize(
    ("position", "former", "begin"),
    [
        (None, {}, Position(10, -1, "now")),
        (Position(20, 7, "now"), {}, Position(20, 7, "now")),
        (Position(10, 7, "now"), {}, Position(10, 7, "now")),
        (Position(50, 7, "now"), {}, Position(50, 7, "now")),
        (Position(20, 7), {}, Position(20, 7, "now")),  # of a version without ids
        (Position(20, 7, "old"), {"old": "start"}, Position(10, 7, "now")),
        (Position(99, 7, "old"), {"old": "start"}, Position(10, 7, "now")),
        (Position(20, 7, "old"), {"old": "same"}, Position(20, 7, "now")),
    ],
)
def test_a_new_owner_continues_at_the_position(
    position: Position | None, former: dict[str, str], begin: Position
) -> None:
    for accept_loss in (False, True):
        assert _begin(("in", 3), LOG, position, accept_loss, former) == begin


@pytest.mark.parametrize(
    ("position", "former", "told", "accepted"),
    [
        (
            Position(9, 7, "now"),
            {},
            "in/3: 9 to 9 are no longer in the log",
            Position(10, 7, "now"),
        ),
        (Position(9, 7), {}, "in/3: 9 to 9 are no longer in the log", Position(10, 7, "now")),
        (Position(51, 7, "now"), {}, "in/3 ends at 50, before 51", Position(50, 7, "now")),
        (Position(51, 7), {}, "in/3 ends at 50, before 51", Position(10, 7, "now")),
        (Position(20, 7, "old"), {}, "in/3 was deleted and recreated", Position(10, 7, "now")),
        (Position(99, 7, "old"), {}, "in/3 was deleted and recreated", Position(10, 7, "now")),
        (Position(5, 7, "old"), {"older": "start"}, "was deleted and", Position(10, 7, "now")),
        (Position(51, 7, "old"), {"old": "same"}, "in/3 ends at 50", Position(50, 7, "now")),
        (Position(5, 7, "old"), {"old": "same"}, "5 to 9 are no longer", Position(10, 7, "now")),
    ],
)
def test_no_owner_goes_on_beside_its_position_unless_the_loss_is_accepted(
    position: Position,
    former: dict[str, str],
    told: str,
    accepted: Position,
    capfd: pytest.CaptureFixture[str],
) -> None:
    with pytest.raises(OffsetGone, match=told):
        _begin(("in", 3), LOG, position, False, former)
    assert _begin(("in", 3), LOG, position, True, former) == accepted
    assert "in/3" in capfd.readouterr().err


@pytest.mark.parametrize("events", [3, 10, 25], ids=["shorter", "as long", "longer"])
async def test_a_worker_never_silently_continues_with_a_recreated_source(
    job: Job, events: int, capfd: pytest.CaptureFixture[str]
) -> None:
    job.write(10)
    first, second = job.process(1), job.process(2)
    await first.own(job.where(0), 1)
    topic_id = first.ownership.loops[job.source, 0]._committed.topic_id
    apply(first.ownership.loops[job.source, 0], {b"u": State(10)}, 10, topic_id)
    await first.ownership.release()
    delete_topics(job.admin, job.source)
    job.admin.create_topics([NewTopic(job.source, PARTITIONS, 1)])[job.source].result()
    job.write(events)
    with pytest.raises(OffsetGone, match=f"{job.source}/0 was deleted and recreated; 10 of"):
        await second.own(job.where(0), 1)
    third = job.process(3, accept_loss=True)
    await third.own(job.where(0), 1)
    assert third.ownership.loops[job.source, 0].position == 0
    assert "continuing at 0, the beginning of the new one" in capfd.readouterr().err
    await third.ownership.release()
    fourth = job.process(4)
    await fourth.own(job.where(0), 1)
    assert fourth.ownership.loops[job.source, 0].view.get(b"u") == State(10)
