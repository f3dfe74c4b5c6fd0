"""`journeys simulate --send NODE`: one real request, marked as a test."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import Result
from typer.testing import CliRunner

from agents.cli import command_line
from tests.agents.delivery.receiver import Receiver, Reply
from tests.loopback import free_port

DOCUMENTS = """\
kind: Destination
name: mailer
type: http
url: {url}/mail?to=${{user.id}}
headers: {{Authorization: 'Bearer ${{env.TOKEN}}', X-Plain: here}}
---
kind: Destination
name: whole
type: http
url: {url}/whole
envelope: true
---
kind: Journey
name: tour
status: draft
entry: {{event: start}}
nodes:
  mail: {{type: destination, destination: mailer, action: send, payload: {{to: '${{user.id}}'}}}}
  check:
    type: trigger
    destination: mailer
    method: PUT
    path: /check/${{user.id}}
    payload: {{n: '${{event.properties.n}}'}}
    response: {{score: payload.score, token: headers.x-echo}}
  lost: {{type: destination, destination: mailer, payload: {{to: '${{user.traits.none}}'}}}}
  record: {{type: destination, destination: whole, payload: 5}}
  split:
    type: criteria
    branches: [{{when: event.properties.n > 5, next: rest}}]
    otherwise: done
  rest: {{type: destination, destination: whole, payload: {{}}}}
  done: {{type: exit}}
---
kind: Journey
name: other
entry: {{event: other}}
nodes:
  mail: {{type: destination, destination: whole, payload: {{}}}}
"""
EVENT = '{"event": "start", "userId": "a b", "timestamp": 1767225600000, "properties": {"n": 1}}'


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with Receiver(Reply(200, b'{"score": 7}', {"X-Echo": "t0p-secret"})) as receiver:
        yield receiver


class Command:
    """`journeys simulate` in this process."""

    def __init__(self, folder: Path, environment: pytest.MonkeyPatch) -> None:
        self._file = folder / "tour.yaml"
        self._environment = environment

    def __call__(
        self, url: str, *words: str, allowed: str = "127.0.0.1", token: str = "t0p-secret"
    ) -> Result:
        self._file.write_text(DOCUMENTS.format(url=url))
        self._environment.setenv("JOURNEYS_ALLOW_HOSTS", allowed)
        self._environment.setenv("JOURNEYS_SECRET_TOKEN", token)
        words = ("simulate", str(self._file), "--events", "-", *words)
        return CliRunner().invoke(command_line(), words, input=EVENT)


@pytest.fixture
def simulate(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Command:
    return Command(tmp_path, monkeypatch)


def test_nothing_is_called_unless_it_is_asked_for(simulate: Command, receiver: Receiver) -> None:
    done = simulate(receiver.url)
    assert done.exit_code == 0, done.stderr
    assert receiver.requests == []


def test_what_the_node_sends_is_sent_once_marked_and_shown_without_secrets(
    simulate: Command, receiver: Receiver
) -> None:
    done = simulate(receiver.url, "--send", "tour/mail")
    assert done.exit_code == 0, done.stderr
    (request,) = receiver.requests
    assert (request.method, request.path) == ("POST", "/mail?to=a%20b")
    assert json.loads(request.body) == {"to": "a b"}
    assert request.headers["Authorization"] == "Bearer t0p-secret"
    assert request.headers["Journeys-Test"] == "true"
    assert request.headers["Journeys-Action"] == "send"
    lines = done.stdout.splitlines()
    shown = lines[lines.index("test event of tour/mail") :]
    assert shown[1] == f"    POST {receiver.url}/mail?to=a%20b"
    assert "    Authorization: Bearer [secret]" in shown
    assert "    X-Plain: here" in shown
    assert f"    Idempotency-Key: {request.key}" in shown
    assert "    Journeys-Test: true" in shown
    assert '    {"to":"a b"}' in shown
    assert shown[-2].startswith("delivered: the destination answered 200 in ")
    assert shown[-1] == '    {"score": 7}'
    assert "t0p-secret" not in done.stdout + done.stderr


def test_its_id_is_never_that_of_an_action_nor_of_another_test(
    simulate: Command, receiver: Receiver
) -> None:
    runs = [simulate(receiver.url, "--send", "record", "--json") for _ in range(2)]
    first, second = (request.key for request in receiver.requests)
    assert first != second
    (real,) = {
        action["action_id"]
        for run in runs
        for step in json.loads(run.stdout)["steps"]
        for action in step["actions"]
        if action["node"] == "record"
    }
    assert first.startswith(f"{real}-test-")
    assert json.loads(receiver.requests[0].body)["action_id"] == first  # `envelope: true`


def test_a_trigger_s_request_and_its_labels_are_shown(
    simulate: Command, receiver: Receiver
) -> None:
    done = simulate(receiver.url, "--send", "check")
    (request,) = receiver.requests
    assert (request.method, request.path) == ("PUT", "/mail/check/a%20b?to=a%20b")
    assert done.stdout.splitlines()[-3:] == [
        "    score=7",
        '    token="[secret]"',
        '    {"score": 7}',
    ]


def test_scripts_read_what_was_sent_and_answered(simulate: Command, receiver: Receiver) -> None:
    done = simulate(receiver.url, "--send", "check", "--json")
    sent = json.loads(done.stdout)["sent"]
    assert sent["node"] == "tour/check"
    assert sent["request"]["method"] == "PUT"
    assert sent["request"]["url"] == f"{receiver.url}/mail/check/a%20b?to=a%20b"
    assert sent["request"]["headers"]["Authorization"] == "Bearer [secret]"
    assert json.loads(sent["request"]["body"]) == {"n": 1}
    answer = sent["answer"]
    assert (answer["delivered"], answer["status"], answer["error"]) == (True, 200, None)
    assert answer["labels"] == {"score": 7, "token": "[secret]"}
    assert answer["ms"] >= 0


def test_a_refusal_is_shown_and_tried_once(simulate: Command, receiver: Receiver) -> None:
    receiver.rule = Reply(503, b"later\n\x1b[2Jor not")
    done = simulate(receiver.url, "--send", "record")
    assert done.exit_code == 1
    assert len(receiver.requests) == 1
    *_, failed, first, second = done.stdout.splitlines()
    assert failed.endswith("ms: the destination answered 503")
    assert (first, second) == ("    later", "    \\x1b[2Jor not")


@pytest.mark.parametrize(
    ("why", "said"),
    [
        ("refused", "127.0.0.1 is a loopback address; JOURNEYS_ALLOW_HOSTS must name "),
        ("away", "ConnectError"),
        ("no token", "'headers': Authorization: JOURNEYS_SECRET_TOKEN is not set"),
    ],
)
def test_what_can_not_be_sent_is_reported(
    simulate: Command, receiver: Receiver, why: str, said: str
) -> None:
    url = f"http://127.0.0.1:{free_port()}" if why == "away" else receiver.url
    allowed = "" if why == "refused" else "127.0.0.1"
    token = "" if why == "no token" else "t0p-secret"
    done = simulate(url, "--send", "tour/mail", allowed=allowed, token=token)
    assert done.exit_code == 1, done.stderr
    assert said in done.stdout
    assert receiver.requests == []
    as_json = simulate(url, "--send", "check", "--json", allowed=allowed, token=token)
    assert as_json.exit_code == 1
    assert said in json.loads(as_json.stdout)["sent"]["answer"]["error"]


@pytest.mark.parametrize(
    ("node", "said"),
    [
        ("tour/rest", "'tour/rest' was never reached: did you mean 'tour/"),
        ("split", "'tour/split' sent nothing when it was reached"),
        ("lost", "'tour/lost' sent nothing when it was reached"),
        ("tuor/mail", "no journey has a node 'tuor/mail': did you mean 'tour/mail'?"),
        ("recrod", "no journey has a node 'recrod': did you mean 'record'?"),
        ("mail", "several journeys have a node 'mail': expected one of 'other/mail', 'tour/mail'"),
        ("other/mail", "'other/mail' was never reached: did you mean 'tour/mail'?"),
    ],
)
def test_a_node_that_sent_nothing_is_reported_with_the_nearest_one(
    simulate: Command, receiver: Receiver, node: str, said: str
) -> None:
    done = simulate(receiver.url, "--send", node)
    assert done.exit_code == 2
    assert said in " ".join(done.stderr.replace("│", " ").split())
    assert receiver.requests == []
