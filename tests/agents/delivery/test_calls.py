"""When the watchdog may expect that a call ends soon."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field

import msgspec

from agents.delivery.calls import Call, Calls, FinishedCall
from agents.destinations.call_result import CallResult
from tables.deliveries import Delivery, Received


@dataclass
class _Loop:
    results: list[FinishedCall] = field(default_factory=list)

    def hand_in(self, result: FinishedCall) -> None:
        self.results.append(result)

    def fail(self, error: BaseException) -> None:
        raise error

    async def confirm(self) -> None: ...


@dataclass
class _Destination:
    """Answers on command; accepts calls at a rate."""

    wait: float = 0.0
    answer: asyncio.Event = field(default_factory=asyncio.Event)
    loop: _Loop = field(default_factory=_Loop)

    def calls(self) -> Calls:
        async def call(one: Call) -> CallResult:
            await self.answer.wait()
            return CallResult("delivered", 0, 1, "", None)

        return Calls(call, lambda: False, lambda: self.wait, lambda *_: None, lambda _: None)

    def call(self, user: str) -> Call:
        payload = msgspec.Raw(b"{}")
        action = Received(
            user, "", "mailer", None, None, "j/n", user, "j", "v", "i", None, "n", payload
        )
        return Call(0, user.encode(), Delivery(0, b""), action, self.loop)


async def _until(true: object) -> None:
    while not true():  # type: ignore[operator]  # noqa: ASYNC110
        await asyncio.sleep(0)


def test_a_call_in_flight_is_work_until_it_ends() -> None:
    async def story() -> None:
        destination = _Destination()
        calls = destination.calls()
        assert not calls.has_work
        calls.add(destination.call("u"))
        assert (calls.has_work, calls.ended) == (True, 0)
        destination.answer.set()
        await _until(lambda: destination.loop.results)
        await _until(lambda: not calls.in_flight)
        assert (calls.has_work, calls.ended) == (False, 1)

    asyncio.run(story())


def test_what_the_rate_holds_up_is_no_work() -> None:
    async def story() -> None:
        destination = _Destination(wait=3_600.0)
        calls = destination.calls()
        calls.add(destination.call("u"))
        assert not calls.has_work

    asyncio.run(story())


def test_what_is_ready_and_not_called_is_work() -> None:
    """Partitions that move hold it up for a moment; nothing else may."""

    async def story() -> None:
        destination = _Destination()
        calls = destination.calls()
        await calls.drain(0.0)
        calls.add(destination.call("u"))
        assert (calls.has_work, calls.in_flight) == (True, 0)
        calls.resume()
        assert calls.in_flight == 1

    asyncio.run(story())
