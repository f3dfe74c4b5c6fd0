"""The toy step on this engine's loop, exactly once: a role like agents/roles/evaluate.py.

toys.py runs it and sets the environment variables that it reads.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import msgspec

from agents.host.app import App
from agents.host.worker import run
from agents.kafka.client import base_config
from agents.runtime.partition import Batch
from benchmarks.contenders.toy import step
from tables.codec import Codec

_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder().decode


def build(name: str, broker: str, source: str, output: str, state: Path) -> App:
    """The role's app; the topics exist."""
    app = App(name, broker=broker, client=base_config(broker), state_dir=state)
    events = app.source(
        source, changelog=f"{name}-changelog", codec=Codec(_encode, _decode), timers="none"
    )

    @app.agent(events.batches, concurrency=4)
    async def toy(batches: Any) -> None:
        async for batch in batches:
            async with batch:
                compute(batch)

    def compute(batch: Batch) -> None:
        view, partition = batch.view, batch.partition
        for message in batch.inputs:
            key = message.key()
            record, out = step(view.get(key), _decode(message.value()))
            view.put(key, record)
            if out is not None:
                batch.send(output, key, _encode(out), partition)
        batch.consumed = len(batch.inputs)

    return app


if __name__ == "__main__":
    environment = os.environ
    run(
        build(
            environment["NAME"],
            environment["BROKER"],
            environment["INPUT"],
            environment["OUTPUT"],
            Path(environment["STATE"]),
        ),
        "toy",
    )
