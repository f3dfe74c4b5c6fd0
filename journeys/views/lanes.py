"""The lane of each node of a journey: real time, or the batch lane with a latency of minutes.

Law: an instance that passes a slow node is late from then on, so every node that can follow a slow
node is in the batch lane as well.
"""

from __future__ import annotations

from typing import Literal

from journeys.documents.journey import Journey
from journeys.graph import reachable

Lane = Literal["real_time", "batch"]


def lanes(journey: Journey) -> dict[str, Lane]:
    """The lane of every node, in the order of the document."""
    edges = {
        name: [target.node for target in node.targets()] for name, node in journey.nodes.items()
    }
    for name, node in journey.nodes.items():
        below = journey.below(name)
        if below is not None and node.falls_through and getattr(node, "next", None) is None:
            edges[name].append(below)
    slow = reachable(edges, [name for name, node in journey.nodes.items() if node.slow])
    return {name: "batch" if name in slow else "real_time" for name in journey.nodes}
