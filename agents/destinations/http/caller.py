"""Makes one HTTP request for an action, and turns the response into a result.

The type of the destination builds the request: `http`, or another type that uses HTTP.

Law: redirects are not followed, cookies not kept and proxies of the environment not used, so a call
goes only where the document says; and it takes no longer than the document allows.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from dataclasses import replace
from http.cookiejar import CookieJar, DefaultCookiePolicy
from typing import Any

import anyio
import httpcore
import httpx
from msgspec import UNSET

from agents.destinations.addresses import AddressRefused
from agents.destinations.base import CantBeSent, Parts, Preview
from agents.destinations.call_result import (
    CallResult,
    Meaning,
    meaning_of,
    our_error,
    retry_after,
)
from agents.destinations.http.body import (
    MOST_CHUNKS,
    READ_BYTES,
    excerpt_of,
    in_body,
    labels_of,
)
from agents.destinations.http.request import Request
from agents.destinations.http.transport import GuardedTransport
from agents.destinations.secrets import Secrets
from journeys.documents.destination import Destination
from tables.deliveries import Received

_DRAIN_SECONDS = 1.0
_NOT_SENDABLE = (
    httpx.InvalidURL,
    httpcore.UnsupportedProtocol,
    httpcore.LocalProtocolError,
    UnicodeError,
)
"""Errors of the request itself: every other attempt would fail as well."""
_FAILURES = (
    httpx.TransportError,
    httpcore.NetworkError,
    httpcore.RemoteProtocolError,
    httpcore.TimeoutException,
    httpx.StreamError,
    anyio.BrokenResourceError,
    anyio.ClosedResourceError,
    anyio.EndOfStream,
    OSError,
)
"""Errors of the network and the server."""
_NONE: Mapping[str, str] = {}
MARK = {"Journeys-Test": "true"}
"""The header that marks a request as a test event."""


RequestOf = Callable[[Any, Received, bytes, Secrets], Request]
"""Builds the request of an action from the destination, the action, its record as it was received,
and the values of `${env.NAME}`. Raises CantBeSent."""


class HttpCaller:
    """Makes the calls. One per type: connections are kept alive and shared."""

    def __init__(self, parts: Parts, request_of: RequestOf) -> None:
        self._request_of = request_of
        self._now = parts.now
        self.secrets = parts.secrets
        # Created now, so that no call has to wait until the certificates are read.
        self._client = httpx.AsyncClient(
            transport=GuardedTransport(parts.guard),
            cookies=CookieJar(DefaultCookiePolicy(allowed_domains=[])),  # keeps no cookies
            timeout=None,  # each call has its destination's timeout
            follow_redirects=False,
            trust_env=False,
        )

    async def call(
        self,
        destination: Destination,
        action: Received,
        value: bytes,
        confirm: Callable[[], Awaitable[None]],
        *,
        test: bool = False,
    ) -> CallResult:
        """See `Caller.call`."""
        try:
            request = self._request(destination, action, value, test)
        except CantBeSent as error:
            now, why = self._now(), self.secrets.masked(str(error))
            passing = error.reason == "not_configured"
            return CallResult("retriable" if passing else "final", now, 0, error.reason, why)
        except MemoryError:
            raise
        except Exception as error:  # noqa: BLE001 - reported once, with its dead letter
            return our_error(error, self._now(), self.secrets.masked)
        labels = _NONE if action.trigger is UNSET else action.trigger.response
        return await self.send(request, destination.timeout, labels, confirm, excerpt=test)

    def preview(
        self, destination: Destination, action: Received, value: bytes, *, test: bool = False
    ) -> Preview:
        """See `Caller.preview`."""
        request, masked = self._request(destination, action, value, test), self.secrets.masked
        headers = {name: masked(text) for name, text in request.headers.items()}
        body = None if request.body is None else masked(request.body.decode())
        url = masked(request.url)
        return Preview(
            {"method": request.method, "url": url, "headers": headers, "body": body},
            [
                f"{request.method} {url}",
                *(f"{name}: {text}" for name, text in headers.items()),
                *([] if body is None else [body]),
            ],
        )

    def _request(
        self, destination: Destination, action: Received, value: bytes, test: bool
    ) -> Request:
        request = self._request_of(destination, action, value, self.secrets)
        return replace(request, headers={**request.headers, **MARK}) if test else request

    async def send(
        self,
        request: Request,
        timeout: int,
        labels: Mapping[str, str] = _NONE,
        confirm: Callable[[], Awaitable[None]] | None = None,
        *,
        excerpt: bool = False,
    ) -> CallResult:
        """One attempt at a request.

        Args:
            timeout: ms for all of it.
            labels: by label, the path of the part of the response.
            confirm: see `call`.
            excerpt: whether the beginning of the body is kept even if the call succeeds.
        """
        started_at, clock = self._now(), time.monotonic()

        def answer(meaning: Meaning, reason: str, error: str | None, **rest: Any) -> CallResult:
            masked = None if error is None else self._masked(error)
            took = round((time.monotonic() - clock) * 1_000)
            return CallResult(meaning, started_at, took, reason, masked, **rest)

        async def trace(name: str, info: Any) -> None:
            if confirm is not None and name == "http11.send_request_headers.started":
                await confirm()

        extensions = {} if confirm is None else {"trace": trace}
        needed = any(in_body(path) for path in labels.values())
        response: httpx.Response | None = None
        body = _Body()
        reason, failed = "", ""
        try:
            async with (
                asyncio.timeout(timeout / 1_000),
                self._client.stream(
                    request.method,
                    request.url,
                    content=request.body,
                    headers=request.headers,
                    extensions=extensions,
                ) as response,
            ):
                if needed or excerpt or meaning_of(response.status_code) != "delivered":
                    await body.read(response)
                else:
                    await body.skip(response)
        except TimeoutError:
            what = "answer" if response is None else "whole answer"
            reason, failed = "timeout", f"no {what} within {timeout} ms"
        except AddressRefused as error:
            return answer("final", "address_refused", str(error))
        except _FAILURES as error:
            reason = "connection_failed"
            failed = f"{type(error).__name__}: {error}".removesuffix(": ")
        except _NOT_SENDABLE as error:
            if response is None:
                return answer("final", "not_sendable", f"the request is not valid: {error}")
            failed = str(error)
        except Exception as error:
            if response is None:
                raise
            failed = f"internal error: {type(error).__name__}"
        if response is None:
            return answer("retriable", reason, failed)
        # The status is known; a failure to read the body only matters if parts of it are needed.
        status, meaning = response.status_code, meaning_of(response.status_code)
        rest: dict[str, Any] = {"status": status}
        try:
            data = body.data if body.ended else None
            rest["labels"], rest["unread"] = labels_of(labels, response, data, self.secrets)
            if excerpt or meaning != "delivered":
                rest["body"] = excerpt_of(response, body.data, body.ended, self.secrets)
        except Exception as error:  # noqa: BLE001 - the status says enough to go by
            rest["body"] = f"(it could not be read: {type(error).__name__})"
        if meaning == "delivered":
            if needed and failed and not body.ended:
                return answer("retriable", reason, failed, **rest)
            return answer(meaning, "", None, **rest)
        error_text = f"the destination answered {status}"
        if 300 <= status < 400:
            error_text += ": redirects are not followed"
        if meaning == "retriable":
            rest["retry_after"] = retry_after(response.headers.get("Retry-After"), started_at)
        return answer(meaning, "refused", error_text, **rest)

    def _masked(self, text: str) -> str:
        """A text from the network or a library, masked and valid as UTF-8."""
        return self.secrets.masked(text.encode("utf-8", "replace").decode())

    async def close(self) -> None:
        """Closes all connections at once."""
        await self._client.aclose()


class _Body:
    """The beginning of a response's body, at most READ_BYTES. ended: it is complete."""

    def __init__(self) -> None:
        self._parts: list[bytes] = []
        self.ended = False

    @property
    def data(self) -> bytes:
        return b"".join(self._parts)[:READ_BYTES]

    async def read(self, response: httpx.Response) -> None:
        """Reads a short body to its end, so that the connection can be reused."""
        size = 0
        async for chunk in response.aiter_raw():
            self._parts.append(chunk)
            size += len(chunk)
            if size > READ_BYTES or len(self._parts) > MOST_CHUNKS:
                return
        self.ended = True

    async def skip(self, response: httpx.Response) -> None:
        """The same for a body that isn't needed, for a short time only."""
        with suppress(*_FAILURES):
            async with asyncio.timeout(_DRAIN_SECONDS):
                await self.read(response)
