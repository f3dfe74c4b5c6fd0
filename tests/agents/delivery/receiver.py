"""A real HTTP server on loopback that answers by rules and keeps what it was sent."""

from __future__ import annotations

import asyncio
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import TracebackType
from typing import Self

from aiohttp import web


@dataclass(frozen=True)
class Reply:
    """How one request is answered.

    delay: seconds before the answer. hang: never answers. reset: closes the connection instead.
    torn: nothing comes after the body, whatever Content-Length says.
    echo_headers: the body is the request's headers, one a line.
    """

    status: int = 200
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)
    delay: float = 0
    hang: bool = False
    reset: bool = False
    torn: bool = False
    echo_headers: bool = False


@dataclass
class Request:
    """What was received. at, answered_at: seconds, monotonic; answered_at is 0 without an answer.
    connection: the client's port. status: of the answer that went out whole; 0 without one."""

    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes
    at: float
    connection: int
    answered_at: float = 0
    status: int = 0

    @property
    def key(self) -> str:
        return self.headers["Idempotency-Key"]


Rule = Callable[[Request, int], Reply]
"""The reply to a request; the number says how many with the same idempotency key came before."""


class Receiver:
    """Runs from `with` on; `rule` may be replaced at any time."""

    def __init__(self, rule: Rule | Reply = Reply(), port: int = 0) -> None:
        self.rule: Rule | Reply = rule
        self.requests: list[Request] = []
        self._attempts: dict[str, int] = defaultdict(int)
        self._arrived = threading.Condition()
        self._loop = asyncio.new_event_loop()
        self._closing = asyncio.Event()
        self._standing = threading.Event()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self.port = port
        self._runner: web.AppRunner | None = None
        self._site: web.TCPSite | None = None

    @property
    def host(self) -> str:
        return f"127.0.0.1:{self.port}"

    @property
    def url(self) -> str:
        return f"http://{self.host}"

    def __enter__(self) -> Self:
        self._thread.start()
        asyncio.run_coroutine_threadsafe(self._start(), self._loop).result(10)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        asyncio.run_coroutine_threadsafe(self._stop(), self._loop).result(10)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)
        self._loop.close()

    def close_port(self) -> None:
        """Refuses new connections until `open_port`."""
        assert self._site is not None
        asyncio.run_coroutine_threadsafe(self._site.stop(), self._loop).result(10)

    def open_port(self) -> None:
        asyncio.run_coroutine_threadsafe(self._listen(), self._loop).result(10)

    def stand_still(self, seconds: float) -> None:
        """As a stopped process: the kernel takes connections and bytes, and nobody reads them."""
        self._loop.call_soon_threadsafe(self._standing.wait, seconds)

    def wait_for(
        self, count: int, seconds: float = 120, where: Callable[[Request], bool] = lambda _: True
    ) -> list[Request]:
        """Waits for this many matching requests, and returns all that have arrived."""
        limit = time.monotonic() + seconds
        with self._arrived:
            while True:
                found = [one for one in self.requests if where(one)]
                if len(found) >= count:
                    return found
                left = limit - time.monotonic()
                assert left > 0, f"{len(found)} of {count} requests after {seconds} s"
                self._arrived.wait(left)

    async def _start(self) -> None:
        server = web.Application(client_max_size=16 << 20)
        server.router.add_route("*", "/{path:.*}", self._answer)
        self._runner = web.AppRunner(server, access_log=None, shutdown_timeout=0.1)
        await self._runner.setup()
        await self._listen()
        self.port = self._runner.addresses[0][1]

    async def _listen(self) -> None:
        assert self._runner is not None
        self._site = web.TCPSite(self._runner, "127.0.0.1", self.port, backlog=1024)
        await self._site.start()

    async def _stop(self) -> None:
        self._closing.set()
        assert self._runner is not None
        await self._runner.cleanup()

    async def _answer(self, received: web.Request) -> web.StreamResponse:
        transport = received.transport
        assert transport is not None
        try:
            body = await received.read()
        except ConnectionResetError:  # the caller has died
            return web.Response()
        request = Request(
            received.method,
            received.raw_path,
            dict(received.headers),
            body,
            time.monotonic(),
            transport.get_extra_info("peername")[1],
        )
        key = request.headers.get("Idempotency-Key", "")
        before = self._attempts[key]
        self._attempts[key] += 1
        with self._arrived:
            self.requests.append(request)
            self._arrived.notify_all()
        rule = self.rule
        reply = rule if isinstance(rule, Reply) else rule(request, before)
        await asyncio.sleep(reply.delay)
        if reply.hang:
            await self._closing.wait()
        if reply.reset:
            transport.abort()
        body = reply.body
        if reply.echo_headers:
            body = "\n".join(f"{k}: {v}" for k, v in request.headers.items()).encode()
        if reply.torn:
            begun = web.StreamResponse(status=reply.status, headers=reply.headers)
            await begun.prepare(received)
            await begun.write(body)
            await self._closing.wait()
        request.answered_at = time.monotonic()
        request.status = 0 if reply.reset else reply.status
        return web.Response(status=reply.status, body=body, headers=reply.headers)
