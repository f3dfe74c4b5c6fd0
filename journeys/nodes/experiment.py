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
from journeys.expressions.normal_form import normal_form
from journeys.expressions.origins import plain, written
from journeys.nodes.base import (
    ForwardNode,
    Go,
    Label,
    LintWarning,
    NodeModel,
    Place,
    Step,
    Way,
    plain_value,
)
from journeys.schema.fields import ShortText, Value, Weight

_SCALE = 2.0**-53
_NONE = 1e-9
"""A share that is a rounding error."""
_USERS_ID = normal_form("user.id")


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
        by: the normal form of the expression of `by`; None: the user's id.
        weights: those above 0; of a winner that alone.
    """

    salt: str
    by: Any
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

    def plan_notes(self, before: NodeModel, was: Place, now: Place) -> Iterator[str]:
        if not isinstance(before, Experiment):
            return
        if was.node != now.node and not self.variants.keys() & before.variants.keys():
            return  # another experiment, not the same one with another name
        edit = _Edit(before, was, self, now)
        moved = edit.moved(frozenset())
        if moved > _NONE:
            yield (
                f"experiment {now.node}: {_percent(moved)} of {edit.whom} get another "
                f"variant when they next reach it: {edit.why()}"
            )

    def explain(self, outcome: str, detail: Mapping[str, Any]) -> str:
        if outcome != "experiment.assigned":
            return ""
        if self.winner is not None:
            return "the winner"
        return "of " + ", ".join(f"{name} {one.weight:g}" for name, one in self.variants.items())


_Part = Literal["winner", "salt", "by", "weights"]
_PARTS: tuple[_Part, ...] = ("winner", "salt", "by", "weights")
"""What decides the variants, each of which an edit can change alone."""


class _Edit:
    """An edit of an experiment: who moves, and why."""

    def __init__(self, before: Experiment, was: Place, after: Experiment, now: Place) -> None:
        self._old, self._new = before, after
        self._salts = (_salt(before, was), _salt(after, now))
        self._facts = (was.facts, now.facts)
        self._by = (_normal_by(before, was), _normal_by(after, now))

    @property
    def whom(self) -> str:
        old, new = self._by
        return "the values of `by`" if old == new is not None else "users"

    def moved(self, kept: frozenset[_Part]) -> float:
        """The share that moves if of these parts the old ones are kept."""
        old = self._assignment(frozenset(_PARTS))
        new = self._assignment(kept)
        return 1.0 if old is None or new is None else share_moved(old, new)

    def _assignment(self, kept: frozenset[_Part]) -> Assignment | None:
        """What decides the variants, with the old parts; None: the winner is no variant."""
        winner = (self._old if "winner" in kept else self._new).winner
        variants = (self._old if "weights" in kept else self._new).variants
        weights = {name: one.weight for name, one in variants.items() if one.weight}
        if winner is not None:
            if winner not in variants:
                return None
            weights = {winner: 1.0}
        return Assignment(self._salts["salt" not in kept], self._by["by" not in kept], weights)

    def why(self) -> str:
        """What was edited, and what keeps everybody at their variants: no more than is needed."""
        needed = frozenset(_PARTS)
        for part in _PARTS:
            if self.moved(needed - {part}) <= _NONE:
                needed -= {part}
        parts = [self._part(part) for part in _PARTS if part in needed]
        changed, kept = (" and ".join(words) for words in zip(*parts, strict=True))
        plural = len(parts) > 1 or "weights" in needed
        have, keep = ("have", "keep") if plural else ("has", "keeps")
        return f"{changed} {have} changed; {kept} {keep} them"

    def _part(self, part: _Part) -> tuple[str, str]:
        """A part that was edited, in words, and the old one, as it would be written."""
        old, new = self._old, self._new
        match part:
            case "winner":
                kept = "no winner" if old.winner is None else f"`winner: {old.winner}`"
                return "the winner", kept
            case "salt":
                return "the salt", f"`salt: {self._salts[0]}`"
            case "by":
                return self._by_in_words()
        shares = ", ".join(
            f"{name} {one.weight:g}" for name, one in old.variants.items() if one.weight
        )
        if old.variants.keys() - new.variants.keys() and new.variants.keys() - old.variants.keys():
            return "the variants' names", f"the old variants ({shares})"
        return "the shares", f"the old shares ({shares})"

    def _by_in_words(self) -> tuple[str, str]:
        old, new = self._old.by, self._new.by
        if old is None or self._by[0] is None:
            return "`by`", "no `by`"
        if new is not None and normal_form(old) == normal_form(new):
            return "what `by` reads", " along with ".join(
                words for name, words in _KEPT_FACTS.items() if self._reads_changed(old, name)
            )
        same = new is not None and written(old) == written(new)
        return "what `by` reads" if same else "`by`", f"`by: {plain(old)}`"

    def _reads_changed(self, by: str, fact: str) -> bool:
        was, now = (normal_form(by, {fact: facts[fact]}) for facts in self._facts)
        return bool(was != now)


_KEPT_FACTS = {
    "key": "the old `key` of the entry",
    "name": "the old name of the journey",
    "version": "the old version",
}
"""What keeps the values of a `by` that reads a field of `journey`."""


def _salt(node: Experiment, place: Place) -> str:
    return node.salt or f"{place.journey}/{place.node}"


def _normal_by(node: Experiment, place: Place) -> Any:
    """The normal form of `by`; None if it is the user's id, as without `by`."""
    found = None if node.by is None else normal_form(node.by, place.facts)
    return None if found == _USERS_ID else found


def _percent(share: float) -> str:
    """A share in percent: `10 %`, `33.3 %`, `less than 0.1 %`."""
    if share < 0.001:
        return "less than 0.1 %"
    return f"{share * 100:.1f}".removesuffix(".0") + " %"
