"""The demo's destination: an HTTP server on loopback that counts requests by idempotency key.

Law: the idempotency key alone decides whether a first attempt is refused, so every run is the same.
"""

from __future__ import annotations

import asyncio
import socket
import threading
import zlib
from collections import Counter
from typing import Self

from aiohttp import web

from agents.errors import UserError

HOST = "127.0.0.1"
REFUSED_ONE_IN = 20
"""The first attempt of one action in so many is answered 503."""

_START_SECONDS = 10.0


class Receiver:
    """A context manager; the server has a thread and an event loop of its own.

    Attributes:
        requests: all requests that were read completely.
        refused: those answered 503.
        accepted: how often each idempotency key was answered 200.
    """

    def __init__(self, port: int) -> None:
        """port: the preferred one; if it is taken, a free one is used."""
        self.requests = 0
        self.refused = 0
        self.accepted: Counter[str] = Counter()
        self._refused_keys: set[str] = set()
        self._socket = _listen(port)
        self.port: int = self._socket.getsockname()[1]
        self._loop: asyncio.AbstractEventLoop | None = None
        self._end = asyncio.Event()
        self._up = threading.Event()
        self._thread = threading.Thread(target=self._run, name="receiver", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        if not self._up.wait(_START_SECONDS):
            raise UserError(f"The demo's receiver did not start within {_START_SECONDS:.0f} s.")
        return self

    def __exit__(self, *exc: object) -> None:
        if self._loop is not None:
            self._loop.call_soon_threadsafe(self._end.set)
        self._thread.join(_START_SECONDS)
        self._socket.close()

    def _run(self) -> None:
        asyncio.run(self._serve())

    async def _serve(self) -> None:
        self._loop = asyncio.get_running_loop()
        server = web.Application()
        server.router.add_post("/{destination}", self._take)
        runner = web.AppRunner(server, access_log=None)
        await runner.setup()
        await web.SockSite(runner, self._socket, shutdown_timeout=0.5).start()
        self._up.set()
        await self._end.wait()
        await runner.cleanup()

    async def _take(self, request: web.Request) -> web.Response:
        try:
            await request.read()
        except ConnectionError:  # the client gave up in the middle and will retry
            return web.Response(status=400)
        self.requests += 1
        key = request.headers.get("Idempotency-Key")
        if key is None:
            return web.json_response({"error": "no Idempotency-Key"}, status=400)
        if refuses_first(key) and key not in self._refused_keys:
            self._refused_keys.add(key)
            self.refused += 1
            return web.json_response({"error": "busy, try again"}, status=503)
        self.accepted[key] += 1
        return web.json_response({"done": True, "times": self.accepted[key]})


def refuses_first(key: str) -> bool:
    """Whether the first attempt with this idempotency key is answered 503."""
    return zlib.crc32(key.encode()) % REFUSED_ONE_IN == 0


def _listen(port: int) -> socket.socket:
    listening = socket.socket()
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listening.bind((HOST, port))
    except OSError:
        listening.bind((HOST, 0))
    return listening
