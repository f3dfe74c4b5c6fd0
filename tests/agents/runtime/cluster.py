"""Drives counting workers on a real Kafka and keeps an account of every input, output and timer."""

import os
import random
import signal
import threading
import time
import uuid
import zlib
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import msgspec
from confluent_kafka import Consumer, KafkaError, Message, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, ConsumerGroupDescription, NewTopic

from tables.changelog import POSITION_KEY, Position
from tests.agents.runtime.counting import CODEC, State, is_mark
from tests.forked import Forked


@dataclass
class Account:
    """What became of the inputs; every field but `inputs`, `timers` and `fired` must be 0."""

    inputs: int = 0
    timers: int = 0
    fired: int = 0
    not_applied: int = 0
    applied_twice: int = 0
    wrong_order: int = 0
    outputs_lost: int = 0
    outputs_repeated: int = 0
    timers_lost: int = 0
    timers_twice: int = 0
    timers_early: int = 0
    timers_overtook_the_log: int = 0
    unexpected_exits: list[str] = field(default_factory=list)

    def faults(self) -> dict[str, object]:
        neutral = ("inputs", "timers", "fired")
        return {k: v for k, v in vars(self).items() if k not in neutral and v}


def mixed(chance: random.Random) -> bytes:
    """An input of any kind."""
    kind = chance.random()
    if kind > 0.9:
        return b"c"
    if kind > 0.7:
        return b"w:%d" % chance.randrange(300, 3_000)
    return b"q" if kind > 0.3 else b"e"


class Cluster:
    """A job of its own topics with any number of workers."""

    def __init__(self, broker: str, directory: Path, partitions: int = 4) -> None:
        self.broker = broker
        self.directory = directory
        self.partitions = partitions
        self.name = f"count-{uuid.uuid4().hex[:8]}"
        self.workers: dict[int, Forked] = {}
        admin = AdminClient({"bootstrap.servers": broker})
        stamped = {"message.timestamp.type": "LogAppendTime"}
        topics = [
            NewTopic(f"in-{self.name}", partitions, 1, config=stamped),
            NewTopic(f"out-{self.name}", partitions, 1),
            NewTopic(
                f"log-{self.name}", partitions, 1, config={**stamped, "cleanup.policy": "compact"}
            ),
        ]
        for future in admin.create_topics(topics).values():
            future.result()

    # ---- workers
    def start(self, number: int, **environment: str) -> None:
        with (self.directory / f"worker-{number}.log").open("ab") as log:
            self.workers[number] = Forked(
                "tests.agents.runtime.counting",
                [],
                environment={
                    **os.environ,
                    "NAME": self.name,
                    "BROKER": self.broker,
                    "STATE": str(self.directory / f"state-{number}"),
                    **environment,
                },
                stdout=log,
                stderr=log,
            )

    def log(self, number: int) -> str:
        return (self.directory / f"worker-{number}.log").read_text()

    def kill(self, number: int) -> None:
        self.workers[number].kill()
        self.workers[number].wait()

    def freeze(self, number: int) -> None:
        self.workers[number].send_signal(signal.SIGSTOP)

    def thaw(self, number: int) -> None:
        self.workers[number].send_signal(signal.SIGCONT)

    def wait_for_exit(self, number: int, seconds: float = 120) -> int:
        return self.workers[number].wait(seconds)

    def stop(self, number: int, seconds: float = 60) -> int:
        """Asks for a graceful stop; returns the exit code."""
        self.workers[number].terminate()
        return self.workers[number].wait(seconds)

    def close(self) -> None:
        for process in self.workers.values():
            if process.poll() is None:
                process.kill()
                process.wait()

    # ---- traffic
    def produce(
        self,
        count: int,
        *,
        users: int = 200,
        rate: float = 0,
        seed: int = 1,
        values: Callable[[random.Random], bytes] = mixed,
    ) -> None:
        """Writes `count` inputs; rate: per second, 0 for as fast as possible."""
        producer = Producer(
            {
                "bootstrap.servers": self.broker,
                "enable.idempotence": True,
                "linger.ms": 5,
                "message.timeout.ms": 300_000,
                "reconnect.backoff.max.ms": 1_000,
                "log_level": 0,
            }
        )
        chance = random.Random(seed)
        started = time.monotonic()
        for number in range(count):
            user = chance.randrange(users)
            producer.produce(
                f"in-{self.name}",
                key=b"u%d" % user,
                value=values(chance),
                partition=user % self.partitions,
            )
            producer.poll(0)
            if rate:
                ahead = number / rate - (time.monotonic() - started)
                if ahead > 0.005:
                    producer.poll(ahead)
        assert producer.flush(120) == 0

    def produce_beside(self, count: int, rate: float, **options: int) -> threading.Thread:
        thread = threading.Thread(
            target=self.produce, args=(count,), kwargs={"rate": rate, **options}, daemon=True
        )
        thread.start()
        return thread

    # ---- account
    def read(self, topic: str) -> Iterator[Message]:
        """All committed records; each partition's in order."""
        consumer = Consumer(
            {
                "bootstrap.servers": self.broker,
                "group.id": uuid.uuid4().hex,
                "enable.auto.commit": False,
                "isolation.level": "read_committed",
                "enable.partition.eof": True,
                "fetch.wait.max.ms": 10,
            }
        )
        try:
            consumer.assign([TopicPartition(topic, p, 0) for p in range(self.partitions)])
            reading, limit = set(range(self.partitions)), time.monotonic() + 60
            while reading:
                assert time.monotonic() < limit, f"{topic}: {reading} do not end"
                for message in consumer.consume(5_000, 0.1):
                    if message.error() is None:
                        yield message
                    else:
                        assert message.error().code() == KafkaError._PARTITION_EOF
                        reading.discard(message.partition())
        finally:
            consumer.close()

    def applied(self) -> dict[int, int]:
        """The next source offset that each partition's changelog holds."""
        positions: dict[int, int] = {}
        for message in self.read(f"log-{self.name}"):
            if message.key() == POSITION_KEY:
                positions[message.partition()] = Position.unpack(message.value()).source
        return positions

    def transactions(self) -> int:
        """How many were committed."""
        return sum(message.key() == POSITION_KEY for message in self.read(f"log-{self.name}"))

    def states(self) -> dict[bytes, State]:
        states = {}
        for message in self.read(f"log-{self.name}"):
            if message.key() != POSITION_KEY:
                states[message.key()] = CODEC.unpack(message.value())[0]
        return states

    def wait_until_owned(self, seconds: float = 120) -> None:
        """Waits until every partition has had an owner: the first owner records where it begins."""
        limit = time.monotonic() + seconds
        while len(owned := self.applied()) < self.partitions:
            assert time.monotonic() < limit, f"only {sorted(owned)} are owned"
            threading.Event().wait(0.1)

    def wait_for_members(self, count: int, seconds: float = 60) -> None:
        """Waits until the group has so many members, also while it rebalances."""
        admin = AdminClient({"bootstrap.servers": self.broker})
        limit = time.monotonic() + seconds
        while len(self._group(admin).members) != count:
            assert time.monotonic() < limit, f"the group does not have {count} members"
            threading.Event().wait(0.1)

    def _group(self, admin: AdminClient) -> ConsumerGroupDescription:
        (described,) = admin.describe_consumer_groups([self.name]).values()
        description: ConsumerGroupDescription = described.result()
        return description

    def drained(self, seconds: float = 150) -> None:
        """Waits until every input is applied and every timer has fired or was cancelled."""
        ends = Counter(m.partition() for m in self.read(f"in-{self.name}"))
        limit = time.monotonic() + seconds
        applied: dict[int, int] = {}
        waiting = -1
        while time.monotonic() < limit:
            applied = self.applied()
            if all(applied.get(p, 0) >= end for p, end in ends.items()):
                waiting = sum(len(state.waits) for state in self.states().values())
                if waiting == 0:
                    return
            threading.Event().wait(0.5)
        raise AssertionError(f"not drained: ends {dict(ends)}, applied {applied}, {waiting} waits")

    def account(self) -> Account:
        result = Account()
        inputs: dict[bytes, list[Message]] = defaultdict(list)
        for message in self.read(f"in-{self.name}"):
            if is_mark(message):
                continue
            inputs[message.key()].append(message)
            result.inputs += 1
            result.timers += message.value().startswith(b"w:")
        states = self.states()
        outputs: Counter[str] = Counter()
        fired_at: dict[str, tuple[int, int]] = {}
        for message in self.read(f"out-{self.name}"):
            name, *times = msgspec.json.decode(message.value())
            outputs[name] += 1
            if times:
                fired_at[name] = (times[0], times[1])
        result.outputs_repeated = sum(count - 1 for count in outputs.values())
        result.fired = len(fired_at)
        result.timers_early = sum(now < due for due, now in fired_at.values())
        for user, messages in inputs.items():
            state = states.get(user, State())
            partition = messages[0].partition()
            chain = 0
            for message in messages:
                chain = zlib.crc32(b"%d" % message.offset(), chain)
                told = f"e-{partition}-{message.offset()}" in outputs
                result.outputs_lost += not told and message.value() != b"q"
            result.not_applied += max(0, len(messages) - state.count)
            result.applied_twice += max(0, state.count - len(messages))
            result.wrong_order += chain != state.chain
            set_by = [m.offset() for m in messages if m.value().startswith(b"w:")]
            ended = Counter([*state.fired, *state.cancelled])
            result.timers_lost += sum(offset not in ended for offset in set_by)
            result.timers_twice += sum(count - 1 for count in ended.values())
            cancels = [m for m in messages if m.value() == b"c"]
            for offset in state.fired:
                due, _ = fired_at.get(f"t-{partition}-{offset}", (0, 0))
                result.outputs_lost += due == 0
                result.timers_overtook_the_log += any(
                    c.offset() > offset and c.timestamp()[1] < due for c in cancels
                )
        return result
