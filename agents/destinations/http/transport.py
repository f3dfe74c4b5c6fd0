"""How httpx reaches a destination: only through connections to addresses that were checked.

Law: the address that was checked is the address that is connected to; there is no second look-up.
"""

from __future__ import annotations

import ssl
from collections.abc import AsyncIterator, Callable, Iterable
from typing import Any

import httpcore
import httpx

from agents.destinations.addresses import Guard

KEEP_ALIVE_SECONDS = 15.0


class GuardedBackend(httpcore.AsyncNetworkBackend):
    """Resolves by the guard and connects to what it gives, one address after the other."""

    def __init__(self, guard: Guard) -> None:
        self._guard = guard
        self._network = httpcore.AnyIOBackend()

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        """Raises AddressRefused, OSError for an unknown name, httpcore.ConnectError."""
        failed: httpcore.ConnectError | None = None
        for address in await self._guard.addresses(host, port):
            try:
                return await self._network.connect_tcp(
                    address, port, timeout, local_address, socket_options
                )
            except httpcore.ConnectError as error:
                failed = error
        raise failed or httpcore.ConnectError(f"{host} has no address")

    async def sleep(self, seconds: float) -> None:
        await self._network.sleep(seconds)


class GuardedTransport(httpx.AsyncBaseTransport):
    """Connections to every origin, each in a pool of its own.

    httpx's own transport does not let its caller choose how connections are made; and httpcore's
    pool looks at every connection for every request (64 calls at once: 12 ms of CPU a call instead
    of 1). How many there are is bounded by who calls, per destination.
    """

    def __init__(self, guard: Guard) -> None:
        self._backend = GuardedBackend(guard)
        self._ssl = ssl.create_default_context()
        self._pools: set[httpcore.AsyncConnectionPool] = set()
        self._free: dict[tuple[bytes, bytes, int | None], list[httpcore.AsyncConnectionPool]] = {}

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        url = request.url
        origin = (url.raw_scheme, url.raw_host, url.port)
        free = self._free.setdefault(origin, [])
        pool = free.pop() if free else self._new_pool()
        try:
            response = await pool.handle_async_request(
                httpcore.Request(
                    method=request.method,
                    url=httpcore.URL(
                        scheme=url.raw_scheme,
                        host=url.raw_host,
                        port=url.port,
                        target=url.raw_path,
                    ),
                    headers=request.headers.raw,
                    content=request.stream,
                    extensions=request.extensions,
                )
            )
        except BaseException:
            free.append(pool)
            raise
        return httpx.Response(
            response.status,
            headers=response.headers,
            stream=_Stream(response, lambda: free.append(pool)),
            extensions=response.extensions,
        )

    def _new_pool(self) -> httpcore.AsyncConnectionPool:
        pool = httpcore.AsyncConnectionPool(
            ssl_context=self._ssl,
            max_connections=1,
            keepalive_expiry=KEEP_ALIVE_SECONDS,
            network_backend=self._backend,
        )
        self._pools.add(pool)
        return pool

    async def aclose(self) -> None:
        for pool in self._pools:
            await pool.aclose()


class _Stream(httpx.AsyncByteStream):
    """A response's body; its connection is free for the next request once it is closed."""

    def __init__(self, response: httpcore.Response, closed: Callable[[], None]) -> None:
        self._response = response
        self._closed: Callable[[], None] | None = closed

    async def __aiter__(self) -> AsyncIterator[bytes]:
        async for part in self._response.aiter_stream():
            yield part

    async def aclose(self) -> None:
        closed, self._closed = self._closed, None
        try:
            await self._response.aclose()
        finally:
            if closed is not None:
                closed()
