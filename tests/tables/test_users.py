"""The processor on the records that a worker has: those of the batch itself count like others."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from journeys.engine.processor import Clock, PartitionProcessor
from journeys.records.effects import Effects
from journeys.records.input import Input
from tables.changelog import Position
from tables.store import Store
from tables.users import CODEC, UserRecords
from tables.view import View
from tests.journeys.builders import START, Versions, journey

TOUR = journey("w: {type: wait_for_event, event: b, within: forever}", entry="event: a")


@pytest.mark.parametrize("clock", ["wall", "stream"])
@pytest.mark.parametrize("size", [1, 2, 3])
def test_an_archive_ends_what_began_in_its_own_batch(
    tmp_path: Path, clock: Clock, size: int
) -> None:
    versions = Versions(TOUR)
    running = versions.running()
    versions.turn("tour", "archived", 1)
    archived = versions.running(running)
    view = View(Store(tmp_path / "0"), CODEC)
    processor = PartitionProcessor(
        UserRecords(view), running, clock, START, at_barrier=lambda _: archived
    )
    enter = [
        Input("events", 0, offset, None, json.dumps({"event": "a", "userId": user}).encode(), START)
        for offset, user in enumerate("uv")
    ]
    inputs = [*enter, Input("events", 0, 2, None, b'{"config": 1}', START, "barrier")]
    told: list[str] = []
    for batch, begin in enumerate(range(0, len(inputs), size)):
        effects, more = Effects(), True
        assert processor.apply(inputs[begin : begin + size], effects) == len(inputs[begin:][:size])
        while more:
            more = processor.sweep(effects)
        view._store.write(view.changes(), batch + 1, Position(batch))
        view.committed()
        told += [one.type for one in effects.outcomes]
    assert told.count("journey.entered") == told.count("journey.exited") == 2
