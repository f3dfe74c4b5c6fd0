"""The one call of `journeys simulate --send NODE`: a test event for the node's destination.

Law: it sends what the deliver role would, once, marked as a test, and with an idempotency key that
no real action has.
"""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Iterable
from secrets import token_hex
from typing import Any

import msgspec

from agents.destinations.addresses import Allowed, Guard
from agents.destinations.base import CantBeSent, Parts, Preview
from agents.destinations.call_result import CallResult
from agents.destinations.callers import Callers
from agents.destinations.secrets import Secrets
from agents.destinations.types import DESTINATION_TYPES
from agents.errors import UserError
from journeys.catalog.catalog import Catalog
from journeys.documents.destination import Destination
from journeys.problems import suggest
from journeys.records.action import Action
from journeys.simulation.scenario import TimelineEntry
from tables.deliveries import read_action


class NothingToSend(UserError):
    """The node doesn't exist, or sent nothing to its destination."""


def place_of(node: str, catalog: Catalog) -> str:
    """The `journey/node` that is meant. Raises NothingToSend if there is none, or several."""
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
        raise NothingToSend(f"several journeys have a node '{node}': expected one of {listing}")
    near, _ = suggest(node, places if "/" in node else places.values())
    raise NothingToSend(f"no journey has a node '{node}'{near}")


def last_action(place: str, timeline: Iterable[TimelineEntry]) -> Action:
    """The last action that the node sent. Raises NothingToSend if there is none."""
    timeline = list(timeline)
    sent = {action.send_key: action for entry in timeline for action in entry.actions}
    if place in sent:
        return sent[place]
    reached = {
        f"{outcome.journey}/{outcome.node}"
        for entry in timeline
        for outcome in entry.outcomes
        if outcome.type == "node.reached"
    }
    what = "sent nothing when it was reached" if place in reached else "was never reached"
    near, _ = suggest(place, sent)
    raise NothingToSend(f"'{place}' {what}{near}")


class TestDelivery:
    """One action on its way to its destination.

    Attributes:
        preview: what is sent; None if nothing can be sent for the action: `result` says why.
        result: None until it is sent.
    """

    __test__ = False  # pytest would collect it as a test

    def __init__(self, action: Action, destination: Destination) -> None:
        """Raises SettingsError if JOURNEYS_ALLOW_HOSTS can't be used."""
        id = f"{action.action_id}-test-{token_hex(8)}"
        self._value = msgspec.json.encode(msgspec.structs.replace(action, action_id=id))
        self._destination = destination
        self._allowed = Allowed.from_env(os.environ)
        self.action = read_action(self._value)
        self.preview: Preview | None = None
        self.result: CallResult | None = None
        asyncio.run(self._with_caller(self._prepare))

    @property
    def delivered(self) -> bool:
        return self.result is not None and self.result.meaning == "delivered"

    def send(self) -> CallResult:
        """Makes the call, once; returns how it ended."""
        if self.result is None:
            asyncio.run(self._with_caller(self._call))
        assert self.result is not None, "a call has a result"
        return self.result

    async def _with_caller(self, use: Any) -> None:
        callers = Callers(DESTINATION_TYPES, Parts(Guard(self._allowed), Secrets(os.environ)))
        try:
            await use(callers)
        finally:
            await callers.close()

    async def _prepare(self, callers: Callers) -> None:
        caller = callers.of(self._destination)
        try:
            self.preview = caller.preview(self._destination, self.action, self._value, test=True)
        except CantBeSent as error:
            now, why = time.time_ns() // 1_000_000, callers.secrets.masked(str(error))
            self.result = CallResult("final", now, 0, "not_sendable", why)

    async def _call(self, callers: Callers) -> None:
        async def confirm() -> None:
            """Nothing to confirm: there is no partition that another worker could have taken
            over."""

        self.result = await callers.of(self._destination).call(
            self._destination, self.action, self._value, confirm, test=True
        )
