"""The node types. A new one needs a file here and a line in `Node`."""

from typing import Annotated

from pydantic import Discriminator

from journeys.nodes.criteria import Criteria
from journeys.nodes.delay import Delay
from journeys.nodes.destination import DestinationNode
from journeys.nodes.digest import Digest
from journeys.nodes.emit_event import EmitEvent
from journeys.nodes.exit import Exit
from journeys.nodes.experiment import Experiment
from journeys.nodes.parallel import Parallel
from journeys.nodes.trigger import Trigger
from journeys.nodes.update_profile import UpdateProfile
from journeys.nodes.wait_for_event import WaitForEvent

Node = Annotated[
    Criteria
    | Experiment
    | Delay
    | Parallel
    | WaitForEvent
    | Digest
    | DestinationNode
    | Trigger
    | UpdateProfile
    | EmitEvent
    | Exit,
    Discriminator("type"),
]
