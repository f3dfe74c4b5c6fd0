"""emit_event: emits an event for the same user, in the same step; it can start journeys."""

from typing import Literal

from pydantic import Field

from journeys.expressions.expression import ExpressionFailed
from journeys.nodes.base import FallibleNode, Go, Step
from journeys.schema.fields import Data, EventName, PropertyName


class EmitEvent(FallibleNode):
    examples = (
        """
        event: told
        properties: {a: '${entry.properties.n * 2}', b: ['${attr.a}']}
        next: left
        on_error: right
        set: {b: '${attr.a}'}
        """,
    )

    type: Literal["emit_event"]
    event: EventName
    """The event's name, as producers send it."""
    properties: dict[PropertyName, Data] = Field(default_factory=dict)
    """Properties of the event."""

    def emits(self) -> tuple[str, ...]:
        return (self.event,)

    def enter(self, step: Step) -> Go:
        try:
            properties = step.render(self.properties)
        except ExpressionFailed as error:
            step.fail(error)
            return Go(self.on_error or self.next)
        emitted = step.emit(self.event, properties)
        return Go(self.next if emitted else self.on_error or self.next)
