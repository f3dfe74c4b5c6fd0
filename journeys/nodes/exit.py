"""exit: ends the instance with a reason."""

from typing import Literal

from journeys.nodes.base import End, NodeModel, Step
from journeys.schema.fields import ShortText


class Exit(NodeModel):
    examples = ("{reason: bye}",)

    type: Literal["exit"]
    reason: ShortText = "exit"
    """What `journey.exited` gives as the reason."""

    def enter(self, step: Step) -> End:
        return End(self.reason)
