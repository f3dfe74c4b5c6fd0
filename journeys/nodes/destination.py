"""destination: emits one action for a destination; the instance continues without waiting."""

from typing import Literal

from journeys.expressions.expression import ExpressionFailed
from journeys.nodes.base import DestinationName, FallibleNode, Go, Step
from journeys.schema.fields import Data, ShortText


class DestinationNode(FallibleNode):
    examples = (
        """
        destination: mailer
        action: send
        payload: {n: '${entry.properties.n}', list: ['${attr.a}']}
        next: left
        on_error: right
        """,
    )

    type: Literal["destination"]
    destination: DestinationName
    """The Destination to which the action is sent."""
    action: ShortText | None = None
    """What the destination is asked to do."""
    event_name: ShortText | None = None
    """What the action is about, for the destination."""
    payload: Data
    """What is sent."""

    def enter(self, step: Step) -> Go:
        try:
            payload = step.render(self.payload)
        except ExpressionFailed as error:
            step.fail(error)
            step.report("action.skipped", destination=self.destination, reason="payload_failed")
            return Go(self.on_error or self.next)
        sent = step.request(
            self.destination,
            action=self.action,
            event_name=self.event_name,
            payload=payload,
        )
        return Go(self.next if sent else self.on_error or self.next)
