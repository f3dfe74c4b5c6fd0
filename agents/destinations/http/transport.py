"""Connects httpx to destinations, only at addresses that were checked.

Law: a connection goes to the address that was checked; there is no second lookup. However a call
ends, none of its data reaches the next call: a connection is reused only if its last answer was
read to the end; any other is closed, by a task that no call can cancel.
"""

from __future__ import annotations

import asyncio
import ssl
import time
from collections import deque
from collections.abc import AsyncIterator, Iterable
from contextlib import suppress
from typing import Any

import httpcore
import httpx

from agents.destinations.addresses import Guard

KEEP_ALIVE_SECONDS = 15.0
MOST_READS = 4_096
MOST_BYTES = 256 * 1024
"""How many reads and bytes a call takes from its connection. An answer with more of either is an
error, such as endless interim responses or single bytes."""
_READ_BYTES = 16 * 1024
"""Bytes per read, as one read is parsed without yielding to the event loop."""
_CLOSE_SECONDS = 1.0

_Origin = tuple[bytes, bytes, int | None]


class TooMuch(httpcore.RemoteProtocolError):
    """The server's answer doesn't end within the limits."""


class _GuardedStream(httpcore.AsyncNetworkStream):
    """A connection whose reads are counted; each call starts its own count."""

    def __init__(self, stream: httpcore.AsyncNetworkStream, of: _Connection) -> None:
        self._stream = stream
        self._of = of

    async def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        data = await self._stream.read(min(max_bytes, _READ_BYTES), timeout)
        self._of.count(len(data))
        return data

    async def write(self, buffer: bytes, timeout: float | None = None) -> None:
        await self._stream.write(buffer, timeout)

    async def aclose(self) -> None:
        await self._stream.aclose()

    async def start_tls(
        self,
        ssl_context: ssl.SSLContext,
        server_hostname: str | None = None,
        timeout: float | None = None,
    ) -> httpcore.AsyncNetworkStream:
        encrypted = await self._stream.start_tls(ssl_context, server_hostname, timeout)
        self._of.encrypted = encrypted
        return _GuardedStream(encrypted, self._of)

    def get_extra_info(self, info: str) -> Any:
        return self._stream.get_extra_info(info)


class _Connection(httpcore.AsyncNetworkBackend):
    """One connection to an origin. It also opens the socket itself, so that it can always close it,
    even if httpcore has lost track of it."""

    def __init__(self, origin: _Origin, guard: Guard, context: ssl.SSLContext) -> None:
        scheme, host, port = origin
        self.origin = origin
        self.free_since = 0.0
        self.encrypted: httpcore.AsyncNetworkStream | None = None
        self._guard = guard
        self._network = httpcore.AnyIOBackend()
        self._socket: httpcore.AsyncNetworkStream | None = None
        self._closed = False
        self._reads = self._bytes = 0
        default = 443 if scheme == b"https" else 80
        self._http = httpcore.AsyncHTTPConnection(
            httpcore.Origin(scheme, host, port or default),
            ssl_context=context,
            keepalive_expiry=KEEP_ALIVE_SECONDS,
            network_backend=self,
        )

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        """Tries the addresses from the guard, one after the other.

        Raises AddressRefused, OSError for an unknown name, httpcore.ConnectError.
        """
        failed: httpcore.ConnectError | None = None
        for address in await self._guard.addresses(host, port):
            try:
                self._socket = await self._network.connect_tcp(
                    address, port, timeout, local_address, socket_options
                )
            except httpcore.ConnectError as error:
                failed = error
            else:
                if self._closed:  # in the meantime
                    await self.close()
                    break
                return _GuardedStream(self._socket, self)
        raise failed or httpcore.ConnectError(
            "given up" if self._closed else f"{host} has no address"
        )

    async def sleep(self, seconds: float) -> None:
        await self._network.sleep(seconds)

    def count(self, size: int) -> None:
        self._reads += 1
        self._bytes += size
        if self._reads > MOST_READS or self._bytes > MOST_BYTES:
            raise TooMuch(f"the answer continues after {self._reads} reads and {self._bytes} bytes")

    async def request(self, request: httpcore.Request) -> httpcore.Response:
        self._reads = self._bytes = 0
        return await self._http.handle_async_request(request)

    def usable(self) -> bool:
        """Whether it can carry another request: the server has neither closed it nor sent more
        than its answers, as that would be read as the next answer."""
        if not self._http.is_idle() or self._http.has_expired():
            return False
        # The libraries have no public interface for this.
        connection: Any = self._http._connection
        socket: Any = self._socket
        unread, _ = connection._h11_state.trailing_data
        if unread or socket._stream._protocol.read_queue:
            return False
        if self.encrypted is None:
            return True
        # Data that arrived with the answer's last bytes is decrypted only when it is read.
        stream: Any = self.encrypted
        tls = stream._stream
        return not (tls._read_bio.pending or tls._ssl_object.pending())

    async def close(self) -> None:
        self._closed = True
        with suppress(Exception):  # the socket is closed in any state
            await self._http.aclose()
        if self._socket is not None:
            with suppress(Exception):
                await self._socket.aclose()


class GuardedTransport(httpx.AsyncBaseTransport):
    """Connections to every origin; the callers limit their number, per destination.

    httpx's own transport does not let its caller choose how connections are opened, and httpcore's
    pool examines every connection for every request (64 concurrent calls: 12 ms of CPU per call
    instead of 1).
    """

    def __init__(self, guard: Guard, context: ssl.SSLContext | None = None) -> None:
        """context: by default, it trusts the system's certificates."""
        self._guard = guard
        self._ssl = context or ssl.create_default_context()
        self._free: dict[_Origin, deque[_Connection]] = {}
        """Free connections, the longest free first."""
        self._used: set[_Connection] = set()
        self._closing: set[asyncio.Task[None]] = set()

    @property
    def connections(self) -> tuple[int, int]:
        """How many are free, and how many are used or being closed."""
        return sum(map(len, self._free.values())), len(self._used) + len(self._closing)

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        url = request.url
        connection = self._take((url.raw_scheme, url.raw_host, url.port))
        try:
            response = await connection.request(
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
            self.drop(connection, failed=True)
            raise
        return httpx.Response(
            response.status,
            headers=response.headers,
            stream=_Stream(response, self, connection),
            extensions=response.extensions,
        )

    def _take(self, origin: _Origin) -> _Connection:
        """A connection that can carry a request; free ones that no longer can are closed."""
        free = self._free.get(origin, ())
        connection = None
        while free and connection is None:
            connection = free.pop()
            if not connection.usable():
                self._close(connection)
                connection = None
        if connection is None:
            connection = _Connection(origin, self._guard, self._ssl)
        self._used.add(connection)
        return connection

    def give_back(self, connection: _Connection) -> None:
        """Keeps a connection whose answer was read to the end."""
        if not connection.usable():
            self.drop(connection, failed=False)
            return
        self._used.discard(connection)
        now = connection.free_since = time.monotonic()
        free = self._free.setdefault(connection.origin, deque())
        free.append(connection)
        while free[0].free_since < now - KEEP_ALIVE_SECONDS:
            self._close(free.popleft())

    def drop(self, connection: _Connection, *, failed: bool) -> None:
        """Closes a connection instead of reusing it. failed: the free ones may be broken as well
        and are closed, too, so that the next call, such as a probe, opens a new connection."""
        self._used.discard(connection)
        self._close(connection)
        if failed:
            for other in self._free.pop(connection.origin, ()):
                self._close(other)

    def _close(self, connection: _Connection) -> None:
        task = asyncio.get_running_loop().create_task(connection.close())
        self._closing.add(task)
        task.add_done_callback(self._closing.discard)

    async def aclose(self) -> None:
        for connection in [*self._used, *(one for free in self._free.values() for one in free)]:
            self._close(connection)
        self._used.clear()
        self._free.clear()
        if self._closing:
            await asyncio.wait(self._closing, timeout=_CLOSE_SECONDS)


class _Stream(httpx.AsyncByteStream):
    """A response's body; its connection is free for the next request once the body was read."""

    def __init__(
        self, response: httpcore.Response, transport: GuardedTransport, connection: _Connection
    ) -> None:
        self._response = response
        self._transport = transport
        self._connection: _Connection | None = connection
        self._ended = False
        self._failed = response.status >= 500

    async def __aiter__(self) -> AsyncIterator[bytes]:
        try:
            async for part in self._response.aiter_stream():
                yield part
            self._ended = True
        except GeneratorExit:  # the reader stopped early
            raise
        except BaseException:
            self._failed = True
            raise

    async def aclose(self) -> None:
        connection, self._connection = self._connection, None
        if connection is None:
            return
        whole = False
        try:
            if self._ended and not self._failed:
                await self._response.aclose()
                whole = True
        finally:
            if whole:
                self._transport.give_back(connection)
            else:
                self._transport.drop(connection, failed=self._failed)
