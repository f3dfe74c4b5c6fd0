"""exit: the instance ends, with a reason."""

from typing import Annotated, Literal

from pydantic import StringConstraints

from journeys.nodes.base import End, NodeModel, Step


class Exit(NodeModel):
    type: Literal["exit"]
    reason: Annotated[str, StringConstraints(min_length=1, max_length=256)] = "exit"

    def enter(self, step: Step) -> End:
        return End(self.reason)
