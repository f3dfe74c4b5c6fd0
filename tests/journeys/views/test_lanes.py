"""The lane of each node: anyone who has been through a slow one is late from there on."""

from __future__ import annotations

from journeys.nodes.delay import Delay
from journeys.views.lanes import lanes
from tests.journeys.builders import journey


class Slow(Delay):
    """A node of the batch lane, of which there is none yet."""

    slow = True


NODES = """
first:
  type: criteria
  branches: [{when: user.traits.vip, next: vip}]
  otherwise: list
vip: {type: delay, for: 1h, next: done}
list: {type: delay, for: 1h}
after: {type: delay, for: 1h, next: done}
done: {type: exit}
"""


def test_every_node_of_a_journey_without_slow_ones_runs_in_real_time() -> None:
    assert lanes(journey(NODES)) == dict.fromkeys(
        ("first", "vip", "list", "after", "done"), "real_time"
    )


def test_a_slow_node_slows_all_that_can_follow_it_and_nothing_else() -> None:
    tour = journey(NODES)
    slow = Slow.model_validate({"type": "delay", "for": "1h"})
    found = lanes(tour.model_copy(update={"nodes": {**tour.nodes, "list": slow}}))
    assert {name for name, lane in found.items() if lane == "batch"} == {"list", "after", "done"}
