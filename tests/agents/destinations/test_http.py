"""The request that `type: http` makes of an action, whatever the action and the settings hold."""

from __future__ import annotations

import asyncio
import re
from typing import Any
from urllib.parse import unquote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agents.destinations.addresses import Allowed, Guard
from agents.destinations.base import CantBeSent, Parts
from agents.destinations.call_result import retry_after
from agents.destinations.http.caller import HttpCaller
from agents.destinations.http.document import HttpDestination
from agents.destinations.http.request import MAX_HEADER, Request, request_of
from agents.destinations.secrets import Secrets
from journeys.time import SECOND
from tables.deliveries import read_action
from tests.agents.delivery.receiver import Receiver
from tests.agents.destinations.test_conformance import value_of


def destination(url: str = "https://example.com", **headers: str) -> HttpDestination:
    written: dict[str, Any] = {"kind": "Destination", "name": "it", "type": "http", "url": url}
    return HttpDestination.model_validate(written | {"headers": headers})


def made(to: HttpDestination, secrets: Secrets | None = None, **action: Any) -> Request:
    value = value_of(**action)
    return request_of(to, read_action(value), value, secrets or Secrets({}))


_WHOLE = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=50)


@given(_WHOLE.filter(bool), _WHOLE)
def test_data_in_a_header_is_printable_ascii_and_stays_what_it_was(user: str, key: str) -> None:
    request = made(destination(X_It="<${user.id}|${journey.key}>"), user_id=user, key=key)
    text = request.headers["X_It"]
    assert re.fullmatch("[ -~]*", text)
    if "%" not in user + key:
        assert unquote(text) == f"<{user}|{key}>"


@pytest.mark.parametrize(
    ("template", "sent"),
    [
        ("${user.id}", "J%C3%BCrgen"),
        ("${journey.key}", "50% %E2%82%AC%0D%0AX-Evil: 1"),
        ("Bearer ${env.UMLAUT}", "Bearer M%C3%BCller"),
        ("Bearer ${env.LINES}", "Bearer a%0Ab"),
        ("Bearer ${env.PERCENT}", "Bearer a%2Fb"),  # printable ASCII is sent as it is
        ("Müller ${user.id}", "M%C3%BCller J%C3%BCrgen"),  # pushed before such texts were refused
        ("${user.id + 'ü'}", "J%C3%BCrgen%C3%BC"),
    ],
)
def test_what_no_header_holds_is_percent_encoded(template: str, sent: str) -> None:
    environment = {
        "JOURNEYS_SECRET_UMLAUT": "Müller",
        "JOURNEYS_SECRET_LINES": "a\nb\n",
        "JOURNEYS_SECRET_PERCENT": "a%2Fb",
    }
    key = "50% €\r\nX-Evil: 1"
    to = destination(**{"X-It": template})
    assert made(to, Secrets(environment), user_id="Jürgen", key=key).headers["X-It"] == sent


def test_a_header_that_no_server_takes_is_final() -> None:
    with pytest.raises(CantBeSent, match=f"at most {MAX_HEADER}") as raised:
        made(destination(X="${journey.key}"), key="ü" * MAX_HEADER)
    assert raised.value.reason == "not_sendable"


@pytest.mark.parametrize(
    ("environment", "told"),
    [
        ({}, "JOURNEYS_SECRET_TOKEN is not set"),
        ({"JOURNEYS_SECRET_TOKEN": " \n"}, "JOURNEYS_SECRET_TOKEN is not set"),
        ({"JOURNEYS_SECRET_TOKEN": "\udcff"}, "JOURNEYS_SECRET_TOKEN is not UTF-8"),
    ],
)
def test_a_variable_that_is_not_usable_is_named_in_full(
    environment: dict[str, str], told: str
) -> None:
    with pytest.raises(CantBeSent, match=told) as raised:
        made(destination(X="Bearer ${env.TOKEN}"), Secrets(environment))
    assert raised.value.reason == "not_configured"


def test_an_expression_that_fails_is_final() -> None:
    with pytest.raises(CantBeSent) as raised:
        made(destination(X="${journey.key}"), key=None)
    assert raised.value.reason == "not_sendable"


@pytest.mark.parametrize("path", ["/.${journey.key}./x", "/a/${journey.key}..", "/%2e${user.id}"])
async def test_no_request_leads_up(path: str) -> None:
    user = "." if "%2e" in path else "u"
    with pytest.raises(CantBeSent, match="would change the path") as raised:
        made(destination(f"https://example.com{path}"), key="", user_id=user)
    assert raised.value.reason == "not_sendable"


def broken(*_: Any) -> Request:
    raise UnicodeEncodeError("ascii", "ü", 0, 1, "t0p-secret")


def wrong(to: HttpDestination, *_: Any) -> Request:
    return Request("GET", to.url, {"X-It": "a\r\nb"}, None)


def not_even(*_: Any) -> Request:
    return Request("GET", f"http://{'a' * 70}.example/", {"X-It": "a"}, None)


@pytest.mark.parametrize(
    ("request_of", "reason"),
    [(broken, "error"), (wrong, "not_sendable"), (not_even, "not_sendable")],
)
async def test_a_mistake_of_ours_in_a_request_is_final_at_once(
    request_of: Any, reason: str
) -> None:
    """As it would come again with every attempt."""
    secrets = Secrets({"JOURNEYS_SECRET_A": "t0p-secret"})
    guard = Guard(Allowed.from_env({"JOURNEYS_ALLOW_HOSTS": "127.0.0.1"}))
    caller = HttpCaller(Parts(guard, secrets), request_of)

    async def confirm() -> None:
        """All is still as it was."""

    value = value_of()
    with Receiver() as receiver:
        to = destination(receiver.url)
        result = await caller.call(to, read_action(value), value, confirm)
        await caller.close()
    assert receiver.requests == []
    assert (result.meaning, result.reason) == ("final", reason)
    assert "t0p-secret" not in str(result)
    if request_of is broken:
        assert result.trace is not None
        assert "in broken" in result.trace


ODD_HEADERS: dict[str, str] = {
    "Content-Type": "text/html; charset*999=x",
    "Content-type": "text/html; charset*0*=utf-8'en'%; charset*1*=%zz",
    "content-type": 'a; charset="\\',
    "Retry-After": "Wed, 99 Foo 99999 99:99:99 -99999",
    "retry-after": "²",
    "Content-Encoding": "ü",
}


@pytest.mark.parametrize("name", ODD_HEADERS)
async def test_no_header_of_an_answer_changes_what_its_status_means(name: str) -> None:
    guard = Guard(Allowed.from_env({"JOURNEYS_ALLOW_HOSTS": "127.0.0.1"}))

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        head = f"HTTP/1.1 400 No\r\n{name}: {ODD_HEADERS[name]}\r\nContent-Length: 2\r\n\r\n{{}}"
        writer.write(head.encode())
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1")
    url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/"
    caller = HttpCaller(Parts(guard, Secrets({})), request_of)
    result = await caller.send(Request("GET", url, {}, None), 10 * SECOND, {"a": "payload.a"})
    await caller.close()
    server.close()
    assert (result.meaning, result.reason, result.status) == ("final", "refused", 400)


@given(st.text(st.characters(exclude_categories=["Cs"]), max_size=40))
def test_a_retry_after_of_any_text_says_something_or_nothing(text: str) -> None:
    wait = retry_after(text, 1_700_000_000_000)
    assert wait is None or wait >= 0


async def test_what_was_made_arrives_as_it_was_made() -> None:
    guard = Guard(Allowed.from_env({"JOURNEYS_ALLOW_HOSTS": "127.0.0.1"}))
    caller = HttpCaller(Parts(guard, Secrets({})), request_of)
    with Receiver() as receiver:
        to = destination(receiver.url, **{"X-It": "${user.id}"})
        result = await caller.send(made(to, user_id="Jürgen\n"), 10 * SECOND)
        await caller.close()
    assert result.meaning == "delivered"
    assert receiver.requests[0].headers["X-It"] == "J%C3%BCrgen%0A"
