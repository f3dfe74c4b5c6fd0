"""In which lane each node of a journey runs: at once, or in minutes through the batch lane.

Law: whoever has been through a slow node is late from there on, so all that can follow one is
marked slow, too.
"""

from __future__ import annotations

from typing import Literal

from journeys.documents.journey import Journey
from journeys.documents.ways import edges
from journeys.graph import reachable

Lane = Literal["real_time", "batch"]


def lanes(journey: Journey) -> dict[str, Lane]:
    """The lane of every node, in the order of the document."""
    slow = reachable(edges(journey), [name for name, node in journey.nodes.items() if node.slow])
    return {name: "batch" if name in slow else "real_time" for name in journey.nodes}
