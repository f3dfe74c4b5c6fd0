"""A trigger from document to response, through every role, on the wall clock."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from agents.kafka.embedded.broker import EmbeddedKafka
from tests.agents.delivery.receiver import Receiver, Reply, Request
from tests.pipeline.stack import Stack, stack, wait_until

DOCUMENTS = """
kind: Destination
name: scores
type: http
url: {url}/scores
timeout: 4s
---
kind: Destination
name: mailer
type: http
url: {url}/mail
---
kind: Journey
name: credit
entry: {{event: applied}}
nodes:
  check:
    type: trigger
    destination: scores
    method: PUT
    path: /of/${{user.id}}
    payload: {{amount: '${{entry.properties.amount}}'}}
    response: {{score: payload.score, code: status_code}}
    within: {within}
    next: judge
    on_error: sorry
  judge:
    type: criteria
    branches: [{{when: steps.check.response.score > 10, next: mail}}]
    otherwise: sorry
  mail:
    type: destination
    destination: mailer
    payload: {{to: '${{user.id}}', score: '${{steps.check.response.score}}'}}
    next: told
  told: {{type: exit, reason: told}}
  sorry: {{type: exit, reason: sorry}}
"""


def rule(request: Request, before: int) -> Reply:
    if request.path == "/scores/of/ben":
        return Reply(hang=True)
    return Reply() if request.path == "/mail" else Reply(200, b'{"score": 42}', delay=1)


@pytest.fixture(scope="module")
def receiver() -> Iterator[Receiver]:
    with Receiver(rule) as receiver:
        yield receiver


@pytest.fixture(scope="module")
def installation(kafka: EmbeddedKafka, receiver: Receiver) -> Iterator[Stack]:
    roles = {"register": 1, "evaluate": 1, "deliver": 1}
    with stack(kafka, roles, JOURNEYS_ALLOW_HOSTS=receiver.host) as made:
        yield made


def apply(installation: Stack, receiver: Receiver, within: str) -> None:
    verdicts = installation.apply(DOCUMENTS.format(url=receiver.url, within=within))
    assert {one["type"] for one in verdicts} == {"config.accepted"}


def story(installation: Stack, user: str, last: str) -> list[tuple[str, str | None]]:
    """The types and nodes of a user's outcomes, once the last one is there. Those of deliver are
    left out, as it runs concurrently with evaluate."""

    def told() -> list[tuple[str, str | None]]:
        found = [
            (one["type"], one["node"])
            for one in installation.journey_outcomes()
            if one["user_id"] == user
            and not str(one["cause"].get("topic")).startswith("journeys.actions.")
        ]
        return found if found and found[-1][0] == last else []

    found: list[tuple[str, str | None]] = wait_until(told)
    return found


ASKED = [
    ("journey.entered", None),
    ("node.reached", "check"),
    ("action.requested", "check"),
    ("wait.started", "check"),
]


@pytest.mark.fault
def test_the_answer_leads_on_though_the_worker_that_waits_for_it_was_killed(
    installation: Stack, receiver: Receiver
) -> None:
    apply(installation, receiver, within="60s")
    installation.send({"event": "applied", "userId": "ann", "properties": {"amount": 7}})
    installation.flush()
    (asked,) = receiver.wait_for(1, where=lambda one: one.path == "/scores/of/ann")
    installation.workers.kill("evaluate-0")  # the answer comes while nobody evaluates
    assert (asked.method, json.loads(asked.body)) == ("PUT", {"amount": 7})

    (mail,) = receiver.wait_for(1, where=lambda one: one.path == "/mail")
    assert json.loads(mail.body) == {"to": "ann", "score": 42}
    assert "evaluate-0 | ended (-9)" in installation.lines
    assert story(installation, "ann", "journey.exited") == [
        *ASKED,
        ("wait.matched", "check"),
        ("node.reached", "judge"),
        ("criteria.matched", "judge"),
        ("node.reached", "mail"),
        ("action.requested", "mail"),
        ("node.reached", "told"),
        ("journey.exited", "told"),
    ]
    assert [one.path for one in receiver.requests] == ["/scores/of/ann", "/mail"]


def test_when_the_time_is_over_the_user_goes_on_without_an_answer(
    installation: Stack, receiver: Receiver
) -> None:
    apply(installation, receiver, within="2s")
    installation.send({"event": "applied", "userId": "ben", "properties": {"amount": 7}})
    installation.flush()
    assert story(installation, "ben", "event.rejected") == [
        *ASKED,
        ("wait.timed_out", "check"),
        ("node.reached", "sorry"),
        ("journey.exited", "sorry"),
        ("event.rejected", None),  # the call ended after that, and nobody waited any more
    ]
    assert [one.path for one in receiver.requests].count("/scores/of/ben") == 1
    assert installation.dead() == []
