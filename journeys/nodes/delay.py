"""delay: the instance stays for a while, then goes on."""

from typing import Literal

from pydantic import Field

from journeys.fields import Duration
from journeys.nodes.base import Block, ForwardNode, Go, Step


class Delay(ForwardNode):
    blocking = True

    type: Literal["delay"]
    for_: Duration = Field(alias="for")

    def enter(self, step: Step) -> Block:
        return Block(step.now + self.for_)

    def on_timer(self, step: Step) -> Go:
        return Go(self.next)
