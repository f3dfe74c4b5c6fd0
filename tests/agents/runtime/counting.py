"""The role under test: per user a counter, a hash chain over the source offsets, and timers.

It has no guard of its own against losses or repeats, so every one of them shows in its state.
Inputs: `e` counts; `w:MS` counts and sets a timer MS after the record's arrival; `c` counts and
cancels the user's timers; `q` counts quietly. Every other input and every timer sends one output.
"""

import asyncio
import itertools
import os
import signal
import threading
import zlib
from pathlib import Path
from typing import Any

import msgspec
from confluent_kafka import Message

from agents.host.app import App
from agents.host.worker import run
from agents.kafka.client import base_config
from agents.runtime.marks import MARK
from agents.runtime.partition import Batch
from agents.runtime.transaction import TransactionalProducer
from tables.codec import Codec


class State(msgspec.Struct, frozen=True, array_like=True):
    count: int = 0
    chain: int = 0
    waits: tuple[tuple[int, int], ...] = ()  # (due ms, offset that set it)
    fired: tuple[int, ...] = ()
    cancelled: tuple[int, ...] = ()


CODEC: Codec[State] = Codec(
    msgspec.msgpack.Encoder().encode,
    msgspec.msgpack.Decoder(State).decode,
    lambda state: min((due for due, _ in state.waits), default=None),
)


def apply_input(state: State, offset: int, value: bytes, arrived: int) -> State:
    chain = zlib.crc32(b"%d" % offset, state.chain)
    waits, cancelled = state.waits, state.cancelled
    if value.startswith(b"w:"):
        waits = (*waits, (arrived + int(value[2:]), offset))
    elif value == b"c":
        cancelled = cancelled + tuple(setter for _, setter in waits)
        waits = ()
    return State(state.count + 1, chain, waits, state.fired, cancelled)


def compute(batch: Batch, out: str) -> None:
    view, partition = batch.view, batch.partition
    batch.urgent = False
    for message in batch.inputs:
        if is_mark(message):
            continue
        user = message.key()
        before = view.get(user) or State()
        state = apply_input(before, message.offset(), message.value(), message.timestamp()[1])
        view.put(user, state)
        if message.value() != b"q":
            output = msgspec.json.encode([f"e-{partition}-{message.offset()}"])
            batch.send(out, user, output, partition)
    for _ in range(1000):
        first = view.next_due()
        if first is None or first[0] > batch.watermark:
            return
        due, user = first
        state = view.get(user)
        assert state is not None, "a due-time entry without its record"
        setters = tuple(setter for when, setter in state.waits if when == due)
        assert setters, "a due-time entry that the record does not have"
        for setter in setters:
            output = [f"t-{partition}-{setter}", due, batch.now]
            batch.send(out, user, msgspec.json.encode(output), partition)
        waits = tuple(wait for wait in state.waits if wait[0] != due)
        view.put(
            user,
            State(state.count, state.chain, waits, state.fired + setters, state.cancelled),
        )
    batch.more_timers = True


class SelfKilling(TransactionalProducer):
    """Kills its own process at a chosen instruction of the protocol, from its n-th commit on."""

    point, nth = "", 0
    begun = itertools.count(1)  # next() on it is atomic: the partitions commit in threads
    chosen = False

    def commit(self, *args: Any) -> int:
        # Not that one alone: a commit that no batch of the role made never gets to some points.
        self.chosen = 0 < self.nth <= next(self.begun)
        if self.chosen and self.point == "inside commit":
            threading.Timer(0.002, die).start()
        result = super().commit(*args)
        self.die_at("after commit, before RocksDB")
        return result

    def begin(self) -> None:
        super().begin()
        self.die_at("after begin")

    def end(self) -> None:
        if self.chosen and self.point == "after produce":
            self._producer.flush(5)
        self.die_at("after produce")
        super().end()

    def die_at(self, point: str) -> None:
        if self.chosen and self.point == point:
            die()


def is_mark(message: Message) -> bool:
    """Whether it is one that a worker wrote for its timers."""
    return MARK[0] in (message.headers() or ())


def held() -> bool:
    """Whether a batch must not end yet: as long as a file exists. Another file reports the hold."""
    if "HOLD" not in os.environ or not Path(os.environ["HOLD"]).exists():
        return False
    Path(f"{os.environ['HOLD']}.holds").touch()
    return True


def may_end() -> bool:
    """Whether a batch counts for END_BATCH: from the start, or once a file is there."""
    return "END_FROM" not in os.environ or Path(os.environ["END_FROM"]).exists()


def die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def main() -> None:
    environment = os.environ
    name = environment["NAME"]
    app = App(
        name,
        broker=environment["BROKER"],
        client=base_config(environment["BROKER"]),
        state_dir=Path(environment["STATE"]),
        group=environment.get("GROUP"),
    )
    if point := environment.get("KILL_AT"):
        SelfKilling.point, nth = point.rsplit(":", 1)
        SelfKilling.nth = int(nth)
        app.producer_class = SelfKilling
    end_badly, _, nth_batch = environment.get("END_BATCH", "::0").rpartition(":")
    batches_begun = itertools.count(1)
    source = app.source(f"in-{name}", changelog=f"log-{name}", codec=CODEC, timers="log")

    @app.agent(source.batches, concurrency=4)
    async def counting(batches: Any) -> None:
        async for batch in batches:
            async with batch:
                compute(batch, f"out-{name}")
                while held():  # noqa: ASYNC110 - another process ends it
                    await asyncio.sleep(0.02)
                if may_end() and next(batches_begun) == int(nth_batch):
                    if end_badly == "error":
                        raise ValueError("a bug of the role")
                    asyncio.current_task().cancel()
                    await asyncio.sleep(0)
            producer = batch.loop.producer
            if isinstance(producer, SelfKilling):
                producer.die_at("after acknowledge")

    run(app, "counting", watchdog_limit=45, log_level=environment.get("LOGLEVEL", "WARN"))


if __name__ == "__main__":
    main()
