"""What a type of destination consists of: the fields of its documents, and the code that carries
out actions.

Law: a type is one file (or folder) and one line in `types.py`; nothing else names a type. Importing
the list loads no client library: `connect` imports what it needs.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple, Protocol

from agents.destinations.addresses import Guard
from agents.destinations.call_result import CallResult
from agents.destinations.secrets import Secrets
from agents.runtime.broker_clock import wall
from journeys.documents.destination import Destination, type_of
from tables.deliveries import Received


class CantBeSent(Exception):
    """Nothing can be sent for an action. reason: `not_configured` if a worker with other settings
    may be able to; else it is final, and `not_sendable`."""

    def __init__(
        self, why: str, reason: Literal["not_sendable", "not_configured"] | None = None
    ) -> None:
        super().__init__(why)
        self.reason = reason or "not_sendable"


@dataclass(frozen=True, slots=True)
class Parts:
    """What callers need, shared by the whole process.

    guard: says which addresses may be connected to; all code that opens a socket asks it.
    secrets: the values of `${env.NAME}`, and the mask for results.
    now: the time of results, ms.
    """

    guard: Guard
    secrets: Secrets
    now: Callable[[], int] = wall


class Preview(NamedTuple):
    """What a call would send, without secrets.

    fields: for scripts. lines: for people.
    """

    fields: Mapping[str, Any]
    lines: Sequence[str]


class Caller(Protocol):
    """Carries out the actions of all destinations of a type, concurrently. One for the process.

    Every attempt of an action sends the same request with the same idempotency key, the action's
    id. A test event (`simulate --send`) is marked as a test for the destination.
    """

    async def call(
        self,
        destination: Any,
        action: Received,
        value: bytes,
        confirm: Callable[[], Awaitable[None]],
        *,
        test: bool = False,
    ) -> CallResult:
        """One attempt, which takes no longer than `destination.timeout` (ms).

        Args:
            destination: a document of the type.
            value: the action's record as it was received.
            confirm: awaited when everything is ready and nothing has been sent yet; its exceptions
                are not caught.
            test: whether it is a test event; then the answer's text is kept even if the call
                succeeds.

        Returns:
            The result, without secrets. Errors of the destination, the network or the document are
            not raised.
        """

    def preview(
        self, destination: Any, action: Received, value: bytes, *, test: bool = False
    ) -> Preview:
        """What `call` sends for the same arguments. Raises CantBeSent."""

    async def close(self) -> None:
        """Closes all connections at once."""


@dataclass(frozen=True, slots=True)
class Example:
    """What the conformance suite needs to call a type's destination at a server that it starts.

    fields: those of the document but kind, name and type; `{url}` in a text becomes the server's
        URL. One of them sends `${env.TOKEN}`.
    replies: by meaning, the status, headers and body that have that meaning for this type.
    key: finds the idempotency key in the headers and body of a request.
    """

    fields: Mapping[str, Any]
    replies: Mapping[str, tuple[int, Mapping[str, str], bytes]] = field(
        default_factory=lambda: {
            "delivered": (200, {}, b"{}"),
            "retriable": (503, {}, b"busy"),
            "final": (400, {}, b"no"),
            "retry_after": (429, {"Retry-After": "7"}, b""),
        }
    )
    key: Callable[[Mapping[str, str], bytes], str] = lambda headers, body: headers[
        "Idempotency-Key"
    ]


@dataclass(frozen=True, slots=True)
class DestinationType:
    """A type of destination.

    document: the fields of its documents, their checks and lint; pure.
    connect: creates the caller; imports the client libraries that it needs.
    example: for the conformance suite.
    """

    document: type[Destination]
    connect: Callable[[Parts], Caller]
    example: Example

    @property
    def name(self) -> str:
        """The word that documents write as `type`."""
        return type_of(self.document)
