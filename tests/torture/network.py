"""A network that can fail: TCP proxies on loopback, between programs that do not know of them.

Law: bytes reach the other side whole and in order, or the connection ends. A cut holds them back
and loses none, as TCP does, which sends again when the cut is over.
"""

from __future__ import annotations

import asyncio
import socket
import struct
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Literal, Self, TypeVar

Way = Literal["to the server", "to the client"]
WAYS: tuple[Way, Way] = ("to the server", "to the client")
DIRECTIONS: tuple[tuple[Way, ...], ...] = (WAYS, ("to the server",), ("to the client",))
"""In which a connection can be cut: both, or one."""
_CHUNK = 64 * 1024
_AHEAD = 64
"""Chunks that are on their way in one direction of one connection, at most."""
_STEP_SECONDS = 0.05
_RESET = struct.pack("ii", 1, 0)  # SO_LINGER: closing sends RST
_T = TypeVar("_T")


class Line:
    """One direction of all connections of a proxy."""

    def __init__(self) -> None:
        self.open = asyncio.Event()
        self.open.set()
        self.latency = 0.0  # seconds
        self.bytes_per_second: float | None = None  # of each connection


class Network:
    """The event loop of all proxies, in a thread of its own; a context manager."""

    def __init__(self) -> None:
        self.loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self.loop.run_forever, daemon=True)
        self._proxies: list[Proxy] = []

    def proxy(self, port: int) -> Proxy:
        """A way to a port of 127.0.0.1, on which nothing need listen yet."""
        made = Proxy(self, port)
        self._proxies.append(made)
        return made

    def call(self, what: Callable[[], _T]) -> _T:
        """Calls it on the loop."""

        async def called() -> _T:
            return what()

        return asyncio.run_coroutine_threadsafe(called(), self.loop).result(10)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *exc: object) -> None:
        for proxy in self._proxies:
            proxy.close()
        self.loop.call_soon_threadsafe(self.loop.stop)
        self._thread.join(10)
        self.loop.close()


class Proxy:
    """One port that leads to another one.

    Attributes:
        port: where clients connect, on 127.0.0.1.
    """

    def __init__(self, network: Network, target: int) -> None:
        self._network = network
        self._target = target
        self._lines: dict[Way, Line] = {way: Line() for way in WAYS}
        self._open: set[asyncio.StreamWriter] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        starting = asyncio.start_server(self._serve, "127.0.0.1", 0, backlog=1024)
        self._server = asyncio.run_coroutine_threadsafe(starting, network.loop).result(10)
        self.port: int = self._server.sockets[0].getsockname()[1]

    @contextmanager
    def cut(self, *ways: Way) -> Iterator[None]:
        """Nothing gets through in these directions (without any: in both) as long as the block
        lasts; what was sent meanwhile arrives then."""
        lines = [self._lines[way] for way in ways or WAYS]
        for line in lines:
            self._network.call(line.open.clear)
        try:
            yield
        finally:
            for line in lines:
                self._network.call(line.open.set)

    @contextmanager
    def slow(self, latency: float = 0, bytes_per_second: float | None = None) -> Iterator[None]:
        """latency: seconds that every byte takes in each direction. bytes_per_second: of each
        connection and direction."""

        def set_to(latency: float, rate: float | None) -> None:
            for line in self._lines.values():
                line.latency, line.bytes_per_second = latency, rate

        self._network.call(lambda: set_to(latency, bytes_per_second))
        try:
            yield
        finally:
            self._network.call(lambda: set_to(0, None))

    def reset(self) -> int:
        """Ends all connections with RST on both sides; returns how many sides there were."""

        def reset() -> int:
            for writer in (those := list(self._open)):
                _abort(writer)
            return len(those)

        return self._network.call(reset)

    def close(self) -> None:
        async def close() -> None:
            self._server.close()
            for task in list(self._tasks):
                task.cancel()
            await asyncio.gather(*self._tasks, return_exceptions=True)

        asyncio.run_coroutine_threadsafe(close(), self._network.loop).result(10)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        sides = [writer]
        try:
            server_reader, server = await asyncio.open_connection("127.0.0.1", self._target)
            sides.append(server)
            self._open.update(sides)
            async with asyncio.TaskGroup() as group:
                for source, sink, way in (
                    (reader, server, WAYS[0]),
                    (server_reader, writer, WAYS[1]),
                ):
                    queue: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue(_AHEAD)
                    group.create_task(self._take(source, queue, self._lines[way]))
                    group.create_task(self._give(queue, sink, self._lines[way]))
        except* (OSError, asyncio.CancelledError):
            pass  # one side has ended: the other one does as well
        finally:
            for side in sides:
                self._open.discard(side)
                _abort(side)
            self._tasks.discard(task)

    async def _take(
        self, reader: asyncio.StreamReader, queue: asyncio.Queue[tuple[float, bytes]], line: Line
    ) -> None:
        data = b"."
        while data:
            data = await reader.read(_CHUNK)
            await queue.put((self._network.loop.time() + line.latency, data))

    async def _give(
        self, queue: asyncio.Queue[tuple[float, bytes]], writer: asyncio.StreamWriter, line: Line
    ) -> None:
        while True:
            at, data = await queue.get()
            await asyncio.sleep(max(0.0, at - self._network.loop.time()))
            await line.open.wait()
            if not data:
                writer.write_eof()
                return
            while data:
                rate = line.bytes_per_second
                size = len(data) if rate is None else max(1, int(rate * _STEP_SECONDS))
                writer.write(data[:size])
                data = data[size:]
                await writer.drain()
                if rate is not None:
                    await asyncio.sleep(_STEP_SECONDS)
                    await line.open.wait()


def _abort(writer: asyncio.StreamWriter) -> None:
    connection = writer.get_extra_info("socket")
    if connection is not None and connection.fileno() >= 0:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
    writer.transport.abort()
