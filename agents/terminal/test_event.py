"""The one request of `journeys simulate --send NODE`: a test event for the node's destination.

Law: it is the request that the deliver role would make, made once, with a header that says what it
is, and its idempotency key is no real one's.
"""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Iterable, Iterator
from dataclasses import replace
from secrets import token_hex
from typing import Any

import msgspec
import typer
from msgspec import UNSET

from agents.destinations.addresses import Allowed, Guard
from agents.destinations.call_result import CallResult
from agents.destinations.http.caller import HttpCaller
from agents.destinations.http.request import CantBeSent, Request, request_of
from agents.destinations.secrets import Secrets
from journeys.catalog.catalog import Catalog
from journeys.documents.destination import Destination
from journeys.problems import suggest
from journeys.records.action import Action
from journeys.simulation.scenario import TimelineEntry
from journeys.views.timeline import shown
from tables.deliveries import read_action

MARK = {"Journeys-Test": "true"}


def place_of(node: str, catalog: Catalog) -> str:
    """The `journey/node` that is meant.

    Raises:
        typer.BadParameter: there is none, or more than one.
    """
    places = {
        f"{name}/{own}": own
        for name, now in catalog.journeys.items()
        for own in catalog.get(name, now.version).nodes
    }
    found = [place for place, own in places.items() if node in (place, own)]
    if len(found) == 1:
        return found[0]
    if found:
        listing = ", ".join(f"'{place}'" for place in sorted(found))
        raise _wrong(f"several journeys have a node '{node}': expected one of {listing}")
    near, _ = suggest(node, places if "/" in node else places.values())
    raise _wrong(f"no journey has a node '{node}'{near}")


def last_action(place: str, story: Iterable[TimelineEntry]) -> Action:
    """What the node asked its destination for last.

    Raises:
        typer.BadParameter: it never did.
    """
    sent = {action.send_key: action for one in story for action in one.actions}
    if place in sent:
        return sent[place]
    reached = {
        f"{outcome.journey}/{outcome.node}"
        for one in story
        for outcome in one.outcomes
        if outcome.type == "node.reached"
    }
    what = "sent nothing when it was reached" if place in reached else "was never reached"
    near, _ = suggest(place, sent)
    raise _wrong(f"'{place}' {what}{near}")


def _wrong(message: str) -> typer.BadParameter:
    return typer.BadParameter(message, param_hint="--send")


class TestEvent:
    """One action on its way to its destination.

    Attributes:
        request: None where none can be made of the action; `answer` says why then.
        answer: None until it is sent.
    """

    def __init__(self, action: Action, destination: Destination) -> None:
        """Raises SettingsError where JOURNEYS_ALLOW_HOSTS can't be used."""
        id = f"{action.action_id}-test-{token_hex(8)}"
        value = msgspec.json.encode(msgspec.structs.replace(action, action_id=id))
        self._action = read_action(value)
        self._timeout = destination.timeout
        self._secrets = Secrets(os.environ)
        self._allowed = Allowed.from_env(os.environ)
        self.request: Request | None = None
        self.answer: CallResult | None = None
        try:
            made = request_of(destination, self._action, value, self._secrets)
        except CantBeSent as error:
            now, why = time.time_ns() // 1_000_000, self._secrets.masked(str(error))
            self.answer = CallResult("final", now, 0, "not_sendable", why)
        else:
            self.request = replace(made, headers={**made.headers, **MARK})

    @property
    def delivered(self) -> bool:
        return self.answer is not None and self.answer.meaning == "delivered"

    def send(self) -> None:
        """Makes the request, once; how it ended is the answer."""
        if self.request is not None:
            self.answer = asyncio.run(self._send(self.request))

    async def _send(self, request: Request) -> CallResult:
        labels = {} if self._action.trigger is UNSET else self._action.trigger.response
        caller = HttpCaller(Guard(self._allowed), self._secrets)
        try:
            return await caller.send(request, self._timeout, labels, excerpt=True)
        finally:
            await caller.close()

    def asked(self) -> Iterator[str]:
        """What is sent, as lines for a person."""
        yield f"test event of {self._action.send_key}"
        request = self._without_secrets()
        if request is not None:
            yield f"    {request['method']} {request['url']}"
            yield from (f"    {name}: {text}" for name, text in request["headers"].items())
            if request["body"] is not None:
                yield f"    {request['body']}"

    def answered(self) -> Iterator[str]:
        """What came of it, as lines for a person."""
        answer = self.answer
        assert answer is not None, "it was not sent"
        if answer.error is None:
            yield f"delivered: the destination answered {answer.status} in {answer.took} ms"
        else:
            yield f"failed after {answer.took} ms: {answer.error}"
        for label, value in answer.labels.items():
            yield f"    {label}={shown(value)}"
        yield from (f"    {line}" for line in (answer.body or "").splitlines())

    def as_json(self) -> dict[str, Any]:
        """Both, as scripts read it."""
        answer = self.answer
        assert answer is not None, "it was not sent"
        return {
            "node": self._action.send_key,
            "action_id": self._action.action_id,
            "request": self._without_secrets(),
            "answer": {
                "delivered": self.delivered,
                "status": answer.status,
                "ms": answer.took,
                "error": answer.error,
                "body": answer.body,
                "labels": dict(answer.labels),
            },
        }

    def _without_secrets(self) -> dict[str, Any] | None:
        request, masked = self.request, self._secrets.masked
        if request is None:
            return None
        return {
            "method": request.method,
            "url": masked(request.url),
            "headers": {name: masked(text) for name, text in request.headers.items()},
            "body": None if request.body is None else masked(request.body.decode()),
        }
