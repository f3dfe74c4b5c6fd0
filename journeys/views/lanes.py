"""The lane of each node of a journey: real time, or the batch lane with a latency of minutes.

Law: an instance that passes a slow node is late from then on, so every node that can follow a slow
node is in the batch lane as well.
"""

from __future__ import annotations

from typing import Literal

from journeys.documents.journey import Journey
from journeys.documents.ways import edges
from journeys.graph import reachable

Lane = Literal["real_time", "batch"]


def lanes(journey: Journey) -> dict[str, Lane]:
    """The lane of every node, in the order of the document."""
    slow = reachable(
        edges(journey.nodes), [name for name, node in journey.nodes.items() if node.slow]
    )
    return {name: "batch" if name in slow else "real_time" for name in journey.nodes}
