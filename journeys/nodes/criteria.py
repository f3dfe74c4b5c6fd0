"""criteria: branches in order, the first whose condition holds wins, else `otherwise`."""

from collections.abc import Mapping
from typing import Any, Literal

from pydantic import Field

from journeys.fields import Condition, Model
from journeys.nodes.base import ForwardNode, Go, Labels, Next, Step


class Branch(Model):
    when: Condition
    next: Next | None = None
    set: Labels | None = None


class Criteria(ForwardNode):
    type: Literal["criteria"]
    branches: list[Branch] = Field(min_length=1)
    otherwise: Next

    @property
    def falls_through(self) -> bool:
        return any(branch.next is None for branch in self.branches)

    def enter(self, step: Step) -> Go:
        for index, branch in enumerate(self.branches):
            if step.holds(branch.when):
                to = branch.next or self.next
                step.tell("criteria.matched", branch=index, next=to)
                return Go(to, branch.set)
        step.tell("criteria.matched", branch="otherwise", next=self.otherwise)
        return Go(self.otherwise)

    def explain(self, outcome: str, detail: Mapping[str, Any]) -> str:
        if outcome != "criteria.matched":
            return ""
        branch = detail["branch"]
        return f"when {self.branches[branch].when}" if isinstance(branch, int) else "nothing held"
