"""update_profile: writes traits to the user's profile, where all later steps read them."""

from typing import Literal

from pydantic import Field

from journeys.expressions.expression import ExpressionFailed
from journeys.nodes.base import FallibleNode, Go, Step
from journeys.schema.fields import Data, TraitName


class UpdateProfile(FallibleNode):
    """Writes all of `traits`, or none if one of their expressions fails; null removes a trait."""

    examples = (
        """
        traits: {a: '${entry.properties.n * 2}', b: null, c: {d: ['${attr.a}']}}
        next: left
        on_error: right
        set: {b: '${user.traits.a}'}
        """,
    )

    type: Literal["update_profile"]
    traits: dict[TraitName, Data] = Field(min_length=1)
    """Traits of the user."""

    def enter(self, step: Step) -> Go:
        try:
            traits = step.render(self.traits)
        except ExpressionFailed as error:
            step.fail(error)
            return Go(self.on_error or self.next)
        step.update_profile(traits)
        return Go(self.next)
