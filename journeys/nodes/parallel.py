"""parallel: starts branches that run side by side; `join` says when the instance continues.

A branch ends at a node past which nothing follows, at an exit, or where it reaches the `next` of
its parallel node.
"""

from collections.abc import Iterator, Mapping
from typing import Annotated, Any, Literal

from pydantic import Field, StringConstraints

from journeys.nodes.base import Fork, ForwardNode, Join, LintWarning, Next, Step
from journeys.schema.fields import Expected

MAX_BRANCHES = 32
BranchName = Annotated[
    str,
    StringConstraints(pattern=r"^[A-Za-z0-9_][A-Za-z0-9_-]{0,62}$"),
    Expected("a name of letters, digits, '_' and '-', at most 63, the first not '-'"),
]


class Parallel(ForwardNode):
    examples = ("{branches: {x: left, y: right}, join: all, next: left}",)

    type: Literal["parallel"]
    branches: Annotated[dict[BranchName, Next], Field(min_length=1, max_length=MAX_BRANCHES)]
    """The node at which each branch begins, by the name of the branch."""
    join: Join
    """When the instance continues: when all branches have ended, when the first one has, or at
    once."""

    @property
    def way_on(self) -> str:
        return {"all": "all have ended", "any": "the first has ended", "none": "at once"}[self.join]

    def leads_down(self, below: str) -> bool:
        """A branch that begins right below is no way past the branches."""
        return below not in self.branches.values()

    @property
    def forks(self) -> Fork:
        return Fork(self.branches, self.join)

    def enter(self, step: Step) -> Fork:
        return self.forks

    def lint(self, captured_read: bool) -> Iterator[LintWarning]:
        if len(self.branches) == 1 and self.join != "none":
            yield LintWarning(
                ("branches",), "there is only one branch: its nodes could follow directly"
            )

    def explain(self, outcome: str, detail: Mapping[str, Any]) -> str:
        if outcome == "wait.started":
            names = ", ".join(self.branches)
            return f"for all of {names}" if self.join == "all" else f"for the first of {names}"
        if outcome == "branch.started" and detail.get("branch") in self.branches:
            return f"at {self.branches[detail['branch']]}"
        return ""
