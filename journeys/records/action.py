"""What is sent to a destination. Field order is that of the published records."""

from __future__ import annotations

from typing import Any

import msgspec
from msgspec import UNSET, UnsetType

MAX_PAYLOAD = 256 * 1024
"""Bytes of JSON that the payload of one action may have."""


class TriggerCall(msgspec.Struct, frozen=True, omit_defaults=True):
    """What makes an action a request whose response the user waits for.

    Attributes:
        within: no attempt starts later than this after the action was written, ms.
        response: which part of the response each label is, such as `payload.score`.
        method: of the request, where it is not the destination's own.
        path: what comes behind the destination's URL, percent-encoded.
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
