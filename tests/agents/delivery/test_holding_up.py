"""What a destination that is slow, down or busy holds up, and what it doesn't."""

from __future__ import annotations

import time
from itertools import pairwise

import pytest

from agents.delivery.circuit import FAILURES
from agents.kafka.partitioner import partition_for
from agents.kafka.topics import actions
from journeys.records.action import TriggerCall
from journeys.time import parse_time
from tests.agents.delivery.receiver import Receiver, Reply, Request
from tests.agents.delivery.site import Site

AT_ONCE = 64
OPENED, CLOSED = "its calls are paused", "it answers again"


def neighbours(site: Site, count: int) -> list[str]:
    """Users of one partition."""
    users = (f"n-{number}" for number in range(100 * count))
    found = [user for user in users if partition_for(user.encode(), site.partitions) == 0]
    return found[:count]


def test_one_slow_call_holds_up_no_other_user_of_its_partition(
    site: Site, receiver: Receiver
) -> None:
    slow, *others = neighbours(site, 120)
    name = site.destination(f"{receiver.url}/${{user.id}}", timeout="60s")
    seen: set[str] = set()

    def slow_at_first(request: Request, _: int) -> Reply:
        first_of_slow = request.path == f"/{slow}" and not seen
        seen.update({slow} if first_of_slow else ())
        return Reply(delay=10 if first_of_slow else 0)

    receiver.rule = slow_at_first
    first = [site.request(name, slow)]
    quick = [site.request(name, user) for user in others for _ in range(3)]
    later = [site.request(name, slow) for _ in range(2)]
    site.start(name)
    outcomes = site.outcomes(first + quick + later)
    assert {one.type for (one,) in outcomes.values()} == {"action.delivered"}
    (call,) = [one for one in receiver.requests if one.key == first[0]]
    assert call.answered_at - call.at >= 10
    others_called = [one.at for one in receiver.requests if one.key in quick]
    assert max(others_called) < call.answered_at
    assert list(outcomes)[-3:] == first + later, "the others are told before it returned"
    assert [one.at > call.answered_at for one in receiver.requests if one.key in later] == [
        True,
        True,
    ]


@pytest.mark.fault
def test_after_kill_9_what_waits_for_its_next_attempt_goes_on_waiting(
    site: Site, receiver: Receiver
) -> None:
    wait = 15
    busy = Reply(503, headers={"Retry-After": str(wait)})
    receiver.rule = lambda _, before: busy if before == 0 else Reply()
    name = site.destination(receiver.url)
    sent = [site.request(name, f"u-{number}") for number in range(FAILURES - 1)]
    worker = site.start(name)
    limit = time.monotonic() + 60
    while not (
        len(found := site.outstanding(name)) == len(sent)
        and all(one.attempts == 1 and one.next_attempt_at for one in found.values())
    ):
        assert time.monotonic() < limit, found
    worker.kill()
    worker.wait()
    site.start(name)
    for (outcome,) in site.outcomes(sent).values():
        assert outcome.detail is not None
        assert (outcome.type, outcome.detail["attempts"]) == ("action.delivered", 2)
    assert site.outstanding(name) == {}
    for id in sent:
        first, second = (one for one in receiver.requests if one.key == id)
        assert second.at - first.at >= wait - 0.1


@pytest.mark.fault
def test_an_ordered_destination_s_order_survives_retries_and_kill_9(
    site: Site, receiver: Receiver
) -> None:
    receiver.rule = lambda request, before: Reply(
        503 if before == 0 and request.key[0] in "0123" else 200, delay=0.01
    )
    name = site.destination(receiver.url, ordered=True)
    users = [f"u-{number}" for number in range(20)]
    sent = {user: [site.request(name, user) for _ in range(12)] for user in users}
    for calls in (40, 120):
        worker = site.start(name)
        receiver.wait_for(calls)
        worker.kill()
        worker.wait()
    site.start(name)
    site.outcomes([id for ids in sent.values() for id in ids])
    for ids in sent.values():
        calls = [one for one in receiver.requests if one.key in ids]
        places = [ids.index(one.key) for one in calls]
        assert places == sorted(places), [(ids.index(one.key), one.at) for one in calls]
        assert set(places) == set(range(12))


@pytest.mark.slow
def test_a_destination_that_is_down_is_not_called_and_is_not_flooded_when_it_returns(
    site: Site, receiver: Receiver
) -> None:
    down = True
    receiver.rule = lambda request, _: (
        Reply(503) if down and request.path == "/down" else Reply(delay=0.05)
    )
    name = site.destination(f"{receiver.url}/down")
    sound = site.destination(f"{receiver.url}/sound")
    sent = [site.request(name, f"u-{number}") for number in range(300)]
    site.start(name, sound)
    site.wait_for_line(f"destination {name}: {FAILURES} deliveries failed one after the other")

    others = [site.request(sound, f"u-{number}") for number in range(200)]
    assert {one.type for (one,) in site.outcomes(others).values()} == {"action.delivered"}
    before = len([one for one in receiver.requests if one.path == "/down"])
    assert before < AT_ONCE + FAILURES + 3
    probes = receiver.wait_for(before + 4, where=lambda one: one.path == "/down")[before:]
    first, second, third = (later.at - one.at for one, later in pairwise(probes[:4]))
    assert first > 0.9
    assert second > 1.5 * first
    assert third > 1.5 * second
    down = False
    outcomes = site.outcomes(sent)
    assert {one.type for (one,) in outcomes.values()} == {"action.delivered"}
    assert CLOSED in site.log
    calls = [one for one in receiver.requests if one.path == "/down"]
    for id, (outcome,) in outcomes.items():
        assert outcome.detail is not None
        assert outcome.detail["attempts"] == sum(one.key == id for one in calls)
    since = calls[-len(sent) :]
    for call in since[:40]:
        answered = sum(0 < one.answered_at <= call.at for one in since)
        beside = sum(one.at <= call.at < one.answered_at for one in since)
        assert beside <= 1 + answered


def test_while_calls_are_paused_deliveries_still_end_at_their_time_limit(
    site: Site, receiver: Receiver
) -> None:
    receiver.rule = Reply(503)
    kept = {"for": "6s", "first": "1s", "max_delay": "1s"}
    name = site.destination(receiver.url, retry=kept)
    sent = [site.request(name, f"u-{number}") for number in range(200)]
    call = TriggerCall(4_000, {"code": "status_code"})
    asked = site.request(name, "asks", trigger=call)
    began = time.time() * 1_000
    site.start(name)
    outcomes = site.outcomes(sent)
    assert OPENED in site.log
    calls = len(receiver.requests)
    attempts = 0
    never = []
    for (outcome,) in outcomes.values():
        assert outcome.type == "action.failed"
        assert outcome.detail is not None
        assert outcome.detail["reason"] == "retries_over"
        assert parse_time(outcome.at) >= began + 6_000
        attempts += outcome.detail["attempts"]
        if outcome.detail["attempts"] == 0:
            never.append(outcome)
    assert attempts <= calls <= attempts + 6
    assert len(never) > 100
    assert {one.detail["error"] for one in never if one.detail is not None} == {
        "not called within its time limit: the destination kept failing"
    }
    assert len(site.dead_letters(actions(name))) == len(sent)
    assert not site.response(asked).ok
    assert site.outstanding(name) == {}


def test_a_429_pauses_the_destination_for_all_its_users(site: Site, receiver: Receiver) -> None:
    busy = Reply(429, headers={"Retry-After": "3"})
    receiver.rule = lambda request, _: busy if request.at < receiver.requests[0].at + 1 else Reply()
    name = site.destination(receiver.url)
    sent = [site.request(name, f"u-{number}") for number in range(200)]
    site.start(name)
    outcomes = site.outcomes(sent)
    assert {one.type for (one,) in outcomes.values()} == {"action.delivered"}
    pauses = [later.at - one.at for one, later in pairwise(receiver.requests)]
    assert max(pauses) > 2
    assert pauses.index(max(pauses)) < AT_ONCE  # of 200 that could have been called
    assert OPENED not in site.log
