"""A worker that goes wrong in a way of choice, or is rightly idle, for the watchdog's tests."""

import asyncio
import os
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from confluent_kafka import Consumer, Message, Producer

from agents.host.app import App
from agents.host.worker import run
from agents.kafka.client import base_config
from tables import restore as restoring
from tables.store import Store
from tests.agents.runtime.counting import CODEC, State


class Deaf:
    """A consumer that gets no more records, and doesn't know that there are any."""

    def __init__(self, consumer: Consumer) -> None:
        self._consumer = consumer

    def consume(self, count: int, seconds: float) -> list[Message]:
        time.sleep(seconds)
        return []

    def __getattr__(self, name: str) -> Any:
        return getattr(self._consumer, name)


class Misbehaving(App):
    """Its `how` selects what goes wrong once it is ready."""

    how = ""

    async def on_started(self) -> None:
        await super().on_started()
        self._evil = asyncio.ensure_future(self._misbehave())

    async def _misbehave(self) -> None:
        while not self.ready():  # noqa: ASYNC110
            await asyncio.sleep(0.05)
        await asyncio.sleep(1.5)  # the watchdog has seen that
        match self.how:
            case "blocks the event loop":
                time.sleep(60)  # noqa: ASYNC251
            case "loses aiokafka's coordinator":
                self.consumer._thread._consumer._coordinator._coordination_task.cancel()
            case "loses a service of Faust":
                await self.consumer.crash(RuntimeError("a service of Faust's"))
            case "never ends a rebalance":
                self.on_rebalance_start()
                await self.quiesce()
            case "hears nothing from its consumer":
                assert self._reader is not None
                self._reader._consumer = Deaf(self._reader._consumer)
                await asyncio.sleep(0.5)  # its last real answer has come
                producer = Producer(self.client)
                producer.produce(f"in-{self.conf.id}", key=b"u", value=b"unheard", partition=0)
                assert producer.flush(30) == 0
            case "hangs in a call":
                self.calls["elsewhere"] = SimpleNamespace(ended=7, has_work=True, longest=1.0)
            case "waits for a long call":
                self.calls["elsewhere"] = SimpleNamespace(ended=7, has_work=True, longest=60.0)
            case "loses the watchdog's own beat":
                self.ownership.loops = None  # type: ignore[assignment]
            case _:
                pass


def main() -> None:
    name, broker, how = (os.environ[key] for key in ("NAME", "BROKER", "HOW"))
    if how == "restores slowly":
        restoring._BATCH = 10
        Store.write = slowly(Store.write)  # type: ignore[method-assign]
    Misbehaving.how = how
    app = Misbehaving(
        name, broker=broker, client=base_config(broker), state_dir=Path(os.environ["STATE"])
    )
    capacity = 0 if how == "has no room" else 1_000
    source = app.source(
        f"in-{name}",
        changelog=f"log-{name}",
        codec=CODEC,
        timers="log",
        capacity=lambda _: capacity,
    )

    @app.agent(source.batches)
    async def agent(batches: Any) -> None:
        async for batch in batches:
            async with batch:
                if how == "hangs in a batch" and batch.inputs:
                    await asyncio.Event().wait()
                for message in batch.inputs:
                    batch.view.put(message.key(), State(message.offset()))

    if how == "nobody reads its stderr":
        fill_stderr()
    run(app, "misbehaving", watchdog_limit=float(os.environ["LIMIT"]))


def slowly(write: Any) -> Any:
    def wait(*args: Any, **options: Any) -> None:
        if args[1]:
            time.sleep(0.5)
        write(*args, **options)

    return wait


def fill_stderr() -> None:
    """Leaves no room in the pipe, then blocks the event loop."""
    Misbehaving.how = "blocks the event loop"
    os.set_blocking(2, False)
    try:
        while True:
            os.write(2, b"x" * 1000)
    except BlockingIOError:
        os.set_blocking(2, True)


if __name__ == "__main__":
    main()
