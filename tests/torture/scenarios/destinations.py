"""A destination that is away, slow, or fails."""

from __future__ import annotations

from dataclasses import replace
from zlib import crc32

from tests.agents.delivery.receiver import Reply, Request
from tests.torture.scenarios.base import scenario
from tests.torture.stage import Stage, well


@scenario(80)
def destination_down_60s(stage: Stage) -> None:
    stage.some(2, 4)
    stage.receiver.close_port()
    stage.answer("down", lambda request, before: Reply(reset=True), stage.length(60))
    stage.receiver.open_port()


@scenario(50)
def destination_slow(stage: Stage) -> None:
    """10 s for one call in five."""

    def slow(request: Request, before: int) -> Reply:
        reply = well(request, before)
        return replace(reply, delay=10) if crc32(request.key.encode()) % 5 == 0 else reply

    stage.some(2, 4)
    stage.answer("10 s an answer", slow, stage.length(30, 10))


@scenario(50)
def destination_fails(stage: Stage) -> None:
    """429, 500, resets before and after the answer was made, and half answers."""

    def fails(request: Request, before: int) -> Reply:
        reply = well(request, before)
        return stage.chance.choice(
            [
                reply,
                Reply(429, headers={"Retry-After": "1"}),
                Reply(429),
                Reply(500),
                Reply(503, headers={"Retry-After": "2"}),
                Reply(reset=True),
                Reply(reset=True, delay=1),
            ]
        )

    stage.some(2, 4)
    stage.answer("429, 500 and resets", fails, stage.length(35))
    for _ in stage.rounds(5):
        stage.some(0.5, 2)
        stage.kill("deliver")
