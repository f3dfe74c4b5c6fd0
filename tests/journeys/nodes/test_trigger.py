"""trigger: the user waits for a response, and goes on whatever the destination does."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from journeys.expressions.urls import join_path
from journeys.records.action import TriggerCall
from journeys.records.response import MAX_TEXT, Response, encode, extract
from journeys.simulation.canned_responses import Canned, CannedResponseQueue, read_responses
from tests.journeys.builders import HOUR, MINUTE, SECOND, START, World, iso, journey

CHECK = """
check:
  type: trigger
  destination: scores
  path: /users/${user.id}/score
  payload: {n: '${entry.properties.n}'}
  response: {score: payload.score, code: status_code}
  within: 2m
  next: judge
  on_error: failed
judge:
  type: criteria
  branches: [{when: 'steps.check.response.score > 10', next: high}]
  otherwise: low
high: {type: exit, reason: high}
low: {type: exit, reason: low}
failed: {type: destination, destination: mailer, payload: {code: '${steps.check.response.code}'}}
"""


def asked(*canned: Canned, clock: Any = "stream", nodes: str = CHECK, **fields: Any) -> World:
    answers = CannedResponseQueue(canned) if clock == "stream" else None
    world = World(journey(nodes), clock=clock, responses=answers)
    world.event(properties={"n": 1}, arrival=0, **fields)
    return world


def respond(world: World, at: int = SECOND, **fields: Any) -> None:
    """The response that the deliver role writes."""
    request = world.actions()[0]
    given = {"ok": True, "labels": {"score": 11}, "status_code": 200, **fields}
    response = Response(
        given.pop("action_id", request.action_id), request.user_id, request.instance, **given
    )
    world.raw(encode(response), arrival=at, kind="response")


def test_the_request_says_all_that_deliver_needs_and_the_user_waits() -> None:
    world = asked(clock="wall", user="a/b")
    (request,) = world.actions()
    assert request.payload == {"n": 1}
    assert request.trigger == TriggerCall(
        2 * MINUTE, {"score": "payload.score", "code": "status_code"}, None, "/users/a%2Fb/score"
    )
    assert world.story()[-3:] == [
        "node.reached check",
        "action.requested check",
        "wait.started check",
    ]
    assert world.instance("a/b").wait.due == START + 2 * MINUTE


def test_an_action_without_a_response_to_wait_for_says_nothing_of_triggers() -> None:
    world = World(journey("a: {type: destination, destination: mailer, payload: {}}"))
    world.event()
    assert b"trigger" not in msgspec.json.encode(world.actions()[0])


def test_what_the_response_gave_is_read_downstream() -> None:
    world = asked(clock="wall")
    respond(world)
    matched, end = world.told("wait.matched")[0], world.told("journey.exited")[0]
    assert matched.at == iso(SECOND)
    assert matched.detail is not None
    assert (matched.detail["ok"], matched.detail["status_code"]) == (True, 200)
    assert end.detail == {"reason": "high"}


def test_what_the_response_lacks_is_missing_and_conditions_fail_closed() -> None:
    world = asked(clock="wall")
    respond(world, labels={})
    assert len(world.told("expression.failed")) == 1
    assert world.told("journey.exited")[0].detail == {"reason": "low"}


def test_a_failure_goes_on_error_and_what_came_is_there_too() -> None:
    world = asked(clock="wall")
    respond(world, ok=False, status_code=402, labels={"code": 402}, error="it answered 402")
    assert world.actions()[1].payload == {"code": 402}


def test_without_an_answer_the_instance_goes_on_error_when_the_time_is_over() -> None:
    world = asked(clock="wall")
    world.fire(2 * MINUTE)
    assert [one.at for one in world.told("wait.timed_out")] == [iso(2 * MINUTE)]
    assert world.told("node.reached")[-1].node == "failed"


@pytest.mark.parametrize("first", ["timer", "exit", "answer"])
def test_a_response_for_a_visit_that_is_over_is_only_an_outcome(first: str) -> None:
    nodes = CHECK.replace("high: {type: exit, reason: high}", "high: {type: delay, for: 9h}")
    world = World(journey(nodes, more="exit: [{event: closed}]"), clock="wall")
    world.event(properties={"n": 1}, arrival=0)
    if first == "timer":
        world.fire(2 * MINUTE)
    elif first == "exit":
        world.event("closed", at=SECOND, arrival=SECOND)
    else:
        respond(world)
    before = world.record()
    respond(world, at=3 * MINUTE)
    (late,) = world.told("event.rejected")
    assert late.detail is not None
    assert (late.user_id, late.detail["reason"]) == ("u", "visit_over")
    assert world.record() == before


def test_at_the_deadline_itself_the_timer_wins() -> None:
    world = asked(clock="wall")
    respond(world, at=2 * MINUTE)
    assert [one.type for one in world.told("wait.timed_out", "wait.matched", "event.rejected")] == [
        "wait.timed_out",
        "event.rejected",
    ]


def test_a_second_visit_of_the_node_is_another_request() -> None:
    nodes = CHECK.replace("failed: {", "failed: {next: check, ")
    world = asked(clock="wall", nodes=nodes)
    respond(world, ok=False, labels={"code": 500})
    first, _, second = world.actions()
    assert first.action_id != second.action_id
    respond(world, at=2 * SECOND)  # the first request's again
    assert [one.detail["reason"] for one in world.told("event.rejected")] == ["visit_over"]
    respond(world, at=3 * SECOND, action_id=second.action_id)
    assert world.told("journey.exited")[0].detail == {"reason": "high"}


def test_a_payload_or_path_that_fails_is_no_request() -> None:
    for field in ("path: '/x/${user.traits.no}'", "payload: {a: '${user.traits.no}'}"):
        nodes = f"""
        check: {{type: trigger, destination: scores, {field}, next: end, on_error: failed}}
        end: {{type: exit, reason: end}}
        failed: {{type: exit, reason: failed}}
        """
        world = asked(clock="wall", nodes=nodes)
        assert world.actions() == []
        assert world.told("journey.exited")[0].detail == {"reason": "failed"}


def test_a_response_is_kept_while_the_journey_is_paused() -> None:
    world = asked(clock="wall")
    world.turn("tour", "paused", 1)
    respond(world)
    assert world.told("journey.exited") == []
    world.turn("tour", "running", HOUR)
    world.sweep()
    world.fire(3 * HOUR)
    assert world.told("journey.exited")[0].detail == {"reason": "high"}


def test_a_response_after_the_deadline_is_late_also_while_the_journey_is_paused() -> None:
    world = asked(clock="wall")
    world.turn("tour", "paused", 1)
    respond(world, at=3 * MINUTE)
    assert world.told("wait.matched") == []
    assert [one.detail["reason"] for one in world.told("event.rejected")] == ["visit_over"]


@pytest.mark.parametrize("value", [b"", b"{}", b"null", b'{"action_id": 5}', b"\xff", b"[" * 9_999])
def test_a_broken_response_is_an_outcome(value: bytes) -> None:
    world = asked(clock="wall")
    world.raw(value, arrival=1, kind="response")
    assert [one.detail["reason"] for one in world.told("event.rejected")] == ["malformed"]
    assert world.effects.dead == []


# Responses written down beforehand.


def test_a_backtest_takes_responses_from_the_first_that_fits() -> None:
    canned = [
        Canned(node="tour/other", payload={"score": 99}),
        Canned(user="u", after="30s", payload={"score": 12}),
        Canned(payload={"score": 1}),
    ]
    world = asked(*canned)
    world.clock("end")
    (end,) = world.told("journey.exited")
    assert (end.at, end.detail) == (iso(30 * SECOND), {"reason": "high"})


def test_a_response_without_a_delay_comes_before_the_next_event() -> None:
    world = asked(Canned(status_code=404))
    world.event("other", at=SECOND)
    assert world.actions()[1].payload == {"code": 404}
    assert world.actions()[1].at == iso(0)


def test_where_none_fits_the_destination_stays_silent() -> None:
    world = asked(Canned(destination="others"))
    world.clock("end")
    assert world.told("wait.timed_out")[0].at == iso(2 * MINUTE)


def test_a_file_of_responses_is_checked_like_a_document() -> None:
    found = read_responses("responses:\n  - {node: tour/check, statuscode: 5}\n", "r.yaml")
    assert [str(one) for one in found] == [
        "r.yaml:2:24: unknown key 'statuscode' in 'responses[0]' of the document: "
        "did you mean 'status_code'?"
    ]


# What a label takes.


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("status_code", 201),
        ("body", '{"a": {"b": [{"c": 1.5}], "t": true, "n": null}}'),
        ("payload.a.b.0.c", 1.5),
        ("payload.a.t", True),
        ("payload.a.n", None),
        ("payload.a.b", None),
        ("payload.a.b.1.c", None),
        ("payload.no", None),
        ("headers.x-request-id", "7"),
        ("headers.nothing", None),
    ],
)
def test_a_label_takes_a_scalar_or_nothing(path: str, value: Any) -> None:
    body = '{"a": {"b": [{"c": 1.5}], "t": true, "n": null}}'
    found = extract({"l": path}, 201, {"X-Request-Id": "7"}, body)
    assert found.labels == ({} if value is None else {"l": value})


@pytest.mark.parametrize("body", ["", "no json", "[" * 10_000, '"' + "x" * (MAX_TEXT + 1) + '"'])
def test_a_body_that_is_no_json_or_too_large_gives_nothing(body: str) -> None:
    assert extract({"l": "payload.a", "b": "body"}, 200, {}, body[: MAX_TEXT + 1]).labels in (
        {},
        {"b": body},
    )


@pytest.mark.parametrize(
    ("url", "path", "joined"),
    [
        ("https://a.example/v1/", "/x", "https://a.example/v1/x"),
        ("https://a.example", "/x?b=1", "https://a.example/x?b=1"),
        ("https://a.example/v1?k=v", "/x?b=1", "https://a.example/v1/x?k=v&b=1"),
        ("https://a.example:8443/", "//evil.example/x", "https://a.example:8443//evil.example/x"),
        ("https://a.example/v1", None, "https://a.example/v1"),
    ],
)
def test_a_path_comes_behind_that_of_the_destination(
    url: str, path: str | None, joined: str
) -> None:
    assert join_path(url, path) == joined
