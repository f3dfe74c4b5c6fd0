"""criteria: takes the first branch whose condition is true, or else `otherwise`."""

from collections.abc import Iterator, Mapping
from typing import Any, Literal

from pydantic import Field

from journeys.expressions.expression import always
from journeys.nodes.base import ForwardNode, Go, LintWarning, Next, Step, Way
from journeys.schema.fields import Condition


class Branch(Way):
    when: Condition
    """The branch is taken if this is true."""


class Criteria(ForwardNode):
    examples = (
        """
        branches:
          - {when: event.properties.n > 1, next: left, set: {a: '${entry.properties.n}'}}
          - {when: 'false'}
        otherwise: right
        next: right
        """,
    )

    type: Literal["criteria"]
    branches: list[Branch] = Field(min_length=1)
    """Evaluated in order; the first that is true is taken."""
    otherwise: Next
    """The node that follows if no branch is taken."""

    @property
    def falls_through(self) -> bool:
        return any(branch.next is None for branch in self.branches)

    def enter(self, step: Step) -> Go:
        for index, branch in enumerate(self.branches):
            if step.holds(branch.when):
                to = branch.next or self.next
                step.report("criteria.matched", branch=index, next=to)
                return Go(to, branch.set)
        step.report("criteria.matched", branch="otherwise", next=self.otherwise)
        return Go(self.otherwise)

    def lint(self, captured_read: bool) -> Iterator[LintWarning]:
        if self.next is not None and not self.falls_through:
            yield LintWarning(
                ("next",), "every branch has a 'next' of its own: this one is never taken"
            )
        seen: dict[str, int] = {}
        for index, branch in enumerate(self.branches):
            before = seen.get(branch.when)
            if before is not None:
                why = f"'branches[{before}]' has the same condition"
            elif (before := next((i for t, i in seen.items() if always(t)), None)) is not None:
                why = f"'branches[{before}]' is always true"
            else:
                seen[branch.when] = index
                continue
            yield LintWarning(("branches", index), f"{why}: this one is never taken")

    def explain(self, outcome: str, detail: Mapping[str, Any]) -> str:
        if outcome != "criteria.matched":
            return ""
        branch = detail["branch"]
        return (
            f"when {self.branches[branch].when}"
            if isinstance(branch, int)
            else "no condition was true"
        )
