"""Destinations of type `http`: an action becomes one request, and its response an answer.

Law: every attempt of an action is the same request with the same idempotency key; redirects are
not followed, cookies not kept and proxies of the environment not used, so a call goes where the
document says and nowhere else.
"""

from __future__ import annotations

import asyncio
import re
import time
from contextlib import suppress
from typing import Any
from urllib.parse import quote

import httpcore
import httpx

from agents.deliver.addresses import AddressRefused, Guard
from agents.deliver.body import READ_BYTES, excerpt_of
from agents.deliver.records import Received
from agents.deliver.retry import Answer, Meaning, meaning_of, retry_after
from agents.deliver.secrets import Secrets
from agents.deliver.transport import GuardedTransport
from journeys.documents import Destination
from journeys.expressions import CelError, ExpressionFailed, Scope, as_text, compile_cel, render
from journeys.interpolation import pieces

_DRAIN_SECONDS = 1.0
_FAILURES = (
    httpx.TransportError,
    httpcore.NetworkError,
    httpcore.ProtocolError,
    httpcore.TimeoutException,
    httpx.StreamError,
    OSError,
)
"""What the network and the other side can do to a call."""
_CONTROL = re.compile("[\x00-\x1f\x7f]")
_PLAIN = " !\"#$&'()*+,-./:;<=>?@[\\]^_`{|}~"


class CantBeSent(Exception):
    """No request can be made of this action; `passing`: a restart of the worker may mend it."""

    def __init__(self, why: str, passing: bool = False) -> None:
        super().__init__(why)
        self.passing = passing


class HttpCaller:
    """Makes the calls. One for the process: connections are kept alive and shared."""

    def __init__(self, guard: Guard, secrets: Secrets) -> None:
        self._guard = guard
        self.secrets = secrets
        # Made now: reading the certificates takes a moment that belongs to no call.
        self._client = httpx.AsyncClient(
            transport=GuardedTransport(guard),
            timeout=None,  # each call has its destination's
            follow_redirects=False,
            trust_env=False,
        )

    async def call(self, destination: Destination, action: Received, value: bytes) -> Answer:
        """One attempt. value: the action's record as it was received. Never raises for anything
        that the destination, the network or the document does."""
        started_at, clock = time.time_ns() // 1_000_000, time.monotonic()

        def answer(meaning: Meaning, reason: str, error: str | None, **rest: Any) -> Answer:
            told = None if error is None else self.secrets.masked(error)
            took = round((time.monotonic() - clock) * 1_000)
            return Answer(meaning, started_at, took, reason, told, **rest)

        try:
            url = _url(destination.url, action)
            headers = _headers(destination, action, self.secrets)
        except CantBeSent as error:
            return answer("retriable" if error.passing else "final", "not_sendable", str(error))
        body = None
        if destination.method != "GET":
            body = value if destination.envelope else bytes(action.payload)
        response: httpx.Response | None = None
        excerpt: str | None = None
        try:
            async with (
                asyncio.timeout(destination.timeout / 1_000),
                self._client.stream(
                    destination.method, url, content=body, headers=headers
                ) as response,
            ):
                excerpt = await self._excerpt(response)
        except TimeoutError:
            if response is None:
                waited = f"no answer within {destination.timeout} ms"
                return answer("retriable", "timeout", waited)
        except AddressRefused as error:
            return answer("final", "address_refused", str(error))
        except (httpx.InvalidURL, httpcore.UnsupportedProtocol) as error:
            return answer("final", "not_sendable", f"'url' is no URL: {error}")
        except _FAILURES as error:
            if response is None:
                text = f"{type(error).__name__}: {error}".removesuffix(": ")
                return answer("retriable", "connection_failed", text)
        # From here on the status is known, and what came of the body afterwards doesn't matter.
        meaning = meaning_of(response.status_code)
        if meaning == "delivered":
            return answer(meaning, "", None, status=response.status_code)
        error_text = f"the destination answered {response.status_code}"
        if 300 <= response.status_code < 400:
            error_text += ": redirects are not followed"
        wait = retry_after(response.headers.get("Retry-After"), started_at)
        return answer(
            meaning,
            "refused",
            error_text,
            status=response.status_code,
            body=excerpt,
            retry_after=wait if meaning == "retriable" else None,
        )

    async def _excerpt(self, response: httpx.Response) -> str | None:
        """The beginning of the body as text without secrets; None where the body doesn't matter.

        Reads on to the end of a short body, so that the connection can be used again.
        """
        delivered = meaning_of(response.status_code) == "delivered"
        data = b""
        with suppress(*_FAILURES):
            async with asyncio.timeout(_DRAIN_SECONDS if delivered else None):
                async for chunk in response.aiter_raw():
                    data += chunk
                    if len(data) >= READ_BYTES:
                        break
        if delivered:
            return None
        return excerpt_of(response, data[:READ_BYTES], self.secrets)

    async def close(self) -> None:
        """Gives up all connections at once."""
        await self._client.aclose()
        await self._guard.close()


def _scope(action: Received, secrets: Secrets | None = None) -> Scope:
    journey = {"name": action.journey, "version": action.version, "instance": action.instance}
    if action.key is not None:
        journey["key"] = action.key
    env = {} if secrets is None else secrets.values
    return Scope(user={"id": action.user_id}, journey=journey, env=env)


def _url(template: str, action: Received) -> str:
    """The URL; what an expression gives stays within one segment or one value of the query."""
    try:
        if "${" not in template:
            return template
        scope = _scope(action)
        text = ""
        for part in pieces(template):
            if isinstance(part, str):
                text += part
                continue
            value = as_text(compile_cel(part.text).evaluate(scope), part.text)
            if value in (".", ".."):
                raise CantBeSent(f"'url': {part.text} is {value!r}, which would change the path")
            text += quote(value, safe="")
        return text
    except (ExpressionFailed, CelError, ValueError) as error:
        raise CantBeSent(f"'url': {error}") from None


def _headers(destination: Destination, action: Received, secrets: Secrets) -> dict[str, str]:
    headers = {"Content-Type": "application/json", "User-Agent": "journeys"}
    headers["Accept-Encoding"] = "identity"
    given = {name.lower() for name in destination.headers}
    headers = {name: text for name, text in headers.items() if name.lower() not in given}
    scope = _scope(action, secrets)
    for name, template in destination.headers.items():
        try:
            value = render(template, scope, env=True)
            text = value if isinstance(value, str) else as_text(value, template)
        except (ExpressionFailed, CelError) as error:
            raise CantBeSent(f"'headers': {name}: {error}", passing="env." in template) from None
        if _CONTROL.search(text.strip()):
            raise CantBeSent(f"'headers': {name} would have control characters")
        headers[name] = text.strip()
    headers["Idempotency-Key"] = header_text(action.action_id)
    headers["Journeys-Send-Key"] = header_text(action.send_key)
    if action.event_name is not None:
        headers["Journeys-Event-Name"] = header_text(action.event_name)
    if action.action is not None:
        headers["Journeys-Action"] = header_text(action.action)
    return headers


def header_text(text: str) -> str:
    """Any text as the value of a header: what is not printable ASCII, and `%`, is percent-encoded
    UTF-8, as in a URL."""
    return quote(text, safe=_PLAIN).strip()
