"""type: http: an endpoint that is sent one HTTP request for each action."""

from __future__ import annotations

from agents.destinations.base import Caller, DestinationType, Example, Parts
from agents.destinations.http.document import HttpDestination


def _connect(parts: Parts) -> Caller:
    from agents.destinations.http.caller import HttpCaller
    from agents.destinations.http.request import request_of

    return HttpCaller(parts, request_of)


HTTP = DestinationType(
    HttpDestination,
    _connect,
    Example({"url": "{url}/send", "headers": {"Authorization": "Bearer ${env.TOKEN}"}}),
)
