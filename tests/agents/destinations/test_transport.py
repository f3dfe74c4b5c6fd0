"""However a call ends, at any iteration of the event loop, it leaves nothing to the next one."""

from __future__ import annotations

import asyncio
import os
import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest
import trustme
import uvloop

from agents.destinations.addresses import Allowed, Guard
from agents.destinations.base import Parts
from agents.destinations.http.caller import HttpCaller
from agents.destinations.http.request import Request, request_of
from agents.destinations.http.transport import MOST_BYTES, MOST_READS, GuardedTransport
from agents.destinations.secrets import Secrets

SECONDS = 20


class Server:
    """An HTTP server on the test's own event loop, so that a turn is a turn for both sides. Its
    answers repeat the request's path; they come in chunks, a turn between them."""

    def __init__(self, port: int = 0, context: ssl.SSLContext | None = None) -> None:
        self.port = port
        self.context = context
        self.connections = 0
        self.open = 0
        self.answer: Callable[[str], list[bytes]] = echo
        """The pieces in which an answer is written; an empty one closes the connection."""

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        self.open += 1
        try:
            while (head := await reader.readuntil(b"\r\n\r\n")) != b"":
                length = [line for line in head.lower().split(b"\r\n") if b"content-length" in line]
                if length:
                    await reader.readexactly(int(length[0].split(b":")[1]))
                for piece in self.answer(head.split(b" ")[1].decode()):
                    if not piece:
                        return
                    writer.write(piece)
                    await writer.drain()
                    await asyncio.sleep(0)
        except (asyncio.IncompleteReadError, ConnectionError, ssl.SSLError):
            pass  # the caller is gone
        finally:
            self.open -= 1
            writer.transport.abort()


def echo(path: str) -> list[bytes]:
    pieces = [b"%x\r\n%s\r\n" % (len(part), part) for part in (b'{"path": "', path.encode(), b'"}')]
    return [b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", *pieces, b"0\r\n\r\n"]


class Calls:
    """A caller and a server."""

    def __init__(self, server: Server, caller: HttpCaller) -> None:
        self.server = server
        self.caller = caller
        transport = caller._client._transport
        assert isinstance(transport, GuardedTransport)
        self.transport = transport
        self.url = f"http{'s' if server.context else ''}://localhost:{server.port}"
        self._number = 0

    async def __call__(self, method: str = "POST", timeout: int = 1_000 * SECONDS) -> Any:
        """One call, whose answer must be its own."""
        self._number += 1
        path = f"/{self._number}"
        body = None if method == "GET" else b"x" * 100_000
        request = Request(method, self.url + path, {"Idempotency-Key": path}, body)
        result = await self.caller.send(request, timeout, {"path": "payload.path"})
        if result.meaning == "delivered" and result.labels:
            assert result.labels == {"path": path}
        return result

    def descriptors(self) -> int:
        """How many sockets of this process the server or its clients have."""
        sockets = psutil.Process().net_connections("tcp4")
        ends = [(one.laddr, one.raddr) for one in sockets]
        return sum(any(end and end[1] == self.server.port for end in both) for both in ends)

    async def until_closed(self) -> None:
        """Until what was dropped is closed, on both sides."""
        async with asyncio.timeout(SECONDS):
            while self.transport.connections[1] or self.server.open > self.transport.connections[0]:
                await one_turn()


@asynccontextmanager
async def calls(context: ssl.SSLContext | None = None) -> AsyncIterator[Calls]:
    server = Server(context=context)
    listening = await asyncio.start_server(server.serve, "127.0.0.1", 0, ssl=context)
    server.port = listening.sockets[0].getsockname()[1]
    guard = Guard(Allowed.from_env({"JOURNEYS_ALLOW_HOSTS": "localhost"}), _localhost)
    caller = HttpCaller(Parts(guard, Secrets({})), request_of)
    try:
        yield Calls(server, caller)
    finally:
        await caller.close()
        await guard.close()
        listening.close()


async def one_turn() -> None:
    await asyncio.sleep(0)


def _localhost(host: str, port: int, *_: Any) -> Any:
    return [(2, 1, 6, "", ("127.0.0.1", port))]


@pytest.fixture
def certificate(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ssl.SSLContext:
    """A server's context; its certificate is one that the caller trusts."""
    authority = trustme.CA()
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "ca.pem"))
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert("localhost").configure_cert(context)
    return context


async def cancelled_by_the_task(call: Any, turns: int) -> bool:
    """Cancels the call after this many iterations of the loop; returns whether it still ran."""
    task = asyncio.create_task(call)
    for _ in range(turns):
        await asyncio.sleep(0)
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task
    return task.cancelled()


async def cancelled_by_a_timeout(call: Any, turns: int) -> bool:
    started = asyncio.get_running_loop().create_future()

    async def limited() -> None:
        async with asyncio.timeout(None) as scope:
            started.set_result(scope)
            await call

    task = asyncio.create_task(limited())
    scope = await started
    for _ in range(turns):
        await asyncio.sleep(0)
    if task.done():
        await task
        return False
    scope.reschedule(0)
    try:
        await task
    except TimeoutError:
        return True
    return False


@pytest.mark.parametrize("loop", [asyncio.new_event_loop, uvloop.new_event_loop], ids=["", "uv"])
@pytest.mark.parametrize("cancelled", [cancelled_by_the_task, cancelled_by_a_timeout])
@pytest.mark.parametrize("method", ["GET", "POST"])
@pytest.mark.parametrize("scheme", ["http", "https"])
@pytest.mark.parametrize("idle", [False, True], ids=["new", "idle"])
def test_a_call_that_is_cancelled_at_any_turn_leaves_nothing_behind(
    idle: bool, scheme: str, method: str, cancelled: Any, loop: Any, request: Any
) -> None:
    context = request.getfixturevalue("certificate") if scheme == "https" else None

    async def at_every_turn() -> int:
        async with calls(context) as call:
            await call()
            await call.until_closed()
            open_before, turn = call.descriptors(), 0
            while True:
                if not idle:  # a new connection is made only where none is free
                    for free in list(call.transport._free.values()):
                        for one in list(free):
                            call.transport.drop(one, failed=True)
                    await call.until_closed()
                under_way = await cancelled(call(method), turn)
                async with asyncio.timeout(SECONDS):
                    result = await call(method)
                assert (result.meaning, result.labels != {}) == ("delivered", True), turn
                await call.until_closed()
                assert call.transport.connections == (1, 0), turn
                assert call.descriptors() == open_before, turn
                if not under_way:
                    return turn
                turn += 1

    with asyncio.Runner(loop_factory=loop) as runner:
        turns = runner.run(at_every_turn())
    assert turns > 5  # else no call was in flight


async def test_many_calls_that_are_cancelled_at_once_leave_nothing_behind() -> None:
    async with calls() as call:
        await call()
        open_before = call.descriptors()
        for turns in range(0, 60, 3):
            tasks = [asyncio.create_task(call()) for _ in range(20)]
            for _ in range(turns):
                await asyncio.sleep(0)
            for task in tasks[::2]:
                task.cancel()
            done = await asyncio.gather(*tasks, return_exceptions=True)
            assert {one.meaning for one in done[1::2]} == {"delivered"}
        await call.until_closed()
        free, used = call.transport.connections
        assert used == 0
        assert call.descriptors() <= open_before + 2 * (free - 1)


RECORD = 1 << 14
"""Bytes that a record of TLS has at most."""

BAD_ANSWERS: dict[str, list[bytes]] = {
    "no answer": [b""],
    "half a head": [b"HTTP/1.1 200 OK\r\nContent-", b""],
    "half a body": [b"HTTP/1.1 400 No\r\nContent-Length: 10\r\n\r\nhalf", b""],
    "no HTTP": [b"220 mail.example ESMTP\r\n"],
    "two answers": [b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}" * 2],
    "two answers, a TLS record each": [
        (b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % (RECORD - 42)).ljust(RECORD)
        + b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}"
    ],
    "more than its length": [b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}{}"],
    "an answer and then another": [b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}"] * 2,
    "a bad chunk": [b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n"],
    "two lengths": [b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\n{}"],
    "another protocol": [b"HTTP/1.1 101 Switching\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\nxyz"],
    "trouble": [b"HTTP/1.1 500 Oh\r\nContent-Length: 2\r\n\r\n{}"],
    "a large body": [b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n" + b"x" * 100_000],
    "goodbye": [b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\n{}", b""],
    "a long farewell": [b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}", b""],
}


@pytest.mark.parametrize("secure", [False, True], ids=["http", "https"])
@pytest.mark.parametrize("pieces", BAD_ANSWERS.values(), ids=BAD_ANSWERS)
async def test_after_a_bad_answer_the_next_call_gets_its_own(
    pieces: list[bytes], secure: bool, certificate: ssl.SSLContext
) -> None:
    async with calls(certificate if secure else None) as call:
        await call()
        open_before = call.descriptors()
        for _ in range(5):
            call.server.answer = lambda _: pieces
            async with asyncio.timeout(SECONDS):
                await call(timeout=300)
            for _ in range(3):  # what the server sends late has come
                await asyncio.sleep(0)
            call.server.answer = echo
            result = await call()
            assert (result.meaning, result.labels != {}) == ("delivered", True)
        await call.until_closed()
        assert call.transport.connections == (1, 0)
        assert call.descriptors() == open_before


def _endless(head: bytes, piece: bytes, size: int = 1) -> list[bytes]:
    return [head, *[piece * size] * 1_000_000]


OK = b"HTTP/1.1 200 OK\r\n"
ENDLESS: dict[str, list[bytes]] = {
    "interim answers": _endless(b"", b"HTTP/1.1 100 Continue\r\n\r\n", 100),
    "interim answers, one at a time": _endless(b"", b"HTTP/1.1 103 Early Hints\r\n\r\n"),
    "a head byte by byte": _endless(OK + b"X-It: ", b"x"),
    "headers": _endless(OK, b"X-It: y\r\n", 100),
    "chunks of a byte": _endless(OK + b"Transfer-Encoding: chunked\r\n\r\n", b"1\r\nx\r\n", 500),
    "chunks, one at a time": _endless(OK + b"Transfer-Encoding: chunked\r\n\r\n", b"1\r\nx\r\n"),
    "an extension": _endless(OK + b"Transfer-Encoding: chunked\r\n\r\n1;", b"x"),
    "trailers": _endless(OK + b"Transfer-Encoding: chunked\r\n\r\n0\r\n", b"X: y\r\n"),
    "a body": _endless(OK + b"\r\n", b"x", 10_000),
}


@pytest.mark.parametrize("name", ENDLESS)
async def test_an_answer_without_end_is_given_up_early(name: str) -> None:
    """By its size, long before its time is over; so it costs little."""
    async with calls() as call:
        call.server.answer = lambda _: ENDLESS[name]
        loop, process = asyncio.get_running_loop(), os.times()
        started = loop.time()
        await call(timeout=60_000)
        used = os.times().user + os.times().system - process.user - process.system
        assert loop.time() - started < 15
        assert used < 8  # of it most by the server of this test
        call.server.answer = echo
        assert (await call()).meaning == "delivered"
        await call.until_closed()
        assert call.transport.connections == (1, 0)


async def test_how_much_of_an_answer_is_read_is_counted_for_each_call() -> None:
    """A connection that serves for long is not taken for an answer that never ends."""
    assert MOST_READS < 5_000
    async with calls() as call:
        size = MOST_BYTES // 5
        call.server.answer = lambda _: [OK + b"Content-Length: %d\r\n\r\n" % size + b" " * size]
        for _ in range(12):
            assert (await call()).meaning == "delivered"
        assert call.server.connections == 1


async def test_connections_that_nobody_needs_any_more_are_closed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async with calls() as call:
        await asyncio.gather(*(call() for _ in range(20)))
        assert call.transport.connections[0] > 5
        monkeypatch.setattr("agents.destinations.http.transport.KEEP_ALIVE_SECONDS", 0.05)
        await asyncio.sleep(0.06)
        await call()
        await call.until_closed()
        assert call.transport.connections == (1, 0)


async def test_closing_closes_what_is_used_too() -> None:
    async with calls() as call:
        call.server.answer = lambda _: _endless(OK + b"X-It: ", b"")[:1]
        task = asyncio.create_task(call())
        async with asyncio.timeout(SECONDS):
            while call.server.connections == 0:
                await one_turn()
        await call.caller.close()
        assert call.transport.connections[0] == 0
        result = await task
        assert (result.meaning, result.reason) == ("retriable", "connection_failed")


async def test_a_cookie_of_one_answer_is_not_sent_with_another_call() -> None:
    seen: list[bytes] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            with suppress(asyncio.IncompleteReadError):
                seen.append(await reader.readuntil(b"\r\n\r\n"))
                writer.write(
                    OK + b"Set-Cookie: s-%d=1; Path=/\r\nContent-Length: 0\r\n\r\n" % len(seen)
                )
                continue
            writer.close()
            return

    async with calls() as call:
        server = await asyncio.start_server(serve, "127.0.0.1", 0)
        url = f"http://localhost:{server.sockets[0].getsockname()[1]}/"
        for _ in range(3):
            assert (await call.caller.send(Request("GET", url, {}, None), 5_000)).status == 200
        assert len(call.caller._client.cookies) == 0
        server.close()
    assert len(seen) == 3
    assert b"s-1" not in b"".join(seen)


async def test_a_response_that_nobody_reads_leaves_nothing_behind() -> None:
    async with calls() as call:
        client: httpx.AsyncClient = call.caller._client
        with suppress(RuntimeError):
            async with client.stream("GET", f"{call.url}/x"):
                raise RuntimeError
        assert (await call()).labels != {}
        await call.until_closed()
        assert call.transport.connections == (1, 0)
