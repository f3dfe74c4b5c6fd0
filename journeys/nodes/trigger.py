"""trigger: sends an HTTP request, through the deliver role, and waits for its response.

Whatever the destination does, the instance continues after `within` at the latest.
"""

from collections.abc import Mapping
from typing import Any, Literal

from pydantic import Field

from journeys.expressions.expression import ExpressionFailed
from journeys.nodes.base import Block, DestinationName, FallibleNode, Go, Label, Step
from journeys.records.action import TriggerCall
from journeys.records.outcome import shown
from journeys.records.response import Response
from journeys.schema.fields import Data, Duration, Method, ResponsePath, UrlPath
from journeys.time import MINUTE


class Trigger(FallibleNode):
    blocking = True
    captures = frozenset({"response"})
    examples = (
        """
        destination: scores
        method: PUT
        path: /users/${user.id}/scores/${entry.properties.n}
        payload: {n: '${entry.properties.n}', list: ['${attr.a}']}
        response: {score: payload.score, code: status_code}
        within: 2h
        next: left
        on_error: right
        set: {b: '${attr.a}'}
        """,
    )

    type: Literal["trigger"]
    destination: DestinationName
    """The Destination to which the request is sent."""
    method: Method | None = None
    """The method of the HTTP request."""
    path: UrlPath | None = None
    """A path that is appended to the destination's URL."""
    payload: Data | None = None
    """What is sent."""
    response: dict[Label, ResponsePath] = Field(default_factory=dict)
    """The parts of the response that later nodes can read, by label."""
    within: Duration = MINUTE
    """The time limit, from when the node is reached."""

    def enter(self, step: Step) -> Go | Block:
        try:
            payload = step.render(self.payload)
            path = None if self.path is None else step.render_url(self.path)
        except ExpressionFailed as error:
            step.fail(error)
            step.report("action.skipped", destination=self.destination, reason="payload_failed")
            return Go(self.on_error or self.next)
        sent = step.request(
            self.destination,
            action=None,
            event_name=None,
            payload=payload,
            trigger=TriggerCall(self.within, self.response, self.method, path),
        )
        return Block(step.now + self.within) if sent else Go(self.on_error or self.next)

    def on_response(self, step: Step, response: Response) -> Go:
        step.report(
            "wait.matched",
            action_id=response.action_id,
            ok=response.ok,
            status_code=response.status_code,
            error=None if response.error is None else shown(response.error),
            **({"unread": response.unread} if response.unread else {}),
        )
        step.capture("response", response.labels)
        return Go(self.next if response.ok else self.on_error or self.next)

    def on_timer(self, step: Step) -> Go:
        step.report("wait.timed_out")
        return Go(self.on_error or self.next)

    def explain(self, outcome: str, detail: Mapping[str, Any]) -> str:
        if outcome == "wait.started":
            return f"for {self.destination} to answer"
        return f"no answer from {self.destination}" if outcome == "wait.timed_out" else ""
