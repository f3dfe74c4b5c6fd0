"""Inputs that are odd, hostile, forged or many."""

from __future__ import annotations

import json
from dataclasses import replace

from agents.kafka.topics import EVENTS
from tests.agents.delivery.receiver import Reply, Request
from tests.torture import hostile
from tests.torture.forgeries import forge_answers, forgeries, is_real, write
from tests.torture.scenarios.base import scenario
from tests.torture.stage import Stage, well
from tests.torture.traffic import Traffic

KEYS = "a key of thirty-two characters, or more".replace(" ", "-").replace(",", "")


@scenario(30)
def poison_inputs(stage: Stage) -> None:
    """Records that are not events, in between; each is reported and stops no one."""
    nobodys: list[bytes] = [
        b"",
        b"\xff\xfe",
        b"{",
        b"[" * 100_000,
        b'{"event": "tick"}',
        b'{"event": "tick", "userId": ""}',
        b"null",
        b'"tick"',
        b'{"event": "tick", "userId": 5.5}',
        b"1e999",
    ]
    u1s = [
        b'{"event": 5, "userId": "u1"}',
        b'{"event": "tick", "userId": "u1", "properties": []}',
        b'{"event": "tick", "userId": "u1", "timestamp": "yesterday"}',
        json.dumps({"event": "tick", "userId": "u1", "properties": "x" * 200_000}).encode(),
    ]
    for _ in stage.rounds(10):
        for value in stage.chance.sample(nobodys, 4):
            stage.traffic.send_raw(value, stage.chance.choice([None, b"u1", b"\xff"]))
        stage.traffic.send_raw(stage.chance.choice(u1s), b"u1")
        stage.some(0.5, 2)
        if stage.chance.random() < 0.3:
            stage.kill("evaluate")


@scenario(40, rate=100)
def burst(stage: Stage) -> None:
    """Twenty times the rate."""
    stage.pause(10)
    stage.done["burst"] += 1
    second = Traffic(stage.bootstrap, stage.chance.randrange(1 << 30), "burst-")
    second.play(5, 2_000)
    stage.kill("evaluate")


def _forge(stage: Stage, seconds: float, rate: float) -> None:
    """Writes forged and replayed records of the engine's own beside what users do."""
    every = forgeries(stage.chance, [one for one in stage.stack.read(EVENTS) if is_real(one)])
    stage.done["forged"] += (count := int(seconds * rate))
    for _ in range(count):
        write(stage.traffic, next(every))
        stage.pause(1 / rate)


@scenario(40, rate=100)
def engine_records_forged(stage: Stage) -> None:
    """Anyone who may write events writes the engine's own records; each costs at most itself, also
    when workers start again behind it."""
    for _ in stage.rounds(3):
        stage.pause(3)
        _forge(stage, 8, rate=30)
        stage.kill("evaluate")


@scenario(40, rate=100, environment={"JOURNEYS_RECORD_KEYS": KEYS})
def engine_records_forged_with_keys(stage: Stage) -> None:
    """Where the engine signs its own, answers forged for requests that wait for theirs are refused,
    too."""

    def late(request: Request, before: int) -> Reply:
        return replace(well(request, before), delay=2 if request.path == "/answers" else 0)

    stage.receiver.rule = late
    for _ in stage.rounds(3):
        stage.pause(3)
        _forge(stage, 4, rate=30)
        for _ in range(8):
            stage.pause(0.5)
            stage.done["answers forged"] += forge_answers(
                stage.traffic, stage.stack.actions("answers"), stage.stack.read(EVENTS)
            )
        stage.kill("evaluate")


@scenario(60, rate=60)
def hostile_expressions_and_giant_events(stage: Stage) -> None:
    """Expressions that would take all memory or time there is, on events as large as they may be,
    beside users who notice nothing."""
    for name, document in hostile.DOCUMENTS.items():
        (verdict, *_) = stage.stack.apply(document)
        stage.done[f"{name} {verdict['type'].removeprefix('config.')}"] += 1
    for _ in stage.rounds(6):
        stage.pause(2)
        for value, key in hostile.events(stage.chance):
            stage.traffic.send_raw(value, key)
            stage.pause(0.1)
        stage.done["giant events"] += 1
