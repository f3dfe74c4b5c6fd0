"""Actions reach their destinations, and the result of each is reported exactly once."""

from __future__ import annotations

import time
from itertools import pairwise

import msgspec
import pytest

from agents.kafka.partitioner import partition_for
from agents.kafka.topics import actions
from tests.agents.delivery.receiver import Receiver, Reply, Request
from tests.agents.delivery.site import Site
from tests.loopback import free_port


def test_what_is_over_the_rate_limit_waits_and_nothing_is_dropped(
    site: Site, receiver: Receiver
) -> None:
    limit = {"requests": 5, "per": "500ms"}
    name = site.destination(f"{receiver.url}/", rate_limit=limit)
    sent = [site.request(name, f"user-{number}") for number in range(20)]
    site.start(name)
    started = time.monotonic()
    assert [site.outcome(id).type for id in sent] == ["action.delivered"] * 20
    assert time.monotonic() - started > 1.4  # four times five calls, half a second apart
    assert len(receiver.wait_for(20)) == 20


def test_an_action_is_delivered_once_with_its_headers_and_body(
    site: Site, receiver: Receiver
) -> None:
    site.environment["JOURNEYS_SECRET_TOKEN"] = "t0p-secret"
    name = site.destination(
        f"{receiver.url}/v1/users/${{user.id}}/send?journey=${{journey.name}}",
        headers={"Authorization": "Bearer ${env.JOURNEYS_SECRET_TOKEN}", "X-Plain": "yes"},
    )
    whole = site.destination(f"{receiver.url}/whole", envelope=True, method="PUT")
    payload = {"to": "é@example.com", "total": 12.50, "items": [1, 2]}
    sent = site.request(
        name, "a/b c", payload=payload, action="send", event_name="Checkout: 50% für dich"
    )
    second = site.request(whole, payload=payload)
    worker = site.start(name, whole)

    outcome = site.outcome(sent)
    assert outcome.type == "action.delivered"
    assert outcome.user_id == "a/b c"
    assert outcome.cause.topic == actions(name)
    assert outcome.cause.offset == 0
    assert outcome.detail is not None
    assert outcome.detail["status"] == 200
    assert outcome.detail["attempts"] == 1
    (request,) = receiver.wait_for(1, where=lambda one: one.path != "/whole")
    assert request.method == "POST"
    assert request.path == "/v1/users/a%2Fb%20c/send?journey=journey"
    assert msgspec.json.decode(request.body) == payload
    assert request.key == sent
    assert request.headers["Authorization"] == "Bearer t0p-secret"
    assert request.headers["X-Plain"] == "yes"
    assert request.headers["Content-Type"] == "application/json"
    assert request.headers["Journeys-Send-Key"] == "journey/node"
    assert request.headers["Journeys-Action"] == "send"
    assert request.headers["Journeys-Event-Name"] == "Checkout: 50%25 f%C3%BCr dich"

    site.outcome(second)
    (request,) = receiver.wait_for(1, where=lambda one: one.path == "/whole")
    assert request.method == "PUT"
    record = msgspec.json.decode(request.body)
    assert record["action_id"] == second
    assert record["payload"] == payload
    assert len(receiver.requests) == 2
    assert site.stop(worker) < 5  # seconds
    assert site.dead_letters(actions(name)) == []


def test_a_500_is_tried_again(site: Site, receiver: Receiver) -> None:
    receiver.rule = lambda _, before: Reply(500) if before < 2 else Reply(201)
    name = site.destination(receiver.url)
    sent = site.request(name)
    site.start(name)
    outcome = site.outcome(sent)
    assert outcome.type == "action.delivered"
    assert outcome.detail is not None
    assert (outcome.detail["status"], outcome.detail["attempts"]) == (201, 3)
    assert [request.key for request in receiver.requests] == [sent] * 3
    first, second, third = (request.at for request in receiver.requests)
    assert 0.05 <= second - first < third - first


def test_retry_after_wins(site: Site, receiver: Receiver) -> None:
    busy = Reply(429, headers={"Retry-After": "2"})
    receiver.rule = lambda _, before: busy if before == 0 else Reply()
    name = site.destination(receiver.url)
    sent = site.request(name)
    site.start(name)
    assert site.outcome(sent).type == "action.delivered"
    first, second = receiver.requests
    assert 1.9 <= second.at - first.at < 30


def test_a_final_answer_is_reported_and_set_aside_without_secrets(
    site: Site, receiver: Receiver
) -> None:
    site.environment["JOURNEYS_SECRET_TOKEN"] = "t0p-secret"
    receiver.rule = Reply(400, echo_headers=True)
    name = site.destination(
        receiver.url, headers={"Authorization": "Bearer ${env.JOURNEYS_SECRET_TOKEN}"}
    )
    sent = site.request(name, payload={"to": "x"})
    site.start(name)
    outcome = site.outcome(sent)
    assert outcome.type == "action.failed"
    detail = outcome.detail
    assert detail is not None
    assert (detail["reason"], detail["status"], detail["attempts"]) == ("refused", 400, 1)
    assert "Authorization: Bearer [secret]" in detail["body"]
    assert len(detail["body"]) <= 500
    (dead,) = site.dead_letters(actions(name))
    assert (dead.role, dead.reason, dead.key) == ("deliver", "refused", "u-1")
    assert msgspec.json.decode(dead.value)["action_id"] == sent
    told = msgspec.json.encode([outcome, dead]) + site.log.encode()
    assert receiver.requests[0].headers["Authorization"] == "Bearer t0p-secret"
    assert b"t0p-secret" not in told
    assert len(receiver.requests) == 1


def test_redirects_are_not_followed(site: Site, receiver: Receiver) -> None:
    receiver.rule = Reply(302, headers={"Location": f"{receiver.url}/elsewhere"})
    name = site.destination(f"{receiver.url}/here")
    sent = site.request(name)
    site.start(name)
    outcome = site.outcome(sent)
    assert outcome.type == "action.failed"
    assert outcome.detail is not None
    assert outcome.detail["status"] == 302
    assert [request.path for request in receiver.requests] == ["/here"]


def test_a_call_that_hangs_or_is_cut_off_is_tried_again(site: Site, receiver: Receiver) -> None:
    replies = [Reply(hang=True), Reply(reset=True), Reply()]
    receiver.rule = lambda _, before: replies[before]
    name = site.destination(receiver.url, timeout="2s")
    sent = site.request(name)
    site.start(name)
    outcome = site.outcome(sent)
    assert outcome.type == "action.delivered"
    assert outcome.detail is not None
    assert outcome.detail["attempts"] == 3


def test_a_destination_that_is_down_is_called_when_it_is_up(site: Site) -> None:
    port = free_port()
    name = site.destination(f"http://127.0.0.1:{port}")
    sent = site.request(name)
    site.start(name)
    site.wait_for_line("it will be retried")
    down = time.monotonic() + 3
    while time.monotonic() < down:
        assert site.dead_letters(actions(name)) == []
    with Receiver(port=port):
        outcome = site.outcome(sent)
    assert outcome.type == "action.delivered"
    assert outcome.detail is not None
    assert outcome.detail["attempts"] > 1


def test_after_retry_for_an_action_is_given_up(site: Site, receiver: Receiver) -> None:
    receiver.rule = Reply(503, body=b"later")
    name = site.destination(
        receiver.url, retry={"for": "3s", "first": "100ms", "max_delay": "200ms"}
    )
    sent = site.request(name)
    site.start(name)
    outcome = site.outcome(sent)
    assert outcome.type == "action.failed"
    detail = outcome.detail
    assert detail is not None
    assert (detail["reason"], detail["status"], detail["body"]) == ("retries_over", 503, "later")
    assert detail["attempts"] == len(receiver.requests) > 1
    assert 2 <= receiver.requests[-1].at - receiver.requests[0].at < 30
    (dead,) = site.dead_letters(actions(name))
    assert dead.reason == "retries_over"


def test_a_private_address_is_not_called_unless_it_is_allowed(
    site: Site, receiver: Receiver
) -> None:
    site.environment["JOURNEYS_ALLOW_HOSTS"] = ""
    name = site.destination(receiver.url)
    named = site.destination(f"http://localhost:{receiver.port}")
    ids = [site.request(name), site.request(named)]
    site.start(name, named)
    for id, outcomes in site.outcomes(ids).items():
        (outcome,) = outcomes
        assert outcome.type == "action.failed", id
        assert outcome.detail is not None
        assert outcome.detail["reason"] == "address_refused"
        assert "JOURNEYS_ALLOW_HOSTS" in outcome.detail["error"]
    assert receiver.requests == []


def test_what_is_no_action_is_set_aside_and_the_rest_go_on(site: Site, receiver: Receiver) -> None:
    name = site.destination(receiver.url)
    site.write(name, "u-1", b'{"action_id": 5}')
    sent = site.request(name)
    site.start(name)
    assert site.outcome(sent).type == "action.delivered"
    dead = site.wait_for_dead_letter(actions(name))
    assert (dead.reason, dead.value) == ("malformed", '{"action_id": 5}')
    assert (dead.cause.topic, dead.cause.offset) == (actions(name), 0)


def test_a_destination_that_hangs_does_not_hold_up_another(site: Site, receiver: Receiver) -> None:
    stuck = site.destination(f"{receiver.url}/stuck", timeout="90s")
    quick = site.destination(f"{receiver.url}/quick")
    receiver.rule = lambda request, _: Reply(hang=request.path == "/stuck")
    for number in range(200):
        site.request(stuck, f"u-{number}")
    worker = site.start(stuck, quick)
    assert len(receiver.wait_for(64, where=lambda one: one.path == "/stuck")) == 64
    sent = [site.request(quick, f"u-{number}") for number in range(200)]
    outcomes = site.outcomes(sent, seconds=60)
    assert all(one.type == "action.delivered" for (one,) in outcomes.values())
    # No more than these at a time; and a worker with calls in flight stops at once.
    assert len([one for one in receiver.requests if one.path == "/stuck"]) == 64
    assert site.stop(worker) < 15


def test_a_user_s_calls_are_made_one_after_the_other_in_order(
    site: Site, receiver: Receiver
) -> None:
    receiver.rule = Reply(delay=0.02)
    name = site.destination(receiver.url)
    sent = {f"u-{user}": [site.request(name, f"u-{user}") for _ in range(10)] for user in range(8)}
    site.start(name)
    site.outcomes([id for ids in sent.values() for id in ids])
    for ids in sent.values():
        calls = [request for request in receiver.requests if request.key in ids]
        assert [call.key for call in calls] == ids
        assert all(a.answered_at <= b.at for a, b in pairwise(calls))
    # ... and those of different users beside each other, over connections that are kept.
    connections = {request.connection for request in receiver.requests}
    assert 1 < len(connections) <= 16


def test_only_an_ordered_destination_waits_for_a_retry(site: Site, receiver: Receiver) -> None:
    first: set[str] = set()
    receiver.rule = lambda request, before: Reply(
        503 if request.key in first and before < 2 else 200
    )
    ordered = site.destination(f"{receiver.url}/ordered", ordered=True)
    plain = site.destination(f"{receiver.url}/plain")
    sent = {name: [site.request(name) for _ in range(3)] for name in (ordered, plain)}
    first |= {ids[0] for ids in sent.values()}
    site.start(ordered, plain)
    site.outcomes([id for ids in sent.values() for id in ids])

    def order(path: str, ids: list[str]) -> list[int]:
        return [ids.index(one.key) for one in receiver.requests if one.path == path]

    assert order("/ordered", sent[ordered]) == [0, 0, 0, 1, 2]
    assert order("/plain", sent[plain]) == [0, 1, 2, 0, 0]


def test_a_partition_with_too_much_outstanding_waits_and_loses_nothing(
    site: Site, receiver: Receiver
) -> None:
    receiver.rule = Reply(429)  # 503 would open the circuit
    name = site.destination(receiver.url)
    users = [
        user
        for number in range(9 * site.partitions)
        if partition_for((user := f"u-{number}").encode(), site.partitions) == 0
    ]
    sent = [site.request(name, users[number % len(users)]) for number in range(1_300)]
    site.start(name)
    receiver.wait_for(1_500)
    assert len({request.key for request in receiver.requests}) == 1_000
    receiver.rule = Reply()
    outcomes = site.outcomes(sent)
    assert {one.type for (one,) in outcomes.values()} == {"action.delivered"}


def test_an_archived_destination_s_actions_are_kept_and_not_called(
    site: Site, receiver: Receiver
) -> None:
    name = site.destination(receiver.url, status="archived")
    sent = site.request(name)
    site.start(name)
    site.wait_for_line("started")
    site.put_in_force(name, receiver.url)  # the worker follows the catalog
    outcome = site.outcome(sent)
    assert outcome.type == "action.delivered"
    assert len(receiver.requests) == 1


@pytest.mark.parametrize("delay", [0.5, 4.0], ids=["quick", "slow"])
def test_a_stop_lets_calls_in_flight_end_and_repeats_none(
    site: Site, receiver: Receiver, delay: float
) -> None:
    """Calls that the destination has accepted are reported by the worker that made them."""
    receiver.rule = Reply(delay=delay)
    name = site.destination(receiver.url, timeout="8s")
    sent = [site.request(name, f"u-{number}") for number in range(150)]
    stops = 0
    while len(receiver.requests) < len(sent):
        worker = site.start(name)
        receiver.wait_for(min(len(sent), len(receiver.requests) + 40))
        assert site.stop(worker) < 8 + 5  # seconds
        stops += 1
    assert stops > 1
    site.start(name)
    outcomes = site.outcomes(sent)
    assert {one.type for (one,) in outcomes.values()} == {"action.delivered"}
    assert sorted(request.key for request in receiver.requests) == sorted(sent)


def test_a_stop_waits_no_longer_than_a_call_may_take(site: Site, receiver: Receiver) -> None:
    receiver.rule = Reply(hang=True)
    name = site.destination(receiver.url, timeout="1s", retry={"for": "1h", "first": "30m"})
    sent = site.request(name)
    worker = site.start(name)
    receiver.wait_for(1)
    assert site.stop(worker) < 1 + 5
    (delivery,) = site.outstanding(name).values()  # and what came of it is committed
    assert delivery.attempts == 1
    assert sent in site.outstanding(name)


def test_a_missing_secret_is_reported_once_and_its_deliveries_wait(
    site: Site, receiver: Receiver
) -> None:
    headers = {"Authorization": "Bearer ${env.TOKEN}"}
    name = site.destination(receiver.url, headers=headers)
    hasty = site.destination(receiver.url, headers=headers, retry={"for": "1s", "first": "100ms"})
    worker = site.start(name, hasty)
    site.wait_for_line(f"{name}: JOURNEYS_SECRET_TOKEN is not set")  # before anything is sent
    waiting = [site.request(name, f"u-{number}") for number in range(5)]
    outcome = site.outcome(site.request(hasty))
    assert outcome.type == "action.failed"
    assert outcome.detail is not None
    assert outcome.detail["reason"] == "not_configured"
    assert "JOURNEYS_SECRET_TOKEN is not set" in outcome.detail["error"]
    (dead,) = site.dead_letters(actions(hasty))
    assert dead.reason == "not_configured"
    site.stop(worker)
    assert site.log.count("JOURNEYS_SECRET_TOKEN is not set") == 2  # one for each destination
    assert receiver.requests == []
    site.environment["JOURNEYS_SECRET_TOKEN"] = "t0p-secret"
    site.start(name)
    outcomes = site.outcomes(waiting)
    assert {one.type for (one,) in outcomes.values()} == {"action.delivered"}


def test_unusual_data_in_headers_is_delivered_and_affects_no_other_delivery(
    site: Site, receiver: Receiver
) -> None:
    name = site.destination(
        receiver.url, headers={"X-User": "${user.id}", "X-Key": "${journey.key}"}, ordered=True
    )
    keys = ["Zoë\r\nX-Evil: 1", "x" * 20_000, "a\0b", "\x1b[31m", "plain"]
    sent = [site.request(name, "Jürgen", key=key) for key in keys]
    site.start(name)
    told = [site.outcome(id) for id in sent]
    assert [one.type.removeprefix("action.") for one in told] == [
        *("delivered", "failed", "delivered", "delivered", "delivered"),
    ]
    assert told[1].detail is not None
    assert (told[1].detail["reason"], told[1].detail["attempts"]) == ("not_sendable", 1)
    assert {one.reason for one in site.dead_letters(actions(name))} == {"not_sendable"}
    assert [one.headers["X-Key"] for one in receiver.requests] == [
        *("Zo%C3%AB%0D%0AX-Evil: 1", "a%00b", "%1B[31m", "plain"),
    ]
    assert {one.headers["X-User"] for one in receiver.requests} == {"J%C3%BCrgen"}
    assert "Traceback" not in site.log


def test_a_destination_that_is_added_is_taken_on(site: Site, receiver: Receiver) -> None:
    site.destination(receiver.url)
    worker = site.start()
    site.wait_for_line("started")
    sent = site.request(site.destination(receiver.url))
    assert site.outcome(sent).type == "action.delivered"
    assert "a destination was added: restarting" in site.log
    assert worker.poll() is None


@pytest.mark.fault
def test_workers_that_come_and_go_share_a_destination(site: Site, receiver: Receiver) -> None:
    receiver.rule = Reply(delay=0.03)
    name = site.destination(receiver.url)
    sent = [site.request(name, f"u-{number % 100}") for number in range(1_200)]
    first = site.start(name)
    receiver.wait_for(120)
    second = site.start(name)
    receiver.wait_for(360)
    site.stop(first)
    receiver.wait_for(600)
    site.start(name)
    receiver.wait_for(840)
    second.kill()
    outcomes = site.outcomes(sent)
    assert {len(all_of_one) for all_of_one in outcomes.values()} == {1}
    assert {one.type for (one,) in outcomes.values()} == {"action.delivered"}
    assert {request.key for request in receiver.requests} == set(sent)


@pytest.mark.fault
def test_after_kill_9_every_action_is_delivered_and_reported_exactly_once(
    site: Site, receiver: Receiver
) -> None:
    def slowly(request: Request, before: int) -> Reply:
        return Reply(503) if before == 0 and request.key[0] in "01" else Reply(delay=0.05)

    receiver.rule = slowly
    name = site.destination(receiver.url)
    sent = [site.request(name, f"u-{number % 100}") for number in range(600)]
    for calls in (25, 150, 300):
        worker = site.start(name)
        receiver.wait_for(calls)
        worker.kill()
        worker.wait()
    site.start(name)
    outcomes = site.outcomes(sent)
    assert {len(all_of_one) for all_of_one in outcomes.values()} == {1}
    assert {one.type for (one,) in outcomes.values()} == {"action.delivered"}
    assert {request.key for request in receiver.requests} == set(sent)
    assert site.dead_letters(actions(name)) == []
