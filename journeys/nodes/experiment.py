"""experiment: assigns each user to a variant by a weighted rendezvous hash.

Nothing is stored. A user always gets the same variant, and a change of weights or variants moves as
few users as possible.
"""

from collections.abc import Iterator, Mapping
from hashlib import blake2b
from math import log
from typing import Annotated, Any, Literal, Self

from pydantic import Field, model_validator

from journeys.expressions.expression import ExpressionFailed
from journeys.nodes.base import ForwardNode, Go, Label, LintWarning, Step, Way, plain_value
from journeys.schema.fields import ShortText, Value, Weight

_SCALE = 2.0**-53


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

    def explain(self, outcome: str, detail: Mapping[str, Any]) -> str:
        if outcome != "experiment.assigned":
            return ""
        if self.winner is not None:
            return "the winner"
        return "of " + ", ".join(f"{name} {one.weight:g}" for name, one in self.variants.items())
