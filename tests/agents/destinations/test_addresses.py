"""Which addresses are called, whatever a document or a name server says."""

from __future__ import annotations

import asyncio
import ipaddress
import socket
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from typing import Any

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from agents.destinations.addresses import AddressInfo, AddressRefused, Allowed, Guard
from agents.destinations.base import Parts
from agents.destinations.http.caller import HttpCaller
from agents.destinations.http.request import Request, request_of
from agents.destinations.http.transport import GuardedTransport
from agents.destinations.secrets import Secrets
from agents.settings import SettingsError
from journeys.addresses import forbidden, not_public
from tests.agents.delivery.receiver import Receiver


@pytest.mark.parametrize(
    ("address", "kind"),
    [
        ("127.0.0.1", "loopback"),
        ("127.8.9.1", "loopback"),
        ("10.1.2.3", "private"),
        ("172.16.0.1", "private"),
        ("192.168.1.1", "private"),
        ("169.254.169.254", "link-local"),
        ("168.63.129.16", "metadata"),
        ("100.100.100.200", "metadata"),
        ("0.0.0.0", "unspecified"),
        ("224.0.0.1", "multicast"),
        ("255.255.255.255", "special-purpose"),
        ("240.0.0.1", "special-purpose"),
        ("::", "unspecified"),
        ("::1", "loopback"),
        ("fe80::1", "link-local"),
        ("fc00::1", "private"),
        ("fd00:ec2::254", "metadata"),
        ("fec0::1", "private"),
        ("ff02::1", "multicast"),
        ("::ffff:127.0.0.1", "loopback"),
        ("::ffff:10.0.0.1", "private"),
        ("::127.0.0.1", "loopback"),
        ("64:ff9b::a9fe:a9fe", "link-local"),
        ("64:ff9b::7f00:1", "loopback"),
        ("64:ff9b:1::a00:1", "private"),
        ("2002:7f00:1::", "loopback"),
        ("2002:a00:1::1", "private"),
        ("2001:0:a00:1::", "special-purpose"),
    ],
)
def test_these_are_not_public(address: str, kind: str) -> None:
    assert not_public(ipaddress.ip_address(address)) == kind


REGISTRIES = {
    "4": """0.0.0.0/8 0.0.0.0/32 10.0.0.0/8 100.64.0.0/10 127.0.0.0/8 169.254.0.0/16 172.16.0.0/12
        192.0.0.0/24 192.0.0.0/29 192.0.0.8/32 192.0.0.9/32 192.0.0.10/32 192.0.0.170/32
        192.0.0.171/32 192.0.2.0/24 192.31.196.0/24 192.52.193.0/24 192.88.99.0/24 192.168.0.0/16
        192.175.48.0/24 198.18.0.0/15 198.51.100.0/24 203.0.113.0/24 240.0.0.0/4
        255.255.255.255/32 224.0.0.0/4""",
    "6": """::1/128 ::/128 64:ff9b:1::/48 100::/64 100:0:0:1::/64 2001::/23 2001::/32 2001:1::1/128
        2001:1::2/128 2001:1::3/128 2001:2::/48 2001:3::/32 2001:4:112::/48 2001:10::/28
        2001:20::/28 2001:30::/28 2001:db8::/32 2620:4f:8000::/48 3fff::/20 5f00::/16 fc00::/7
        fe80::/10 fec0::/10 ff00::/8 200::/7 400::/6 800::/5 1000::/4 4000::/3 6000::/3 8000::/3
        a000::/3 c000::/3 e000::/4 f000::/5 f800::/6 fe00::/9""",
}
"""IANA's special-purpose registries, with multicast and what is reserved."""


@pytest.mark.parametrize("network", " ".join(REGISTRIES.values()).split())
def test_no_address_of_the_special_registries_is_public(network: str) -> None:
    found = ipaddress.ip_network(network)
    size = found.num_addresses
    for number in {0, 1 % size, size // 2, size - 1}:
        assert not_public(found[number]) is not None, found[number]
    kind = not_public(found[size // 2])
    for inside in embedded(found[size // 2]) if found.version == 4 else []:
        assert not_public(inside) in (kind, "private", "special-purpose"), inside
        assert forbidden(inside) == forbidden(found[size // 2])


def embedded(address: Any) -> list[ipaddress.IPv6Address]:
    """The IPv6 addresses that stand for an IPv4 one."""
    n = int(address)
    high, low = n >> 16, n & 0xFFFF
    return [
        ipaddress.ip_address(one)
        for one in (
            f"::ffff:{high:x}:{low:x}",
            f"::ffff:0:{high:x}:{low:x}",
            f"64:ff9b::{high:x}:{low:x}",
            f"64:ff9b:1::{high:x}:{low:x}",
            f"64:ff9b:1:{high:x}:{low >> 8:x}:{(low & 255) << 8:x}::",
            f"2002:{high:x}:{low:x}::1",
            f"2001:0:808:808:0:0:{high ^ 0xFFFF:x}:{low ^ 0xFFFF:x}",
            f"2001:0:{high:x}:{low:x}::",
            f"2600::5efe:{high:x}:{low:x}",
            f"2600::200:5efe:{high:x}:{low:x}",
        )
    ]


@given(st.ip_addresses(v=4))
def test_an_address_is_never_more_public_inside_of_another(address: ipaddress.IPv4Address) -> None:
    for inside in embedded(address):
        if not_public(address) is not None:
            assert not_public(inside) is not None, inside
        if forbidden(address) is not None:
            assert forbidden(inside) == forbidden(address)


@given(st.ip_addresses())
def test_what_python_takes_for_private_is_not_public(address: Any) -> None:
    if not address.is_global and not embedding(address):
        assert not_public(address) is not None


def embedding(address: Any) -> bool:
    return address.version == 6 and (
        address.ipv4_mapped is not None or address in ipaddress.ip_network("64:ff9b::/96")
    )


@pytest.mark.parametrize(
    "address", ["93.184.216.34", "2606:4700::1111", "::ffff:8.8.8.8", "64:ff9b::808:808"]
)
def test_these_are_public(address: str) -> None:
    assert not_public(ipaddress.ip_address(address)) is None


def allowed(text: str) -> Allowed:
    return Allowed.from_env({"JOURNEYS_ALLOW_HOSTS": text})


def test_what_the_operator_allows_is_a_host_a_host_with_a_port_or_a_network() -> None:
    rules = allowed(
        "Mail.internal:8025, crm.internal, 10.0.0.0/8, 127.0.0.1:80, [::1]:80, fd00::/8"
    )
    assert rules.name("mail.internal.", 8025)
    assert not rules.name("mail.internal", 80)
    assert rules.name("CRM.internal", 1)
    address = ipaddress.ip_address
    assert rules.address(address("10.9.9.9"), 5)
    assert rules.address(address("127.0.0.1"), 80)
    assert not rules.address(address("127.0.0.1"), 81)
    assert rules.address(address("::1"), 80)
    assert rules.address(address("fd00::1"), 5)
    assert not rules.address(address("192.168.0.1"), 5)


@pytest.mark.parametrize(
    "text", ["http://a", "a:b", "a:0", "10.0.0.0/99", "*.a", "a b", "[::1]x", ":80"]
)
def test_what_can_t_be_meant_is_an_error(text: str) -> None:
    with pytest.raises(SettingsError, match="JOURNEYS_ALLOW_HOSTS"):
        allowed(text)


async def test_a_proxy_of_the_environment_is_not_used(
    receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Receiver() as proxy:
        for name in ("http_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
            monkeypatch.setenv(name, f"http://127.0.0.1:{proxy.port}")
        monkeypatch.setenv("no_proxy", "")
        caller = HttpCaller(Parts(Guard(allowed("127.0.0.1")), Secrets({})), request_of)
        answer = await caller.send(Request("GET", f"{receiver.url}/x", {}, None), 5_000)
        await caller.close()
    assert answer.meaning == "delivered"
    assert len(receiver.requests) == 1
    assert proxy.requests == []


class Names:
    """A resolver that gives its answers one after the other, the last one for ever."""

    def __init__(self, *answers: list[str]) -> None:
        self.answers = list(answers)
        self.asked = 0

    def __call__(self, host: str, port: int, *_: Any) -> list[AddressInfo]:
        self.asked += 1
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        family = [socket.AF_INET6 if ":" in one else socket.AF_INET for one in answer]
        return [
            (kind, socket.SOCK_STREAM, 6, "", (one, port))
            for kind, one in zip(family, answer, strict=True)
        ]


@asynccontextmanager
async def client_of(guard: Guard) -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(transport=GuardedTransport(guard)) as client:
        yield client
    await guard.close()


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with Receiver() as receiver:
        yield receiver


async def refusal(guard: Guard, url: str) -> str:
    """Why a URL is not called."""
    async with client_of(guard) as client:
        with pytest.raises(AddressRefused) as raised:
            await client.get(url)
    return str(raised.value)


async def test_a_name_at_a_private_address_is_refused(receiver: Receiver) -> None:
    url = f"http://shop.example:{receiver.port}/"
    why = await refusal(Guard(Allowed(), Names(["127.0.0.1", "10.0.0.1"])), url)
    assert "shop.example" in why
    assert f"shop.example:{receiver.port} to allow it" in why
    assert receiver.requests == []


async def test_of_several_addresses_only_the_public_ones_are_called() -> None:
    guard = Guard(Allowed(), Names(["127.0.0.1", "93.184.216.34", "fe80::1%eth0"]))
    assert await guard.addresses("shop.example", 443) == ["93.184.216.34"]
    await guard.close()


async def test_a_name_that_is_allowed_may_be_anywhere(receiver: Receiver) -> None:
    guard = Guard(allowed("shop.example"), Names(["127.0.0.1"]))
    url = f"http://shop.example:{receiver.port}/x"
    async with client_of(guard) as client:
        assert (await client.get(url)).status_code == 200
    assert receiver.requests[0].headers["Host"] == f"shop.example:{receiver.port}"


async def test_a_name_that_changes_between_two_look_ups_gains_nothing(receiver: Receiver) -> None:
    """DNS rebinding: the address that was checked is the one that is connected to."""
    names = Names(["93.184.216.34"], ["127.0.0.1"])
    guard = Guard(Allowed(), names)
    assert await guard.addresses("shop.example", receiver.port) == ["93.184.216.34"]
    assert names.asked == 1
    await refusal(guard, f"http://shop.example:{receiver.port}/")
    assert names.asked == 2  # one look-up for the connection, and none after the check
    assert receiver.requests == []


@pytest.mark.parametrize("host", ["127.0.0.1", "[::1]", "[::ffff:127.0.0.1]", "0.0.0.0"])
async def test_a_literal_address_is_checked_when_it_is_connected_to(
    receiver: Receiver, host: str
) -> None:
    await refusal(Guard(Allowed()), f"http://{host}:{receiver.port}/")
    assert receiver.requests == []


@pytest.mark.parametrize(
    "host",
    [
        *("127.1", "2130706433", "0x7f000001", "0177.0.0.1", "0x7f.1", "0", "localhost"),
        *("127.0.0.1.", "localhost.", "LOCALHOST", "%31%32%37.0.0.1", "127.0.0.1%00.example.com"),
        *("①②⑦.⓪.⓪.①", "127。0。0。1", "１２７.0.0.1", "ⓛocalhost"),
        *("me:secret@127.0.0.1", "example.com@127.0.0.1", "example.com%40127.0.0.1"),
        *("[::]", "[::ffff:7f00:1]", "[0:0:0:0:0:ffff:127.0.0.1]", "[::127.0.0.1]", "[::1%25lo]"),
        *("[64:ff9b::7f00:1]", "[2002:7f00:1::]"),
    ],
)
async def test_no_other_spelling_of_an_address_gets_through(receiver: Receiver, host: str) -> None:
    async with client_of(Guard(Allowed())) as client:
        with pytest.raises((httpx.TransportError, httpx.InvalidURL, OSError)):
            await client.get(f"http://{host}:{receiver.port}/")
    assert receiver.requests == []


NEVER = [
    "169.254.169.254",
    "169.254.170.2",
    "169.254.1.1",
    "fe80::1",
    "fd00:ec2::254",
    "100.100.100.200",
    "192.0.0.192",
    "168.63.129.16",
    "fd00:ec2::23",
    "fd20:ce::254",
    "fd00:42::42",
    "::ffff:192.0.0.192",
    "::ffff:0:192.0.0.192",
    "2600::5efe:169.254.169.254",
    "::169.254.169.254",
    "64:ff9b:1:a9fe:a9:fe00::",
    "::ffff:169.254.169.254",
    "64:ff9b::a9fe:a9fe",
    "64:ff9b:1::a9fe:a9fe",
    "2002:a9fe:a9fe::",
]


@pytest.mark.parametrize("address", NEVER)
@pytest.mark.parametrize("by", ["network", "exactly", "name"])
async def test_no_entry_opens_a_link_local_or_metadata_address(address: str, by: str) -> None:
    entries = {
        "network": "0.0.0.0/0,::/0",
        "exactly": f"{address},[{address}]:80",
        "name": "a.test",
    }
    guard = Guard(allowed(entries[by]), Names([address]))
    for host in (address, "a.test"):
        with pytest.raises(AddressRefused, match="which is never called"):
            await guard.addresses(host, 80)
    await guard.close()


@pytest.mark.parametrize(
    "host", ["metadata.google.internal", "METADATA.google.internal.", "metadata"]
)
async def test_no_entry_opens_the_name_of_a_metadata_service(host: str) -> None:
    names = Names(["93.184.216.34"])
    guard = Guard(allowed("metadata.google.internal,metadata,0.0.0.0/0"), names)
    with pytest.raises(AddressRefused, match="which is never called"):
        await guard.addresses(host, 80)
    assert names.asked == 0
    await guard.close()


@pytest.mark.parametrize("address", ["127.0.0.1", "10.0.0.1", "192.168.1.1", "::1", "fd00::1"])
async def test_loopback_and_private_addresses_can_be_allowed(address: str) -> None:
    for entry in (f"{address}", "127.0.0.0/8,10.0.0.0/8,192.168.0.0/16,::1/128,fd00::/8", "a.test"):
        guard = Guard(allowed(entry), Names([address]))
        assert await guard.addresses("a.test", 80) == [address]
        await guard.close()


class SlowNames:
    """A resolver that takes until it is let go."""

    def __init__(self, *slow: str) -> None:
        self.slow = slow
        self.asked: list[str] = []
        self.go = threading.Event()

    def __call__(self, host: str, port: int, *_: Any) -> list[AddressInfo]:
        self.asked.append(host)
        if host in self.slow:
            assert self.go.wait(60)
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("93.184.216.34", port))]


async def test_calls_that_want_the_same_name_share_its_look_up() -> None:
    names = SlowNames("slow.example")
    guard = Guard(Allowed(), names)
    slow = [asyncio.create_task(guard.addresses("slow.example", 443)) for _ in range(64)]
    await asyncio.sleep(0)
    assert await guard.addresses("other.example", 443) == ["93.184.216.34"]  # none waits for it
    assert names.asked == ["slow.example", "other.example"]
    slow[0].cancel()  # and one that goes leaves it to the others
    names.go.set()
    done = await asyncio.gather(*slow, return_exceptions=True)
    assert isinstance(done[0], asyncio.CancelledError)
    assert done[1:] == [["93.184.216.34"]] * 63
    assert await guard.addresses("slow.example", 443) == ["93.184.216.34"]  # looked up again
    assert names.asked.count("slow.example") == 2
    await guard.close()


async def test_a_look_up_that_hangs_is_tried_again_beside_it_a_few_times(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("agents.destinations.addresses._SLOW_SECONDS", 0.0)
    names = SlowNames("slow.example")
    guard = Guard(Allowed(), names)
    slow = [asyncio.create_task(guard.addresses("slow.example", 443)) for _ in range(10)]
    await asyncio.sleep(0)
    names.go.set()
    assert await asyncio.gather(*slow) == [["93.184.216.34"]] * 10
    assert len(names.asked) == 2
    await guard.close()


async def test_many_slow_names_are_bounded_and_say_so() -> None:
    hosts = [f"{number}.example" for number in range(64)]
    names = SlowNames(*hosts)
    guard = Guard(Allowed(), names)
    slow = [asyncio.create_task(guard.addresses(host, 443)) for host in hosts]
    await asyncio.sleep(0)
    with pytest.raises(OSError, match="the resolver is too slow"):
        await guard.addresses("other.example", 443)
    names.go.set()
    await asyncio.gather(*slow)
    assert await guard.addresses("other.example", 443) == ["93.184.216.34"]
    await guard.close()


async def test_a_look_up_that_fails_fails_for_all_that_wait_and_no_later_one() -> None:
    answers = iter([socket.gaierror(-2, "not known")])

    def resolve(host: str, port: int, *_: Any) -> list[AddressInfo]:
        for error in answers:
            raise error
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("93.184.216.34", port))]

    guard = Guard(Allowed(), resolve)
    with pytest.raises(OSError, match="not known"):
        await guard.addresses("a.example", 443)
    assert await guard.addresses("a.example", 443) == ["93.184.216.34"]
    await guard.close()


async def test_closing_gives_up_a_lookup_that_hangs() -> None:
    names = SlowNames("slow.example")
    guard = Guard(Allowed(), names)
    task = asyncio.create_task(guard.addresses("slow.example", 443))
    await asyncio.sleep(0)
    await guard.close()
    with pytest.raises(OSError, match="given up"):
        await task
    names.go.set()
