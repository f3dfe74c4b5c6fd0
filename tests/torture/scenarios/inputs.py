"""Inputs that are odd, hostile, forged or many."""

from __future__ import annotations

import json

from tests.torture.scenarios.base import scenario
from tests.torture.stage import Stage
from tests.torture.traffic import Traffic


@scenario(30)
def poison_inputs(stage: Stage) -> None:
    """Records that are no events, in between; each is answered and stops nobody."""
    nobodys: list[bytes] = [
        b"",
        b"\xff\xfe",
        b"{",
        b"[" * 100_000,
        b'{"event": "tick"}',
        b'{"event": "tick", "userId": ""}',
        b"null",
        b'"tick"',
        b'{"event": "tick", "userId": "\\ud800"}',
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
