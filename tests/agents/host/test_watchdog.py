"""A process that does nothing ends; one that rightly waits, or works for long, is let alone."""

import os
import subprocess
import time
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest
from confluent_kafka import Producer
from confluent_kafka.admin import AdminClient, NewTopic

from agents.errors import EXIT_FAILED
from tables.changelog import POSITION_KEY, Position
from tests.agents.runtime.counting import CODEC, State
from tests.forked import Forked

ROOT = Path(__file__).parents[3]
LIMIT = 12.0

ENDS = {
    "blocks the event loop": "the event loop has been blocked",
    "loses aiokafka's coordinator": "coordinator task has ended",
    "loses a service of Faust": "a service of Faust's",
    "never ends a rebalance": "not ready for",
    "hangs in a batch": "/0: work without progress",
    "hears nothing from its consumer": "/0: work without progress",
    "hangs in a call": "calls to elsewhere: work without progress",
    "loses the watchdog's own beat": "NoneType",
    "nobody reads its stderr": "",
}
LIVES = (
    "is idle",
    "has no room",
    "waits for an open transaction",
    "waits for a long call",
    "restores slowly",
)


class Worker:
    """A worker of a job of its own."""

    def __init__(self, broker: str, how: str, directory: Path, records: int = 260) -> None:
        """records: that are restored slowly, twenty a second."""
        self.client = {"bootstrap.servers": broker}
        self.how = how
        self.name = f"watch-{uuid.uuid4().hex[:8]}"
        self.output = directory / "output"
        topics = [NewTopic(f"in-{self.name}", 1, 1), NewTopic(f"log-{self.name}", 1, 1)]
        admin = AdminClient(self.client)
        for created in admin.create_topics(topics).values():
            created.result()
        self._prepare(records)
        environment = {
            "NAME": self.name,
            "BROKER": broker,
            "HOW": how,
            "STATE": str(directory / "state"),
            "LIMIT": str(LIMIT),
        }
        unread = how == "nobody reads its stderr"
        self._unread: tuple[int, int] = os.pipe()
        with self.output.open("ab") as output:
            self.process = Forked(
                "tests.agents.runtime.misbehaving",
                [],
                environment={**os.environ, **environment},
                stdout=output,
                stderr=self._unread[1] if unread else output,
            )
        self.started = time.monotonic()

    def _prepare(self, records: int) -> None:
        source, changelog = f"in-{self.name}", f"log-{self.name}"
        producer = Producer({**self.client, "transactional.id": self.name})
        producer.init_transactions(30)
        producer.begin_transaction()
        if self.how == "restores slowly":
            for number in range(records):
                value = CODEC.pack(State(number), None)
                producer.produce(changelog, key=b"%d" % number, value=value, partition=0)
            producer.produce(changelog, key=POSITION_KEY, value=Position(0).pack(), partition=0)
        else:
            producer.produce(source, key=b"u", value=b"e", partition=0)
        producer.commit_transaction(30)
        if self.how == "waits for an open transaction":
            producer.begin_transaction()
            for _ in range(10):
                producer.produce(source, key=b"u", value=b"e", partition=0)
            assert producer.flush(30) == 0
        self._producer = producer  # keeps the transaction open

    def close(self) -> None:
        self.process.kill()
        self.process.wait()
        for file in self._unread:
            os.close(file)


@pytest.fixture(scope="module")
def workers(broker: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Worker]]:
    """All at once, as most of their time is waiting."""
    workers = {
        how: Worker(broker, how, tmp_path_factory.mktemp("worker")) for how in (*ENDS, *LIVES)
    }
    yield workers
    for worker in workers.values():
        worker.close()


@pytest.mark.fault
@pytest.mark.parametrize("how", ENDS)
def test_a_worker_ends_that(workers: dict[str, Worker], how: str) -> None:
    worker = workers[how]
    assert worker.process.wait(120) == EXIT_FAILED
    assert ENDS[how] in worker.output.read_text()


@pytest.mark.fault
def test_a_stop_does_not_wait_for_a_long_restore(broker: str, tmp_path: Path) -> None:
    worker = Worker(broker, "restores slowly", tmp_path, records=2_600)
    while not (tmp_path / "state" / f"log-{worker.name}" / "0").exists():
        assert time.monotonic() - worker.started < 90
        time.sleep(0.05)
    worker.process.terminate()
    assert worker.process.wait(60) == 0
    worker.close()


@pytest.mark.fault
@pytest.mark.parametrize("how", LIVES)
def test_a_worker_goes_on_that(workers: dict[str, Worker], how: str) -> None:
    worker = workers[how]
    with pytest.raises(subprocess.TimeoutExpired):
        worker.process.wait(max(0.1, worker.started + 28 - time.monotonic()))
    worker.process.terminate()
    assert worker.process.wait(60) == 0
    assert "stopped" not in worker.output.read_text()
