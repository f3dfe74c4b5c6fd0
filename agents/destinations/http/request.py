"""The HTTP request for an action to one destination.

Law: every attempt of an action is the same request with the same idempotency key; an action's data
only fills the places that the destination's document provides, and can't add others.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from urllib.parse import quote

from msgspec import UNSET

from agents.destinations.base import CantBeSent
from agents.destinations.http.document import HttpDestination
from agents.destinations.secrets import Secrets
from journeys.expressions.expression import CelError, ExpressionFailed, Scope
from journeys.expressions.templates import as_text, render
from journeys.expressions.urls import join_path, render_url
from tables.deliveries import Received

_PLAIN = " !\"#$&'()*+,-./:;<=>?@[\\]^_`{|}~"
_PRINTABLE = re.compile("[ -~]*")
MAX_HEADER = 16 * 1024
"""The longest value of a header, characters; servers don't accept longer ones."""


@dataclass(frozen=True, slots=True)
class Request:
    """A request to a destination. body: None if there is none."""

    method: str
    url: str
    headers: dict[str, str]
    body: bytes | None


def request_of(
    destination: HttpDestination, action: Received, value: bytes, secrets: Secrets
) -> Request:
    """The request of an action.

    Args:
        value: the action's record as it was received.

    Raises:
        CantBeSent: it can't be built.
    """
    method: str = destination.method
    path = None
    if action.trigger is not UNSET:
        method, path = action.trigger.method or method, action.trigger.path
    body: bytes | None = value if destination.envelope else bytes(action.payload)
    if method == "GET" or body == b"null":  # a trigger without a payload
        body = None
    return Request(
        method,
        url_of(destination.url, action, path),
        _headers(destination, action, secrets),
        body,
    )


def _scope(action: Received, secrets: Secrets | None = None) -> Scope:
    journey = {"name": action.journey, "version": action.version, "instance": action.instance}
    if action.key is not None:
        journey["key"] = action.key
    env = {} if secrets is None else secrets.values
    return Scope(user={"id": action.user_id}, journey=journey, env=env)


def url_of(template: str, action: Received, path: str | None = None) -> str:
    """The field `url` for an action, with the path of its trigger. Raises CantBeSent."""
    try:
        return join_path(render_url(template, _scope(action)), path)
    except (ExpressionFailed, CelError, ValueError) as error:
        raise CantBeSent(f"'url': {error}") from None


def header_of(field: str, template: str, action: Received, secrets: Secrets) -> str:
    """The value of a header for an action; anything but printable ASCII in its values is
    percent-encoded as UTF-8. field: its name in errors. Raises CantBeSent."""
    try:
        value = render(template, _scope(action, secrets), env=True)
        text = (value if isinstance(value, str) else as_text(value, template)).strip(" ")
    except (ExpressionFailed, CelError) as error:
        if lacking := secrets.lacking(template):
            raise CantBeSent(f"{field}: {lacking[0]}", "not_configured") from None
        raise CantBeSent(f"{field}: {error}") from None
    if not _PRINTABLE.fullmatch(text):
        text = quote(text, safe=f"%{_PLAIN}")
    if len(text) > MAX_HEADER:
        raise CantBeSent(f"{field} would have {len(text)} characters: at most {MAX_HEADER}")
    return text


def _headers(destination: HttpDestination, action: Received, secrets: Secrets) -> dict[str, str]:
    headers = {"Content-Type": "application/json", "User-Agent": "journeys"}
    headers["Accept-Encoding"] = "identity"
    given = {name.lower() for name in destination.headers}
    headers = {name: text for name, text in headers.items() if name.lower() not in given}
    for name, template in destination.headers.items():
        headers[name] = header_of(f"'headers': {name}", template, action, secrets)
    headers["Idempotency-Key"] = header_text(action.action_id)
    headers["Journeys-Send-Key"] = header_text(action.send_key)
    if action.event_name is not None:
        headers["Journeys-Event-Name"] = header_text(action.event_name)
    if action.action is not None:
        headers["Journeys-Action"] = header_text(action.action)
    return headers


def header_text(text: str) -> str:
    """Any text as the value of a header: `%` and anything but printable ASCII are percent-encoded
    as UTF-8, as in a URL."""
    return quote(text, safe=_PLAIN).strip()
