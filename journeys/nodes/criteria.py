"""criteria: takes the first branch whose condition is true, or the case of a value; else
`otherwise`.
"""

from collections.abc import Iterator, Mapping
from typing import Any, Literal, Self

from pydantic import Field, model_validator

from journeys.expressions.expression import ExpressionFailed, always
from journeys.nodes.base import ForwardNode, Go, LintWarning, Next, Step, Way, plain_value
from journeys.schema.fields import Case, Condition, Value


class Branch(Way):
    when: Condition | None = None
    """The branch is taken if this is true."""
    any_of: list[Condition] | None = Field(default=None, min_length=1)
    """The branch is taken if one of these is true."""

    @model_validator(mode="after")
    def _one_condition(self) -> Self:
        if (self.when is None) == (self.any_of is None):
            raise ValueError("a branch needs either `when` or `any_of`, and not both")
        return self

    @property
    def conditions(self) -> tuple[str, ...]:
        """The branch is taken if one of them is true."""
        return (self.when,) if self.when is not None else tuple(self.any_of or ())


class Criteria(ForwardNode):
    examples = (
        """
        branches:
          - {when: event.properties.n > 1, next: left, set: {a: '${entry.properties.n}'}}
          - {any_of: ['event.properties.n < 0', 'event.properties.n == 0'], next: left}
          - {when: 'false'}
        otherwise: right
        next: right
        """,
        """
        switch: event.properties.n
        cases: {'5': left, text: right}
        otherwise: right
        """,
    )

    type: Literal["criteria"]
    branches: list[Branch] | None = Field(default=None, min_length=1)
    """Evaluated in order; the first that is true is taken."""
    switch: Value | None = None
    """What is compared with the names of the cases."""
    cases: dict[Case, Next] | None = Field(default=None, min_length=1)
    """The next node by the value of `switch`."""
    otherwise: Next
    """The node that follows if no branch and no case is taken."""

    @model_validator(mode="after")
    def _branches_or_cases(self) -> Self:
        if (self.branches is None) == (self.switch is None):
            raise ValueError("a criteria needs either `branches` or `switch`, and not both")
        if (self.switch is None) != (self.cases is None):
            raise ValueError("`switch` and `cases` need each other")
        return self

    @property
    def falls_through(self) -> bool:
        return any(branch.next is None for branch in self.branches or ())

    def enter(self, step: Step) -> Go:
        if self.switch is not None:
            return self._case(step, self.switch)
        for index, branch in enumerate(self.branches or ()):
            if any(map(step.holds, branch.conditions)):
                to = branch.next or self.next
                step.report("criteria.matched", branch=index, next=to)
                return Go(to, branch.set)
        return self._otherwise(step)

    def _case(self, step: Step, switch: str) -> Go:
        try:
            value = plain_value(step, switch)
        except ExpressionFailed as error:
            step.fail(error)
            return self._otherwise(step)
        to = (self.cases or {}).get(value)
        if to is None:
            return self._otherwise(step)
        step.report("criteria.matched", case=value, next=to)
        return Go(to)

    def _otherwise(self, step: Step) -> Go:
        step.report("criteria.matched", branch="otherwise", next=self.otherwise)
        return Go(self.otherwise)

    def lint(self, captured_read: bool) -> Iterator[LintWarning]:
        if self.next is not None and not self.falls_through:
            every = "case" if self.branches is None else "branch"
            yield LintWarning(
                ("next",), f"every {every} has a 'next' of its own: this one is never taken"
            )
        seen: dict[tuple[str, ...], int] = {}
        for index, branch in enumerate(self.branches or ()):
            before = seen.get(branch.conditions)
            if before is not None:
                why = f"'branches[{before}]' has the same condition"
            elif (found := next((i for c, i in seen.items() if any(map(always, c))), None)) is None:
                seen[branch.conditions] = index
                continue
            else:
                why = f"'branches[{found}]' is always true"
            yield LintWarning(("branches", index), f"{why}: this one is never taken")

    def explain(self, outcome: str, detail: Mapping[str, Any]) -> str:
        if outcome != "criteria.matched":
            return ""
        if "case" in detail:
            return f"{self.switch} is {detail['case']}"
        branch = detail["branch"]
        if isinstance(branch, int) and self.branches is not None:
            return f"when {' or '.join(self.branches[branch].conditions)}"
        return "no condition was true" if self.switch is None else f"no case of {self.switch}"
