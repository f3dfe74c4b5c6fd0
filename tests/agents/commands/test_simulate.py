"""`journeys simulate`: one user's way, with the reasons, from a file or as it is typed."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

from tests import forked
from tests.forked import JOURNEYS

ROOT = Path(__file__).parents[3]
DOCUMENTS = """\
kind: Destination
name: mailer
type: http
url: https://mail.example.com/
---
kind: Journey
name: tour
status: draft
entry: {event: start, key: event.properties.k}
nodes:
  wait: {type: wait_for_event, event: answer, within: 1h, next: split, on_timeout: mail}
  split:
    type: criteria
    branches: [{when: user.traits.vip, next: mail}, {when: event.properties.n > 5, next: done}]
    otherwise: mail
  mail: {type: destination, destination: mailer, payload: {to: '${user.id}'}}
  done: {type: exit, reason: done}
"""
ANN = """\
{"event": "start", "userId": "ann", "timestamp": "2026-01-01T00:00:00Z", "properties": {"k": "a"}}
{"event": "start", "userId": "ben", "timestamp": "2026-01-01T00:00:01Z", "properties": {"k": "b"}}
{"event": "answer", "userId": "ann", "at": "+10m", "properties": {"k": "a", "n": 7}}
{"event": "start", "userId": "ann", "at": "+20m", "properties": {"k": "c"}}
"""


def simulate(folder: Path, *words: str, stdin: str = "") -> subprocess.CompletedProcess[str]:
    return forked.run(JOURNEYS, "simulate", *words, folder=folder, stdin=stdin)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "tour.yaml").write_text(DOCUMENTS)
    (tmp_path / "events.jsonl").write_text(ANN)
    return tmp_path


def squeezed(text: str) -> list[str]:
    return [" ".join(line.split()) for line in text.splitlines()]


def test_every_decision_is_shown_with_its_reason_and_every_payload(folder: Path) -> None:
    done = simulate(folder, "tour.yaml", "--events", "events.jsonl")
    assert done.returncode == 0, done.stderr
    assert squeezed(done.stdout) == [
        '2026-01-01 00:00:00.000 start {"k": "a"}',
        "tour [a] journey.entered event=start",
        "tour/wait [a] node.reached",
        "tour/wait [a] wait.started due=2026-01-01 01:00:00.000 (for answer)",
        '2026-01-01 00:10:00.000 answer {"k": "a", "n": 7}',
        "tour/wait [a] wait.matched event=answer",
        "tour/split [a] node.reached",
        "tour/split [a] expression.failed error=user.traits.vip: user.traits.vip is missing",
        "tour/split [a] criteria.matched branch=1 next=done (when event.properties.n > 5)",
        "tour/done [a] node.reached",
        "tour/done [a] journey.exited reason=done",
        '2026-01-01 00:20:00.000 start {"k": "c"}',
        "tour [c] journey.entered event=start",
        "tour/wait [c] node.reached",
        "tour/wait [c] wait.started due=2026-01-01 01:20:00.000 (for answer)",
        "2026-01-01 01:20:00.000 timer",
        "tour/wait [c] wait.timed_out (no answer)",
        "tour/mail [c] node.reached",
        "tour/mail [c] action.requested destination=mailer",
        '{"to": "ann"}',
        "tour/done [c] node.reached",
        "tour/done [c] journey.exited reason=done",
    ]
    assert done.stderr == "1 event of another user left out; --user selects the user to follow\n"


def test_the_user_can_be_named_and_time_be_stopped(folder: Path) -> None:
    done = simulate(
        folder, "tour.yaml", "--events", "events.jsonl", "--user", "ben", "--until", "+59m"
    )
    assert (
        squeezed(done.stdout)[-1]
        == "tour/wait [b] waits until 2026-01-01 01:00:01.000 (for answer)"
    )
    assert "timer" not in done.stdout


def test_events_can_be_typed_without_a_user_or_a_time(folder: Path) -> None:
    typed = '{"event": "start", "properties": {"k": 1}}\n\n{"event": "answer", "at": "+1m"}\n'
    start = ("--start", "2026-05-01T00:00:00Z")
    done = simulate(folder, "tour.yaml", "--events", "-", "--user", "cat", *start, stdin=typed)
    lines = squeezed(done.stdout)
    assert lines[0] == '2026-05-01 00:00:00.000 start {"k": 1}'
    assert lines[4:6] == ["2026-05-01 00:01:00.000 answer", "nothing"]
    assert '{"to": "cat"}' in lines


def test_scripts_read_steps_outcomes_and_actions(folder: Path) -> None:
    done = simulate(folder, "tour.yaml", "--events", "events.jsonl", "--until", "+1h", "--json")
    found = json.loads(done.stdout)
    assert found["user"] == "ann"
    assert [step["event"]["event"] for step in found["steps"]] == ["start", "answer", "start"]
    (waiting,) = found["waiting"]
    due = "2026-01-01T01:20:00.000Z"
    assert waiting == {"journey": "tour", "key": "c", "node": "wait", "due": due, "branch": None}


def test_what_goes_round_is_not_followed_for_ever(folder: Path) -> None:
    again = DOCUMENTS.replace(
        "done: {type: exit, reason: done}", "done: {type: delay, for: 1h, next: mail}"
    )
    (folder / "round.yaml").write_text(again)
    done = simulate(folder, "round.yaml", "--events", "events.jsonl", "--json")
    assert done.returncode == 0
    assert len(json.loads(done.stdout)["steps"]) == 1_003


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("nonsense", "journeys: -:1: found no value where one is expected ("),
        ("[1]", "journeys: -:1: found [1], expected one JSON object a line\n"),
        ('{"event": "start", "at": "10m"}', "journeys: -:1: '10m' is not an ISO 8601 date"),
        ('{"event": "start", "at": [1]}', "journeys: -:1: [1] is not a time such as "),
        ("", "journeys: - has no event\n"),
    ],
)
def test_a_line_that_is_no_event_is_reported_with_its_number(
    folder: Path, line: str, said: str
) -> None:
    done = simulate(folder, "tour.yaml", "--events", "-", stdin=line + "\n")
    assert done.returncode == 1
    assert done.stderr.startswith(said)


def test_an_event_that_the_engine_refuses_is_shown_as_such(folder: Path) -> None:
    done = simulate(folder, "tour.yaml", "--events", "-", stdin='{"properties": {}}\n')
    assert "event.rejected" in done.stdout


def test_a_wrong_document_is_reported_with_its_place(folder: Path) -> None:
    (folder / "tour.yaml").write_text(DOCUMENTS.replace("otherwise: mail", "otherwise: mial"))
    done = simulate(folder, "tour.yaml", "--events", "events.jsonl")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("tour.yaml:15:16: ")
