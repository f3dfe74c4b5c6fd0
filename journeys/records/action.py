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
    """The request of a trigger node: an action whose response the instance waits for."""

    within: int
    """The time limit, ms: no attempt starts later than this after the action was written."""
    response: dict[str, str] = {}
    """By label, the path of the part of the response to extract, such as `payload.score`."""
    method: str | None = None
    """The HTTP method; without it, the destination's."""
    path: str | None = None
    """The path that is appended to the destination's URL, already percent-encoded."""


class Action(msgspec.Struct, frozen=True, gc=False):
    """One message to a destination."""

    action_id: str
    """The id of the action: the same in every repetition."""
    at: str
    """The logical time of the step."""
    destination: str
    """The Destination to which it is sent."""
    action: str | None
    """What the destination is asked to do."""
    event_name: str | None
    """What the action is about, for the destination."""
    send_key: str
    """Journey and node."""
    user_id: str
    """The user's id."""
    journey: str
    """The journey."""
    version: str
    """The version of the journey's document."""
    instance: str
    """The id of the instance."""
    key: str | None
    """The instance's key."""
    node: str
    """The node."""
    payload: Any
    """What is sent."""
    trigger: TriggerCall | UnsetType = UNSET
    """The request of a trigger, which waits for the response."""
