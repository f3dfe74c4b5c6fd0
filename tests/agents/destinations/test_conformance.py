"""What every type of destination keeps, against a real server. A new type is finished when it
passes: its file gives the example, `agents/destinations/types.py` the line."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import asynccontextmanager
from typing import Any

import msgspec
import pytest
import yaml

from agents.destinations.addresses import Allowed, Guard
from agents.destinations.base import CantBeSent, DestinationType, Parts
from agents.destinations.call_result import CallResult
from agents.destinations.callers import Callers
from agents.destinations.secrets import MASK, Secrets
from agents.destinations.types import DESTINATION_TYPES
from agents.kinds import KINDS
from journeys.checks.check import check
from journeys.documents.destination import Destination
from journeys.records.action import Action
from tables.deliveries import read_action
from tests.agents.delivery.receiver import Receiver, Reply, Request

SECRET = 's3cret/"<x>'
PARTS = {"JOURNEYS_SECRET_TOKEN": SECRET}
NOW = 1_700_000_000_000

every_type = pytest.mark.parametrize("of", DESTINATION_TYPES, ids=lambda one: one.name)


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with Receiver() as receiver:
        yield receiver


def _document(of: DestinationType, url: str, **fields: Any) -> Destination:
    written = {"kind": "Destination", "name": "it", "type": of.name, **of.example.fields, **fields}
    text = json.dumps(written).replace("{url}", url)
    documents, problems = check([("f", text)], KINDS)
    assert problems == []
    assert isinstance(documents[0].model, of.document)
    return documents[0].model


def value_of(id: str = "action-1", **fields: Any) -> bytes:
    made: dict[str, Any] = {
        "action_id": id,
        "at": "2026-01-18T14:32:15.234Z",
        "destination": "it",
        "send_key": "tour/mail",
        "user_id": "u 1",
        "journey": "tour",
        "version": "0123456789ab",
        "instance": "i-1",
        "node": "mail",
        "key": None,
        "action": "send",
        "event_name": None,
        "payload": {"to": "a@example.com", "n": 1},
    }
    return msgspec.json.encode(Action(**(made | fields)))


class Calls:
    """Calls of one destination, each an attempt."""

    def __init__(self, callers: Callers, destination: Destination) -> None:
        self.caller = callers.of(destination)
        self.destination = destination

    async def __call__(self, value: bytes | None = None, confirm: Any = None, **how: Any) -> Any:
        value = value or value_of()

        async def at_once() -> None:
            """All is still as it was."""

        action = read_action(value)
        result = await self.caller.call(self.destination, action, value, confirm or at_once, **how)
        assert SECRET not in str(result)
        return result


@asynccontextmanager
async def calls(of: DestinationType, url: str, allowed: str = "127.0.0.1", **fields: Any) -> Any:
    guard = Guard(Allowed.from_env({"JOURNEYS_ALLOW_HOSTS": allowed}))
    callers = Callers([of], Parts(guard, Secrets(PARTS), lambda: NOW))
    try:
        yield Calls(callers, _document(of, url, **fields))
    finally:
        await callers.close()


def reply(of: DestinationType, meaning: str) -> Reply:
    status, headers, body = of.example.replies[meaning]
    return Reply(status, body, headers)


def key(of: DestinationType, request: Request) -> str:
    return of.example.key(request.headers, request.body)


def test_every_type_is_there_once_and_has_the_fields_that_all_share() -> None:
    assert len({one.name for one in DESTINATION_TYPES}) == len(DESTINATION_TYPES)
    for one in DESTINATION_TYPES:
        assert issubclass(one.document, Destination)
        assert one.document.__doc__ != Destination.__doc__
        assert "${env.TOKEN}" in str(one.example.fields)


def test_the_list_loads_no_client_library() -> None:
    """Commands that only read documents start fast, and a broken library breaks its type alone."""
    clients = ("httpx", "httpcore", "aiohttp", "sqlalchemy", "aiosmtplib", "boto3")
    code = f"import sys, agents.kinds; print([n for n in {clients} if n in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


@every_type
async def test_every_attempt_has_the_same_key_and_sends_the_same(
    of: DestinationType, receiver: Receiver
) -> None:
    async with calls(of, receiver.url) as call:
        receiver.rule = reply(of, "retriable")
        results = [await call() for _ in range(2)]
        receiver.rule = reply(of, "delivered")
        results.append(await call())
        await call(value_of("action-2"))
    first, second, third, other = receiver.requests
    assert [one.meaning for one in results] == ["retriable", "retriable", "delivered"]
    assert key(of, first) == key(of, second) == key(of, third) == "action-1"
    assert key(of, other) == "action-2"
    for again in (second, third):
        assert (again.method, again.path, again.body) == (first.method, first.path, first.body)
        assert again.headers == first.headers


@every_type
@pytest.mark.parametrize("meaning", ["delivered", "retriable", "final"])
async def test_an_answer_means_what_the_type_says(
    of: DestinationType, meaning: str, receiver: Receiver
) -> None:
    receiver.rule = reply(of, meaning)
    async with calls(of, receiver.url) as call:
        result = await call()
    assert result.meaning == meaning
    assert (result.error is None) == (meaning == "delivered")
    assert (result.started_at, result.attempted) == (NOW, True)


@every_type
async def test_the_retry_after_of_the_server_is_kept(
    of: DestinationType, receiver: Receiver
) -> None:
    receiver.rule = reply(of, "retry_after")
    async with calls(of, receiver.url) as call:
        result = await call()
    assert (result.meaning, result.retry_after) == ("retriable", 7_000)


@every_type
@pytest.mark.parametrize("rule", [Reply(hang=True), Reply(reset=True)], ids=["hangs", "resets"])
async def test_no_answer_is_retriable_and_in_time(
    of: DestinationType, rule: Reply, receiver: Receiver
) -> None:
    receiver.rule = rule
    async with calls(of, receiver.url, timeout="300ms") as call:
        result = await asyncio.wait_for(call(), 20)
    assert result.meaning == "retriable"
    assert result.reason == ("timeout" if rule.hang else "connection_failed")


@every_type
async def test_a_server_that_is_not_there_is_retriable(
    of: DestinationType, receiver: Receiver
) -> None:
    receiver.close_port()
    async with calls(of, receiver.url) as call:
        result = await call()
    assert (result.meaning, result.reason) == ("retriable", "connection_failed")


@every_type
async def test_a_secret_that_comes_back_is_masked(of: DestinationType, receiver: Receiver) -> None:
    status, headers, _ = of.example.replies["final"]
    echo = f"{json.dumps(SECRET)} {SECRET}"
    receiver.rule = Reply(status, echo.encode(), headers)
    async with calls(of, receiver.url) as call:
        result = await call()  # looks for the secret in all of the result
    sent = str(receiver.requests[0].headers) + receiver.requests[0].body.decode()
    assert "s3cret" in sent  # it was there to be repeated
    assert MASK in str(result)


@every_type
async def test_an_address_that_is_not_allowed_is_not_called(
    of: DestinationType, receiver: Receiver
) -> None:
    async with calls(of, receiver.url, allowed="") as call:
        result = await call()
    assert (result.meaning, result.reason) == ("final", "address_refused")
    assert receiver.requests == []


@every_type
async def test_nothing_is_sent_before_the_confirmation(of: DestinationType) -> None:
    """Looked for on the socket itself: a server sees a request only when it is whole."""
    read = asyncio.Event()
    asked, go_on = asyncio.Event(), asyncio.Event()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if await reader.read(1):
            read.set()
        writer.close()

    async def confirm() -> None:
        asked.set()
        await go_on.wait()

    server = await asyncio.start_server(serve, "127.0.0.1")
    port = server.sockets[0].getsockname()[1]
    async with calls(of, f"http://127.0.0.1:{port}") as call:
        task = asyncio.create_task(call(confirm=confirm))
        await asyncio.wait_for(asked.wait(), 20)
        for _ in range(20):  # what was written before would be on its way
            await asyncio.sleep(0)
        assert not read.is_set()
        go_on.set()
        await asyncio.wait_for(read.wait(), 20)
        assert (await task).meaning == "retriable"
    server.close()


@every_type
async def test_what_ends_the_confirmation_ends_the_call(
    of: DestinationType, receiver: Receiver
) -> None:
    async def taken_over() -> None:
        raise asyncio.CancelledError

    async with calls(of, receiver.url) as call:
        with pytest.raises(asyncio.CancelledError):
            await call(confirm=taken_over)
    assert receiver.requests == []


@every_type
@pytest.mark.parametrize("test", [False, True], ids=["real", "test event"])
async def test_a_preview_is_what_is_sent(
    of: DestinationType, test: bool, receiver: Receiver
) -> None:
    value = value_of()
    receiver.rule = reply(of, "delivered")
    async with calls(of, receiver.url) as call:
        preview = call.caller.preview(call.destination, read_action(value), value, test=test)
        result = await call(value, test=test)
    assert result.meaning == "delivered"
    (request,) = receiver.requests
    shown = "\n".join(preview.lines)
    assert SECRET not in shown
    assert SECRET not in json.dumps(preview.fields)
    assert MASK in shown
    body = request.body.decode().replace(SECRET, MASK)
    assert body in preview.lines
    assert request.path in shown
    sent = "\n".join(f"{name}: {text}" for name, text in request.headers.items())
    told = [line for line in preview.lines if line not in (body, preview.lines[0])]
    headers = {line.partition(": ")[0].lower() for line in told}
    assert headers <= {name.lower() for name in request.headers}
    assert of.example.key(request.headers, request.body) in shown + body
    assert ("test" in (sent + body).lower()) == test


@every_type
async def test_concurrent_calls_keep_apart(of: DestinationType, receiver: Receiver) -> None:
    receiver.rule = reply(of, "delivered")
    async with calls(of, receiver.url) as call:
        done = await asyncio.gather(*(call(value_of(f"action-{n}")) for n in range(20)))
    assert {one.meaning for one in done} == {"delivered"}
    assert {key(of, one) for one in receiver.requests} == {f"action-{n}" for n in range(20)}


@every_type
async def test_a_secret_that_is_not_there_waits_for_a_restart(
    of: DestinationType, receiver: Receiver
) -> None:
    guard = Guard(Allowed.from_env({"JOURNEYS_ALLOW_HOSTS": "127.0.0.1"}))
    callers = Callers([of], Parts(guard, Secrets({})))
    destination, value = _document(of, receiver.url), value_of()
    call = Calls(callers, destination)
    result: CallResult = await call(value)
    with pytest.raises(CantBeSent):
        call.caller.preview(destination, read_action(value), value)
    await callers.close()
    assert (result.meaning, result.reason) == ("retriable", "not_configured")
    assert "JOURNEYS_SECRET_TOKEN is not set" in str(result.error)
    assert receiver.requests == []


async def test_a_caller_is_opened_once_for_its_type_and_all_are_closed() -> None:
    opened: list[Any] = []

    class Counted:
        closed = 0

        async def close(self) -> None:
            self.closed += 1

    def connect(_: Parts) -> Any:
        opened.append(Counted())
        return opened[-1]

    of = DESTINATION_TYPES[0]
    counted = DestinationType(of.document, connect, of.example)
    callers = Callers([counted], Parts(Guard(Allowed()), Secrets({})))
    assert opened == []
    document = _document(of, "https://example.com")
    assert callers.of(document) is callers.of(document)
    await callers.close()
    assert [one.closed for one in opened] == [1]


def test_a_type_that_there_is_not_is_reported_with_the_nearest() -> None:
    name = DESTINATION_TYPES[0].name
    text = yaml.safe_dump({"kind": "Destination", "name": "it", "type": name[:-1]})
    _, problems = check([("f", text)], KINDS)
    assert f"did you mean '{name}'?" in problems[0].message + problems[-1].message
