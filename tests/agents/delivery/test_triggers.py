"""The requests of triggers: made within their time, and answered to their journeys exactly once."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from agents.kafka.topics import actions
from journeys.records.action import TriggerCall
from journeys.records.response import Response
from tests.agents.delivery.receiver import Receiver, Reply, Request
from tests.agents.delivery.site import Site

SECRET = "t0p-secret"
PIN = 73_519
SCORE = {"score": "payload.result.score", "code": "status_code", "name": "headers.x-name"}


class Scores:
    """A destination of triggers and the worker that calls it; each case ends its path."""

    def __init__(self, site: Site, receiver: Receiver) -> None:
        self.site = site
        self.receiver = receiver
        self._replies: dict[str, list[Reply]] = {}
        receiver.rule = self._reply
        site.environment |= {"JOURNEYS_SECRET_TOKEN": SECRET, "JOURNEYS_SECRET_PIN": str(PIN)}
        self.name = site.destination(
            f"{receiver.url}/v1/${{user.id}}?k=v",
            timeout="2s",
            headers={"Authorization": "Bearer ${env.TOKEN}", "X-Pin": "${env.PIN}"},
        )
        self.private = site.destination("http://10.0.0.1/")
        self.keyed = site.destination(receiver.url, headers={"X": "${journey.key}"})
        self.busy = site.destination(receiver.url)
        self.late = self.ask("late", Reply(), within=1)
        site.start(self.name, self.private, self.keyed, self.busy)

    def _reply(self, request: Request, before: int) -> Reply:
        replies = self._replies[request.path.partition("?")[0].rpartition("/")[2]]
        return replies[min(before, len(replies) - 1)]

    def ask(
        self, case: str, *replies: Reply, within: int = 30_000, to: str = "", **fields: Any
    ) -> str:
        """Requests something; returns the action's id. The last reply is that to all further
        attempts. within: ms. to: another destination. fields: of the trigger."""
        self._replies[case] = list(replies)
        fields = {"response": SCORE, "path": f"/{case}"} | fields
        call = TriggerCall(within, **fields)
        return self.site.request(to or self.name, "a/b", payload={"n": 1}, trigger=call)

    def requests(self, id: str) -> list[Request]:
        return [request for request in self.receiver.requests if request.key == id]

    def failure(self, id: str) -> dict[str, Any]:
        """Why a request failed; that it did is no dead letter."""
        outcome = self.site.outcome(id)
        assert outcome.type == "action.failed"
        assert outcome.detail is not None
        assert id not in [
            json.loads(letter.value)["action_id"]
            for letter in self.site.dead_letters(actions(self.name))
        ]
        return outcome.detail


@pytest.fixture(scope="module")
def scores(broker: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scores]:
    with Receiver() as receiver:
        site = Site(broker, tmp_path_factory.mktemp("site"))
        yield Scores(site, receiver)
        site.close()


def test_the_answer_and_its_labels_come_back_as_a_response(scores: Scores) -> None:
    body = json.dumps({"result": {"score": 11.5}}).encode()
    id = scores.ask("good", Reply(201, body, {"X-Name": "é"}))
    response = scores.site.response(id)
    labels = {"score": 11.5, "code": 201, "name": "é"}
    assert (response.ok, response.status_code, response.labels) == (True, 201, labels)
    assert (response.user_id, response.error) == ("a/b", None)
    assert scores.site.outcome(id).type == "action.delivered"


def test_the_path_comes_behind_the_destination_s_and_the_method_can_be_another(
    scores: Scores,
) -> None:
    id = scores.ask("put", Reply(), method="PUT", path="/x%2Fy/put?a=b")
    assert scores.site.response(id).ok
    (request,) = scores.requests(id)
    assert (request.method, request.path) == ("PUT", "/v1/a%2Fb/x%2Fy/put?k=v&a=b")
    assert msgspec.json.decode(request.body) == {"n": 1}
    assert request.headers["Authorization"] == f"Bearer {SECRET}"
    assert request.headers["Journeys-Send-Key"] == "journey/node"


def test_a_get_has_no_body(scores: Scores) -> None:
    id = scores.ask("get", Reply(), method="GET")
    assert scores.site.response(id).ok
    (request,) = scores.requests(id)
    assert (request.method, request.body) == ("GET", b"")


def test_a_final_answer_s_labels_come_back_too(scores: Scores) -> None:
    id = scores.ask("bad", Reply(422, b'{"result": {"score": "none"}}'))
    response = scores.site.response(id)
    assert (response.ok, response.status_code) == (False, 422)
    assert response.labels == {"score": "none", "code": 422}
    assert response.error == "the destination answered 422"
    detail = scores.failure(id)
    assert (detail["reason"], detail["attempts"]) == ("refused", 1)


def test_a_503_is_tried_again_and_only_the_last_answer_comes_back(scores: Scores) -> None:
    id = scores.ask("busy", Reply(503, b'{"result": {"score": 1}}'), Reply(200, b"{}"))
    assert scores.site.response(id).labels == {"code": 200}
    assert len(scores.requests(id)) == 2


def test_a_request_whose_body_breaks_off_is_retried(scores: Scores) -> None:
    torn = Reply(200, b'{"result": {"sco', {"Content-Length": "500"}, torn=True)
    id = scores.ask("torn", torn, Reply(200, b'{"result": {"score": 5}}'))
    assert scores.site.response(id).labels == {"score": 5, "code": 200}
    assert len(scores.requests(id)) == 2


def test_a_body_that_no_label_needs_is_not_waited_for(scores: Scores) -> None:
    torn = Reply(200, b'{"result": {"sco', {"Content-Length": "500"}, torn=True)
    id = scores.ask("unread", torn, response={"code": "status_code"})
    assert scores.site.response(id).labels == {"code": 200}
    assert len(scores.requests(id)) == 1


def test_a_missing_answer_is_waited_for_within_the_time_limit_only(scores: Scores) -> None:
    id = scores.ask("silent", Reply(hang=True), within=7_000)
    response = scores.site.response(id)
    assert (response.ok, response.status_code, response.labels) == (False, None, {})
    assert response.error == "no answer within 2000 ms"
    calls = scores.requests(id)
    assert scores.failure(id)["reason"] == "retries_over"
    assert len(calls) == scores.failure(id)["attempts"] > 1
    assert calls[-1].at - calls[0].at < 30  # `retry.for` would be 10 minutes


def test_a_wait_that_the_destination_asks_for_beyond_the_time_ends_it_at_once(
    scores: Scores,
) -> None:
    id = scores.ask("wait", Reply(429, b"", {"Retry-After": "60"}), to=scores.busy)
    assert scores.site.response(id).labels == {"code": 429}
    assert len(scores.requests(id)) == 1


def test_a_request_whose_time_is_over_when_it_is_taken_is_not_made(scores: Scores) -> None:
    response = scores.site.response(scores.late)
    assert (response.ok, response.error) == (False, "there was no answer within its time limit")
    assert scores.failure(scores.late)["reason"] == "expired"
    assert scores.failure(scores.late)["attempts"] == 0
    assert scores.requests(scores.late) == []


def test_a_credential_that_is_echoed_does_not_come_back(scores: Scores) -> None:
    wanted = {"body": "body", "token": "payload.token", "pin": "payload.pin", "h": "headers.x-echo"}
    body = json.dumps({"token": f"Bearer {SECRET}", "pin": PIN}).encode()
    for status in (200, 400):
        reply = Reply(status, body, {"X-Echo": SECRET})
        id = scores.ask(f"echo-{status}", reply, response=wanted)
        assert scores.site.response(id).labels == {
            "body": '{"token": "Bearer [secret]", "pin": [secret]}',
            "token": "Bearer [secret]",
            "pin": "[secret]",
            "h": "[secret]",
        }


def test_what_is_too_large_is_left_out(scores: Scores) -> None:
    wanted = {f"label_{number}": "body" for number in range(30)}
    id = scores.ask("large", Reply(200, b"x" * 16_000), response=wanted)
    response = scores.site.response(id)
    assert (response.ok, response.labels) == (True, {})
    assert response.error == "its labels are too large"
    id = scores.ask("larger", Reply(200, b'{"result": {"score": 1}}' + b" " * 70_000))
    response = scores.site.response(id)
    assert (response.ok, response.labels) == (True, {"code": 200})


def test_a_request_that_can_not_be_made_is_answered_too(scores: Scores) -> None:
    site, call = scores.site, TriggerCall(30_000)
    ids = [site.request(name, trigger=call) for name in (scores.private, scores.keyed)]
    errors = [site.response(id).error or "" for id in ids]
    assert "10.0.0.1 is a private address" in errors[0]
    assert errors[1] == "'headers': X: journey.key: journey.key is missing"


@pytest.mark.fault
def test_after_kill_9_a_request_in_flight_is_repeated_within_its_time_limit(
    broker: str, tmp_path: Path
) -> None:
    with Receiver() as receiver:
        site = Site(broker, tmp_path)
        name = site.destination(receiver.url, timeout="60s")
        first = site.request(name, "u-1")
        worker = site.start(name)
        assert site.outcome(first).type == "action.delivered"  # it owns what comes next
        receiver.rule = Reply(hang=True)
        lasting = site.request(name, "u-1", trigger=TriggerCall(60_000))
        short = site.request(name, "u-2", trigger=TriggerCall(5_000))
        site.flush()
        receiver.wait_for(3)
        worker.kill()
        worker.wait()
        receiver.rule = Reply()
        site.start(name)  # takes over when the session of the first one, 6 s, is over
        answered: list[Response] = [site.response(id) for id in (lasting, short)]
        site.close()
    assert [one.ok for one in answered] == [True, False]
    assert sorted(one.key for one in receiver.requests) == sorted([first, lasting, lasting, short])
