"""Three brokers with three copies of everything: those that matter die or stand still in turn."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager

from agents.kafka.topics import EVENTS, OUTCOMES
from agents.roles import evaluate
from tests.pipeline.stack import PARTITIONS, wait_until
from tests.torture.cluster import Node
from tests.torture.documents import FIRST_WAIT_MS
from tests.torture.network import DIRECTIONS, Proxy
from tests.torture.scenarios.base import scenario
from tests.torture.stage import Stage

RATE = 80  # three brokers, five workers and the users share a machine


def _in_turn(stage: Stage) -> list[tuple[str, Callable[[], Node]]]:
    """Who matters, looked up when it is their turn."""
    cluster, partition = stage.cluster, stage.chance.randrange(PARTITIONS)
    return [
        ("leader", lambda: cluster.leader(EVENTS, partition)),
        ("coordinator", lambda: cluster.coordinator(evaluate.APPLICATION)),
        ("controller", cluster.controller),
    ]


@scenario(100, rate=RATE, place="cluster")
def brokers_killed_in_turn(stage: Stage) -> None:
    """The leader, the coordinator, the controller: each dies and comes back."""
    for _ in stage.rounds(2):
        for what, find in _in_turn(stage):
            stage.some(1, 3)
            node = find()
            with stage.during(f"{what} kill -9"):
                node.kafka.kill()
                stage.pause(stage.length(10, 4))
                node.kafka.restart()
                stage.cluster.wait_whole()


@scenario(80, rate=RATE, place="cluster")
def brokers_stopped_in_turn(stage: Stage) -> None:
    """They stand still until others have taken their place, and wake up believing that nothing
    happened."""
    for what, find in _in_turn(stage):
        stage.some(1, 3)
        node = find()
        with stage.during(f"{what} stands still"):
            node.stop_still()
            try:
                stage.pause(stage.length(15, 8))
            finally:
                node.go_on()
            stage.cluster.wait_whole()


@scenario(10, rate=RATE, place="cluster")
def follower_stopped(stage: Stage) -> None:
    """Records that leaders have stamped are readable only when a suspended copy is dropped: answers
    that came in time are read late, and no timer may overtake them. Nothing else happens meanwhile,
    or a transaction would wait for that copy and no timer would be checked."""
    stage.users.join()
    for number in stage.rounds(6):
        wait_until(stage.stack.applied)
        orders = stage.traffic.begin(40)
        wait_until(stage.stack.applied)
        node = stage.chance.choice(stage.cluster.followers(EVENTS, number % PARTITIONS))
        with stage.during("follower stands still"):
            node.stop_still()
            try:
                stage.traffic.pay(orders)
                stage.pause(FIRST_WAIT_MS / 1_000 + 3)
            finally:
                node.go_on()
            stage.traffic.flush()
            stage.cluster.wait_whole()


def _late(way: Proxy) -> AbstractContextManager[None]:
    return way.slow(latency=1)


@scenario(60, rate=RATE, place="cluster")
def copies_late(stage: Stage) -> None:
    """The network between the brokers is slow, or cut in one direction."""
    with stage.during("1 s between brokers"), stage.cluster.each_way(_late, replicas=True):
        stage.pause(stage.length(20, 10))
    for number in stage.rounds(4):
        stage.some(1, 2)
        node = stage.chance.choice(stage.cluster.followers(OUTCOMES, number % PARTITIONS))
        with stage.during("broker cut off from brokers"), node.replicas.cut("to the client"):
            stage.some(2, 6)
        stage.cluster.wait_whole()


@scenario(90, rate=RATE, place="cluster")
def one_broker_cut_off(stage: Stage) -> None:
    """Workers reach all brokers but one, in one direction or in both, which goes on leading."""
    for number in stage.rounds(4):
        stage.some(1, 3)
        node = stage.cluster.leader(EVENTS, number % PARTITIONS)
        way = stage.chance.choice(DIRECTIONS)
        with stage.during("one broker cut off"), node.workers.cut(*way):
            stage.pause(stage.length(stage.chance.choice([5, 10, 20])))
