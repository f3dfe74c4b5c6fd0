"""experiment: assigns each user to a variant by a weighted rendezvous hash.

Nothing is stored. A user always gets the same variant, and a change of weights or variants moves as
few users as possible.
"""

from collections.abc import Iterator, Mapping
from hashlib import blake2b
from math import log
from typing import Annotated, Any, Literal, NamedTuple, Self

from pydantic import Field, model_validator

from journeys.expressions.expression import ExpressionFailed
from journeys.nodes.base import (
    ForwardNode,
    Go,
    Label,
    LintWarning,
    Step,
    Way,
    plain_value,
)
from journeys.schema.fields import Model, ShortText, Value, Weight

_SCALE = 2.0**-53
_NONE = 1e-9
"""A share that is a rounding error."""


def unit_hash(salt: str, user: str, variant: str) -> float:
    """A number in (0, 1) that depends on the three texts alone, the same on every machine.

    It is (n + 0.5) / 2^53, n being the first 53 bits, big-endian, of blake2b with 8 bytes of
    digest over the UTF-8 of the three texts joined by NUL.
    """
    digest = blake2b(f"{salt}\0{user}\0{variant}".encode(), digest_size=8).digest()
    return ((int.from_bytes(digest, "big") >> 11) + 0.5) * _SCALE


def choose(salt: str, whom: str, weights: dict[str, float]) -> str:
    """The variant of a user or a group: the largest score -weight / ln(u); ties by name."""
    scores = (
        (-weight / log(unit_hash(salt, whom, name)), name)
        for name, weight in weights.items()
        if weight > 0
    )
    return max(scores)[1]


class Assignment(NamedTuple):
    """What decides the variants of an experiment.

    Attributes:
        by: the expression of `by`; None: the user's id.
        weights: those above 0; of a winner that alone.
    """

    salt: str
    by: str | None
    weights: dict[str, float]


def share_moved(before: Assignment, after: Assignment) -> float:
    """The expected share of users that get another variant after an edit, from 0 to 1.

    With the same hash a user keeps variant v if its score is the largest before and after, which
    has the probability 1 / sum over k of max(w[k] / w[v], w'[k] / w'[v]). With another hash the two
    variants are independent.
    """
    old, new = before.weights, after.weights
    both = [name for name in old if name in new]
    if (before.salt, before.by) == (after.salt, after.by):
        every = {**old, **new}
        stays = sum(
            1 / sum(max(old.get(k, 0) / old[v], new.get(k, 0) / new[v]) for k in every)
            for v in both
        )
    else:
        stays = sum(
            (old[name] / sum(old.values())) * (new[name] / sum(new.values())) for name in both
        )
    return max(0.0, 1 - stays)


class Variant(Way):
    weight: Annotated[Weight, Field(ge=0)]
    """The share of users, relative to the other variants."""


class Experiment(ForwardNode):
    captures = frozenset({"variant"})
    examples = (
        """
        variants: {x: {weight: 1, next: left}, y: {weight: 2, set: {a: 1}}, z: {weight: 0}}
        next: right
        """,
        """
        variants: {x: {weight: 1, next: left}, y: {weight: 1}}
        by: event.properties.k
        """,
    )

    type: Literal["experiment"]
    variants: dict[Label, Variant] = Field(min_length=1)
    """The variants by name."""
    salt: ShortText | None = None
    """Replaces journey and node in the hash: experiments with the same salt assign alike."""
    by: Value | None = None
    """What decides the variant instead of the user's id: the same value gives the same variant."""
    winner: str | None = None
    """The variant that everybody gets."""

    @model_validator(mode="after")
    def _weights_and_winner(self) -> Self:
        if not sum(variant.weight for variant in self.variants.values()) > 0:
            raise ValueError("the weights of an experiment must have a positive sum")
        if self.winner is not None and self.winner not in self.variants:
            known = ", ".join(self.variants)
            raise ValueError(f"winner {self.winner!r} is not one of the variants: {known}")
        return self

    @property
    def falls_through(self) -> bool:
        return any(variant.next is None for variant in self.variants.values())

    def enter(self, step: Step) -> Go:
        name = self.winner or choose(
            self.salt or f"{step.journey}/{step.node}",
            self._whom(step),
            {name: variant.weight for name, variant in self.variants.items()},
        )
        variant = self.variants[name]
        step.report("experiment.assigned", variant=name)
        step.capture("variant", name)
        return Go(variant.next or self.next, variant.set)

    def _whom(self, step: Step) -> str:
        """What decides the variant: the value of `by`, or the user's id if there is none."""
        if self.by is None:
            return step.user_id
        try:
            return plain_value(step, self.by)
        except ExpressionFailed as error:
            step.fail(error)
            return step.user_id

    def lint(self, captured_read: bool) -> Iterator[LintWarning]:
        if self.next is not None and not self.falls_through:
            yield LintWarning(
                ("next",), "every variant has a 'next' of its own: this one is never taken"
            )
        if self.winner is not None:
            return
        if len(self.variants) == 1:
            yield LintWarning(("variants",), "there is only one variant: every user gets it")
        for name, variant in self.variants.items():
            if variant.weight == 0:
                yield LintWarning(
                    ("variants", name, "weight"), f"no user gets '{name}': its weight is 0"
                )

    def plan_notes(self, before: Model, was: str, now: str) -> Iterator[str]:
        if not isinstance(before, Experiment):
            return
        old, new = before.assignment(was), self.assignment(now)
        moved = share_moved(old, new)
        if moved > _NONE:
            whom = "the values of `by`" if old.by == new.by is not None else "users"
            yield (
                f"experiment {now.partition('/')[2]}: {_percent(moved)} of {whom} get another "
                f"variant when they next reach it: {self._why_moved(before, old, new)}"
            )

    def assignment(self, name: str) -> Assignment:
        """What decides the variants; `name` is `journey/node`."""
        weights = {one: variant.weight for one, variant in self.variants.items() if variant.weight}
        if self.winner is not None:
            weights = {self.winner: 1.0}
        return Assignment(self.salt or name, self.by, weights)

    def _why_moved(self, before: Self, old: Assignment, new: Assignment) -> str:
        """What was edited, and what keeps users at their variants."""
        if before.winner != self.winner:
            kept = "no winner" if before.winner is None else f"`winner: {before.winner}`"
            return f"the winner has changed; {kept} keeps them"
        if old.salt != new.salt:
            return f"the salt has changed; `salt: {old.salt}` keeps them"
        if old.by != new.by:
            kept = "no `by`" if old.by is None else f"`by: {old.by}`"
            return f"`by` has changed; {kept} keeps them"
        gone, added = old.weights.keys() - new.weights.keys(), new.weights.keys() - old.weights
        if gone and added:
            return f"variants have other names; the old ones keep them: {', '.join(sorted(gone))}"
        weights = ", ".join(f"{name} {weight:g}" for name, weight in old.weights.items())
        return f"the shares have changed; the old ones keep them: {weights}"

    def explain(self, outcome: str, detail: Mapping[str, Any]) -> str:
        if outcome != "experiment.assigned":
            return ""
        if self.winner is not None:
            return "the winner"
        return "of " + ", ".join(f"{name} {one.weight:g}" for name, one in self.variants.items())


def _percent(share: float) -> str:
    """A share in percent: `10 %`, `33.3 %`, `less than 0.1 %`."""
    if share < 0.001:
        return "less than 0.1 %"
    return f"{share * 100:.1f}".removesuffix(".0") + " %"
