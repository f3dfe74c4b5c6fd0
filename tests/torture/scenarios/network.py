"""A network that is cut, slow, or ends connections, between the workers and the broker and between
the workers and the destination."""

from __future__ import annotations

from contextlib import ExitStack

from tests.torture.network import DIRECTIONS, Proxy, Way
from tests.torture.scenarios.base import scenario
from tests.torture.stage import Stage

LENGTHS = (5.0, 15.0, 40.0, 90.0)


def _to_broker(stage: Stage) -> Proxy:
    return stage.cluster.nodes[0].workers


def _cut_for_each_length(stage: Stage, way: Proxy, what: str, *directions: Way) -> None:
    for length in LENGTHS[: len(stage.rounds(len(LENGTHS)))]:
        stage.some(2, 4)
        with stage.during(what), way.cut(*directions):
            stage.pause(length)
        stage.pause(stage.length(8, 4))


@scenario(190, rate=60, place="network")
def broker_cut_off(stage: Stage) -> None:
    _cut_for_each_length(stage, _to_broker(stage), "broker cut off")


@scenario(190, rate=60, place="network")
def broker_hears_nothing(stage: Stage) -> None:
    """Loss in one direction: what workers send is lost."""
    _cut_for_each_length(stage, _to_broker(stage), "broker hears nothing", "to the server")


@scenario(190, rate=60, place="network")
def broker_is_not_heard(stage: Stage) -> None:
    """The other direction: requests are carried out, and their answers are lost."""
    _cut_for_each_length(stage, _to_broker(stage), "broker is not heard", "to the client")


@scenario(60, rate=60, place="network")
def broker_far_away(stage: Stage) -> None:
    with stage.during("300 ms to the broker"), _to_broker(stage).slow(latency=0.15):
        stage.pause(stage.length(25, 8))
    stage.some(1, 3)
    with stage.during("40 kB/s to the broker"), _to_broker(stage).slow(bytes_per_second=40_000):
        stage.pause(stage.length(25, 8))


@scenario(50, rate=100, place="network")
def broker_resets(stage: Stage) -> None:
    """Connections end in the middle of whatever they carry."""
    for _ in stage.rounds(15):
        stage.some(0.2, 3)
        stage.fault("connections reset")
        _to_broker(stage).reset()


@scenario(150, place="network", time_out="2s")
def destination_cut_off(stage: Stage) -> None:
    """Calls time out; in one direction of loss they are carried out all the same."""
    for length in LENGTHS[: len(stage.rounds(3))]:
        for directions in DIRECTIONS:
            stage.some(1, 3)
            with stage.during("destination cut off"), stage.way.cut(*directions):
                stage.pause(length)


@scenario(60, place="network", time_out="2s")
def destination_far_away(stage: Stage) -> None:
    """Late answers, answers that take longer than there is time for, and resets in between."""
    for latency, rate in ((0.3, None), (0.9, None), (1.2, None), (0, 100), (0, 2_000)):
        stage.some(0.5, 2)
        with ExitStack() as within:
            within.enter_context(stage.during(f"destination: {latency} s, {rate} bytes/s"))
            within.enter_context(stage.way.slow(latency, rate))
            stage.pause(stage.length(8, 3))
            stage.way.reset()


@scenario(50, rate=100, place="network", time_out="2s")
def everything_flickers(stage: Stage) -> None:
    """Short cuts and resets here and there, while workers die."""
    for _ in stage.rounds(12):
        way = stage.chance.choice([_to_broker(stage), stage.way])
        with stage.during("cut"), way.cut(*stage.chance.choice(DIRECTIONS)):
            stage.some(0.5, 4)
        stage.some(0.1, 1)
        stage.fault("reset")
        way.reset()
        if stage.chance.random() < 0.3:
            stage.kill(stage.chance.choice(["evaluate", "deliver"]))
