"""Actions: the messages that journeys send to destinations.

Law: the order of the fields is that of the published records.
"""

from __future__ import annotations

from typing import Any

import msgspec
from msgspec import UNSET, UnsetType

MAX_PAYLOAD = 256 * 1024
"""Largest payload of one action, bytes of JSON."""


class TriggerCall(msgspec.Struct, frozen=True, omit_defaults=True):
    """The request of a trigger node: an action whose response the instance waits for.

    Attributes:
        within: the time limit, ms; no attempt starts later than this after the action was written.
        response: for each label, the path of the response part to extract, such as
            `payload.score`.
        method: the HTTP method; None: the destination's.
        path: appended to the destination's URL, already percent-encoded.
    """

    within: int
    response: dict[str, str] = {}
    method: str | None = None
    path: str | None = None


class Action(msgspec.Struct, frozen=True, gc=False):
    """One message to a destination."""

    action_id: str
    at: str
    destination: str
    action: str | None
    event_name: str | None
    send_key: str
    user_id: str
    journey: str
    version: str
    instance: str
    key: str | None
    node: str
    payload: Any
    trigger: TriggerCall | UnsetType = UNSET
